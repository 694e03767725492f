from collections.abc import Iterator

import pytest

from stepplan.sandbox import Sandbox


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    with Sandbox() as plan:
        yield plan


@pytest.fixture
def plan(server: Sandbox) -> Iterator[Sandbox]:
    server.reset()
    yield server
    server.reset()
