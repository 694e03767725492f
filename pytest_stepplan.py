"""pytest's fixture `stepplan_sandbox`: a Step Plan on a local server, for the tests of whoever has stepplan installed.

pytest imports this module in every run, so it imports nothing of ours until a test uses the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stepplan.sandbox import Sandbox


@pytest.fixture(scope="session")
def _stepplan_server() -> Iterator[Sandbox]:
    try:
        from stepplan.sandbox import Sandbox
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)

    with Sandbox() as server:
        yield server


@pytest.fixture
def stepplan_sandbox(_stepplan_server: Sandbox) -> Iterator[Sandbox]:
    """A Step Plan on a local server, with an empty script and no requests; the same server for the whole session.

    Needs the extra `stepplan[sandbox]`; without it, a test that uses this fixture fails and names the extra.
    """
    _stepplan_server.reset()
    yield _stepplan_server
    _stepplan_server.reset()
