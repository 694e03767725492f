"""What the tests on real sockets share."""

from collections.abc import Iterator

import pytest

from stepplan import transport
from stepplan.sandbox import Sandbox
from tests.support.clients import WAYS, Asker, Way, settings_for


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    """The sandbox, with an empty script."""
    return stepplan_sandbox


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each of the two clients."""
    chosen: Way = request.param
    return chosen


@pytest.fixture
def asker(way: Way, plan: Sandbox) -> Asker:
    """A client of the sandbox."""
    return Asker(way, settings_for(plan))


@pytest.fixture
def fresh_pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No connection and no setting of another test is found again."""
    pools: dict[transport.PoolKey, object] = {}
    monkeypatch.setattr(transport, "_sync", pools)
    yield
    for key in list(pools):
        transport.close_sync_pool(key)
