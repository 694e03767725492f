"""What holds for every test: no settings from outside, no loop from another test, no deadline for property tests."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Generator
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from hypothesis import settings

from stepplan import transport

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

_FOREIGN = ("STEP_", "STEPFUN_", "LANGSMITH_", "LANGCHAIN_", "OPENAI_", "ANTHROPIC_")


def pytest_configure() -> None:
    """Before Python 3.14, `get_event_loop()`, which LlamaIndex's sync methods call, makes a loop in a thread that never
    had one. Nobody closes it, so it would warn in whichever test is running when it is collected."""
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no key or address from the environment, except the live ones."""
    if "live" in request.keywords:
        return
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _interpreters_are_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that starts an interpreter carries a mark, so that the quick ones can be run alone."""
    start = subprocess.Popen.__init__

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("A test that starts an interpreter is marked: @pytest.mark.interpreter")

    def start_others(process: Any, args: Any, *more: Any, **options: Any) -> None:
        (refuse if sys.executable in args else start)(process, args, *more, **options)

    if not {"interpreter", "live"} & set(request.keywords):
        monkeypatch.setattr(subprocess.Popen, "__init__", start_others)
        monkeypatch.setattr(BaseProcess, "start", refuse)


@pytest.fixture
def forget_closed_loops() -> Generator[None]:
    gc.freeze()  # so that only what the test made is looked through, which is quick
    yield
    transport.reset()
    gc.collect()
    gc.unfreeze()
