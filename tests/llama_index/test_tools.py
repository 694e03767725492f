"""Tools: what is offered, what is chosen, and which calls come back."""

import functools
import warnings
from typing import Any, Generic, Literal, TypeVar

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.tools import FunctionTool, ToolMetadata
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, StepPlanWarning, Tool
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.marks import forced_choice_is_asked_for
from tests.support.ways.llama_index import WAYS, Way

T = TypeVar("T")


def get_weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    return f"Sunny in {city} for {days}."


def get_time() -> str:
    """The time."""
    return "Noon."


WEATHER = FunctionTool.from_defaults(get_weather)
TIME = FunctionTool.from_defaults(get_time)
BOTH = [ToolCall("get_time", {}, "1"), ToolCall("get_weather", {"city": "Rome"}, "2")]


async def ask_with_tools(llm: StepPlan, way: Way, **kwargs: Any) -> ChatResponse:
    """The answer to a question with tools, in one of the four ways."""
    match way:
        case "chat":
            return llm.chat_with_tools(**kwargs)
        case "achat":
            return await llm.achat_with_tools(**kwargs)
        case "stream_chat":
            return list(llm.stream_chat_with_tools(**kwargs))[-1]
        case "astream_chat":
            return [chunk async for chunk in await llm.astream_chat_with_tools(**kwargs)][-1]


def offered(plan: Sandbox) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, description and parameters of the tools in the last request."""
    tools = plan.requests[-1].body.get("tools", [])
    functions = [tool.get("function", tool) for tool in tools]
    return [(f["name"], f["description"], f.get("parameters", f.get("input_schema"))) for f in functions]


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_is_offered_with_its_schema_and_called(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    answer = await ask_with_tools(llm, way, tools=[WEATHER], user_msg="The weather in 'Rome'?")

    [(name, description, parameters)] = offered(plan)
    assert name == "get_weather"
    assert description.endswith("The weather in a city.")
    assert parameters["properties"]["city"] == {"title": "City", "type": "string"}
    assert parameters["required"] == ["city"]
    [selection] = llm.get_tool_calls_from_response(answer)
    assert (selection.tool_name, selection.tool_kwargs["city"]) == ("get_weather", "Rome")
    assert selection.tool_id
    [block] = [block for block in answer.message.blocks if isinstance(block, ToolCallBlock)]
    [data] = answer.message.additional_kwargs["tool_calls"]
    assert (data["id"], data["type"]) == (block.tool_call_id, "function")


def test_the_question_may_be_text_or_a_message_and_the_history_stays_as_it_is(llm: StepPlan, plan: Sandbox) -> None:
    history = [ChatMessage("Hello"), ChatMessage("Hi.", role="assistant")]
    llm.chat_with_tools([TIME], user_msg="Time?", chat_history=history)
    llm.chat_with_tools([TIME], user_msg=ChatMessage("Time?"), chat_history=history)
    llm.chat_with_tools([TIME], chat_history=[*history, ChatMessage("Time?")])

    assert len(history) == 2
    assert [request.body["messages"] for request in plan.requests[1:]] == [plan.requests[0].body["messages"]] * 2
    assert plan.requests[0].body["messages"][-1] == {"role": "user", "content": "Time?"}


def test_no_tools_are_no_tools(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat_with_tools([], user_msg="Hi", tool_required=True)

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(plan.requests[0].body)


CHOICES: list[tuple[dict[str, Any], Any]] = [
    ({}, None),
    ({"tool_choice": None}, None),
    ({"tool_choice": "auto"}, None),
    ({"tool_choice": {"type": "auto"}}, None),
    ({"tool_required": True}, "required"),
    ({"tool_required": True, "tool_choice": None}, "required"),
    ({"tool_choice": "required"}, "required"),
    ({"tool_choice": "any"}, "required"),
    ({"tool_choice": {"type": "any"}}, "required"),
    ({"tool_required": True, "tool_choice": "auto"}, None),
    ({"tool_choice": "get_time"}, "get_time"),
    ({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}, "get_time"),
    ({"tool_choice": {"type": "tool", "name": "get_time"}}, "get_time"),
]


@forced_choice_is_asked_for
@pytest.mark.parametrize(("given", "expected"), CHOICES)
def test_a_choice_is_understood_in_every_shape(
    llm: StepPlan, plan: Sandbox, given: dict[str, Any], expected: str | None
) -> None:
    llm.chat_with_tools([WEATHER, TIME], user_msg="Hi", allow_parallel_tool_calls=True, **given)
    body = plan.requests[0].body

    if llm.protocol == "openai":
        named = {"type": "function", "function": {"name": "get_time"}}
        assert body.get("tool_choice") == (named if expected == "get_time" else expected)
    else:
        system = body.get("system", "")
        assert ("You must call" in system) == (expected is not None)
        assert len(body["tools"]) == (1 if expected == "get_time" else 2)
        assert "tool_choice" not in body


@pytest.mark.parametrize("choice", ["auto", "any"])
def test_anthropics_way_to_ask_for_one_call_is_understood(llm: StepPlan, plan: Sandbox, choice: str) -> None:
    asked = {"type": choice, "disable_parallel_tool_use": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StepPlanWarning)
        llm.chat_with_tools([WEATHER, TIME], user_msg="Hi", allow_parallel_tool_calls=True, tool_choice=asked)
    body = plan.requests[0].body
    assert "one tool at a time" in body["system"] if "system" in body else body["parallel_tool_calls"] is False


def test_the_choice_none_offers_no_tools(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat_with_tools([TIME], user_msg="Time?", tool_choice="none")

    assert "tools" not in plan.requests[0].body


@pytest.mark.guarantees("forced-choice")
@pytest.mark.parametrize("way", WAYS)
async def test_a_forced_choice_that_can_only_be_asked_for_warns(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    asking = ask_with_tools(llm, way, tools=[TIME], user_msg="Time?", tool_required=True)
    if llm.protocol == "anthropic":
        with pytest.warns(StepPlanWarning, match="the system prompt asks for the tool call") as warned:
            await asking
        assert len(warned) == 1
        assert plan.requests[0].unlisted == ()
        assert "You must call one of the tools now." in plan.requests[0].body["system"]
    else:
        await asking
        assert plan.requests[0].body["tool_choice"] == "required"


@forced_choice_is_asked_for
@pytest.mark.parametrize("choice", ["get_tim", {"type": "tool"}, 7])
def test_a_choice_that_cannot_be_is_refused(llm: StepPlan, choice: Any) -> None:
    with pytest.raises(InvalidRequestError, match="tool_choice"):
        llm.chat_with_tools([TIME], user_msg="Time?", tool_choice=choice)


@pytest.mark.parametrize("way", WAYS)
async def test_one_call_at_a_time_is_asked_for_and_held_to(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(Turn(tool_calls=BOTH))
    answer = await ask_with_tools(llm, way, tools=[WEATHER, TIME], user_msg="Both?")

    assert [call.tool_id for call in llm.get_tool_calls_from_response(answer)] == ["1"]
    assert len(answer.message.additional_kwargs["tool_calls"]) == 1
    body = plan.requests[0].body
    assert body.get("parallel_tool_calls") is False or "at most one tool" in body["system"]


@pytest.mark.parametrize("way", WAYS)
async def test_parallel_calls_all_come_back(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(
        Turn(text="Both.", tool_calls=[ToolCall("get_time", {}, "1"), ToolCall("get_weather", {"city": "Rome"}, "2")])
    )
    answer = await ask_with_tools(llm, way, tools=[WEATHER, TIME], user_msg="Both?", allow_parallel_tool_calls=True)

    calls = llm.get_tool_calls_from_response(answer)
    assert [(call.tool_name, call.tool_kwargs) for call in calls] == [
        ("get_time", {}),
        ("get_weather", {"city": "Rome"}),
    ]
    assert answer.message.content == "Both."
    assert "parallel_tool_calls" not in plan.requests[0].body


@pytest.mark.guarantees("calls-without-arguments")
@pytest.mark.parametrize(
    ("protocol", "arguments"),
    [("openai", ""), ("openai", "null"), ("openai", "{}"), ("openai", " "), ("anthropic", ""), ("anthropic", "{}")],
)
@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_without_arguments_is_called_with_none(
    llm: StepPlan, plan: Sandbox, way: Way, arguments: str
) -> None:
    plan.script(Turn(tool_calls=[ToolCall("get_time", arguments)]))
    answer = await ask_with_tools(llm, way, tools=[TIME], user_msg="Time?")

    [selection] = llm.get_tool_calls_from_response(answer)
    assert selection.tool_kwargs == {}


class Box(BaseModel, Generic[T]):
    """A box."""

    content: T


@pytest.mark.guarantees("illegal-names")
@forced_choice_is_asked_for
@pytest.mark.parametrize("name", ["Box[int]", "mcp.server/tool one", "天气", "x" * 80])
@pytest.mark.parametrize("way", WAYS)
async def test_a_name_that_the_api_refuses_comes_back_as_it_was(
    llm: StepPlan, plan: Sandbox, way: Way, name: str
) -> None:
    tool = FunctionTool.from_defaults(get_time, name=name)
    answer = await ask_with_tools(llm, way, tools=[tool], user_msg="Time?", tool_choice=name)

    [selection] = llm.get_tool_calls_from_response(answer)
    assert selection.tool_name == name
    [(on_the_wire, _, _)] = offered(plan)
    assert on_the_wire.isascii()
    assert len(on_the_wire) <= 64


@pytest.mark.parametrize("predict", ["predict_and_call", "apredict_and_call"])
async def test_a_predicted_call_is_run(llm: StepPlan, predict: str) -> None:
    if predict == "predict_and_call":
        answer = llm.predict_and_call([WEATHER, TIME], "The weather in 'Rome'?")
    else:
        answer = await llm.apredict_and_call([WEATHER, TIME], "The weather in 'Rome'?")

    assert answer.response == "Sunny in Rome for 1."
    assert answer.sources[0].raw_input["kwargs"]["city"] == "Rome"


def test_text_instead_of_a_call_is_an_error_or_an_answer(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="I would rather not."), Turn(text="I would rather not."))
    with pytest.raises(ValueError, match="Expected at least one tool call, but the answer was text: 'I would rather"):
        llm.predict_and_call([TIME], "Time?")

    assert llm.predict_and_call([TIME], "Time?", error_on_no_tool_call=False).response == "I would rather not."


def fails() -> str:
    raise RuntimeError("no clock")


def test_an_error_of_the_tool_is_raised_if_so_chosen(llm: StepPlan) -> None:
    tool = FunctionTool.from_defaults(fails, description="Fails.")

    assert "no clock" in llm.predict_and_call([tool], "Go").response
    with pytest.raises(ValueError, match="no clock"):
        llm.predict_and_call([tool], "Go", error_on_tool_error=True)


AS_DATA = {
    "type": "function",
    "function": {"name": "get_time", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
}


BARE = AS_DATA["function"]
ANTHROPICS = {"name": "get_time", "description": "The time.", "input_schema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize("tool", [TIME, get_time, AS_DATA, BARE, ANTHROPICS, {"name": "get_time"}, Tool("get_time")])
def test_tools_may_be_given_to_a_chat_in_every_shape(llm: StepPlan, plan: Sandbox, tool: Any) -> None:
    answer = llm.chat([ChatMessage("Time?")], tools=[tool])

    assert [call.tool_name for call in llm.get_tool_calls_from_response(answer)] == ["get_time"]
    assert offered(plan)[0][2] == {"type": "object", "properties": {}}


def unresolved(city: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """The weather in a city."""
    return str(city)


@pytest.mark.parametrize(
    "tool", [{"description": "The time."}, "get_time", 5, None, functools.partial(get_weather, days=2), unresolved]
)
def test_what_is_no_tool_is_refused(llm: StepPlan, tool: Any) -> None:
    with pytest.raises(InvalidRequestError, match="not a tool"):
        llm.chat([ChatMessage("Time?")], tools=[tool])


def test_a_tool_without_a_schema_takes_one_input(llm: StepPlan, plan: Sandbox) -> None:
    tool = FunctionTool(fn=get_time, metadata=ToolMetadata("Echoes.", "echo", fn_schema=None))
    llm.chat_with_tools([tool], user_msg="Hi")

    assert offered(plan)[0][2]["required"] == ["input"]


class Stop(BaseModel):
    """A place to stop at."""

    city: str
    mood: Literal["calm", "wild"] | None = None
    then: "Stop | None" = None


def plan_trip(start: Stop, others: list[Stop] | None = None) -> str:
    """Plan a trip."""
    return f"{start.city} and {len(others or ())} more."


@pytest.mark.guarantees("nested-schemas")
def test_nested_and_recursive_arguments_have_schemas_whose_references_can_be_found(
    llm: StepPlan, plan: Sandbox
) -> None:
    llm.chat_with_tools([FunctionTool.from_defaults(plan_trip)], user_msg="Go")
    [(_, _, schema)] = offered(plan)
    stop = schema["$defs"]["Stop"]

    assert schema["properties"]["start"]["$ref"] == "#/$defs/Stop"
    assert stop["required"] == ["city"]
    assert {"$ref": "#/$defs/Stop"} in stop["properties"]["then"]["anyOf"]
    assert "strict" not in str(plan.requests[0].body["tools"])


@pytest.mark.guarantees("strict-only-if-asked")
def test_strict_schemas_are_asked_for_where_the_protocol_has_them(llm: StepPlan, plan: Sandbox) -> None:
    llm.strict = True
    llm.chat_with_tools([TIME], user_msg="Time?")
    [tool] = plan.requests[0].body["tools"]

    assert tool.get("function", {}).get("strict") is (True if llm.protocol == "openai" else None)


def test_a_long_description_is_no_obstacle(llm: StepPlan, plan: Sandbox) -> None:
    tool = FunctionTool.from_defaults(get_time, description="x" * 5000)
    llm.chat_with_tools([tool], user_msg="Time?")

    assert offered(plan)[0][1] == "x" * 5000
