"""Fixtures for the test suites of whoever uses this package; pytest finds them by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stepplan.sandbox import Sandbox


@pytest.fixture(scope="session")
def _stepplan_server() -> Iterator[Sandbox]:
    from stepplan.sandbox import Sandbox

    with Sandbox() as plan:
        yield plan


@pytest.fixture
def stepplan_sandbox(_stepplan_server: Sandbox) -> Iterator[Sandbox]:
    """A Step Plan on loopback, with an empty script and no requests."""
    _stepplan_server.reset()
    yield _stepplan_server
    _stepplan_server.reset()
