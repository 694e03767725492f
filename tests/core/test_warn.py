"""Warnings point at the user's own line, whatever stands between it and the code that warns."""

import asyncio
import threading
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from stepplan import AsyncClient, Client, Message, Request, Settings, StepPlanWarning, Tool
from stepplan.sandbox import Sandbox
from stepplan.warn import warn_user
from tests.support.clients import settings_for

PAY_AS_YOU_GO = "https://api.stepfun.ai/v1"


def module(name: str) -> Callable[..., Any]:
    """A function of a module of this name, which calls what it is given."""
    made = types.ModuleType(name)
    exec(compile("def call(inner, *given):\n    return inner(*given)\n", f"/site/{name}.py", "exec"), made.__dict__)
    call: Callable[..., Any] = made.call
    return call


@pytest.mark.parametrize(
    "between", ["langchain_core.runnables", "llama_index.core.llms", "pydantic.main", "langgraph", "langchain_stepplan"]
)
def test_frames_of_frameworks_are_left_out(between: str) -> None:
    with pytest.warns(StepPlanWarning) as warned:
        module(between)(module("stepplan.somewhere"), warn_user, "x")
    assert [warning.filename for warning in warned] == [__file__]


@pytest.mark.parametrize("own", ["langchain_of_mine", "stepplanner", "app", "__main__", ""])
def test_a_module_of_the_users_is_theirs_whatever_it_is_called(own: str) -> None:
    with pytest.warns(StepPlanWarning) as warned:
        module("langchain_core")(module(own), module("stepplan.x"), warn_user, "x")
    assert [warning.filename for warning in warned] == [f"/site/{own}.py"]


def test_in_a_thread_without_a_line_of_the_users_it_is_still_a_warning() -> None:
    thread = threading.Thread(target=warn_user, args=("from a thread",))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        thread.start()
        thread.join()
    assert [str(warning.message) for warning in warned] == ["from a thread"]


def test_the_line_is_shown_once_by_pythons_own_filter() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_user("in a loop")
    assert len(warned) == 1


def test_a_client_warns_at_the_line_that_makes_its_settings() -> None:
    with pytest.warns(StepPlanWarning) as warned:
        Client(Settings(base_url=PAY_AS_YOU_GO))
    assert [warning.filename for warning in warned] == [__file__]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_warns_at_the_line_that_makes_it(plan: Sandbox, streamed: bool) -> None:
    request = Request(messages=(Message.user("Hi"),), tools=(Tool("f"),), tool_choice="required")
    client = Client(settings_for(plan), protocol="anthropic")

    async def ask() -> Any:
        async_client = AsyncClient(settings_for(plan), protocol="anthropic")
        return [event async for event in async_client.stream(request)] if streamed else await async_client.send(request)

    with pytest.warns(StepPlanWarning) as warned:
        list(client.stream(request)) if streamed else client.send(request)
    assert [warning.filename for warning in warned] == [__file__]
    with pytest.warns(StepPlanWarning) as warned:
        asyncio.run(ask())
    assert [warning.filename for warning in warned] == [__file__]
