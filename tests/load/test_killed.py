"""A killed batch in small; `make extra WHAT=killed` runs 5,000 lines."""

from pathlib import Path

import pytest

from tests.load.killed import run
from tests.load.server import local_server


@pytest.mark.interpreter
def test_a_killed_run_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with local_server(limit=10) as server:
        outcome = run(server, tmp_path, lines=300, kills=3)
    assert outcome.is_good
    assert len(set(outcome.killed_at)) == 3
    assert outcome.killed_at[-1] < 300
