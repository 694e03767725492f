"""Many prompts with default models against the plan's limit, in small; `make extra WHAT=many` asks 10,000."""

from collections.abc import Iterator

import pytest

from stepplan import gate
from tests.load.many import ASKINGS, LIMIT, TWO, Asking, run
from tests.load.server import Server, local_server


@pytest.fixture
def server() -> Iterator[Server]:
    gate.reset()
    with local_server(LIMIT) as server:
        yield server
    gate.reset()


@pytest.mark.parametrize("asking", ASKINGS, ids=str)
def test_every_prompt_is_answered_once(server: Server, asking: Asking) -> None:
    outcome = run(server, [asking], 60)
    assert outcome.is_good
    assert outcome.requests == 60


@pytest.mark.interpreter
def test_two_processes_of_one_account_are_all_answered(server: Server) -> None:
    assert run(server, TWO, 60).is_good
