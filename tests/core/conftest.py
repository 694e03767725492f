"""What the tests on real sockets share."""

import asyncio
import inspect
import sys
from collections.abc import Iterator

import pytest

from stepplan import transport
from stepplan.sandbox import Sandbox
from tests.support.clients import TRANSPORTS, Asker, Way, settings_for


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    """The sandbox, with an empty script."""
    return stepplan_sandbox


def pytest_pycollect_makeitem(name: str, obj: object) -> None:
    """Run every async test over both transports; other tests ask for `way` or `async_transport`."""
    if name.startswith("test_") and asyncio.iscoroutinefunction(obj) and "way" not in inspect.signature(obj).parameters:
        pytest.mark.usefixtures("async_transport")(obj)


@pytest.fixture(params=TRANSPORTS)
def async_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the libraries that async calls use; the second is used where it is installed."""
    name: str = request.param
    if name == "httpx":
        monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    return name


@pytest.fixture(params=["sync", *(f"async-{name}" for name in TRANSPORTS)])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    """Each of the two clients, and the async one over each transport."""
    if request.param == "async-httpx":
        monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    return "sync" if request.param == "sync" else "async"


@pytest.fixture
def asker(way: Way, plan: Sandbox) -> Asker:
    """A client of the sandbox."""
    return Asker(way, settings_for(plan))


@pytest.fixture
def fresh_pools() -> Iterator[None]:
    """No connection and no setting of another test is found again."""
    transport.reset()
    yield
    transport.reset()
