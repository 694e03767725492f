"""Structured output in both frameworks: the same answers give the same objects, or the same reasons for none."""

import json
from typing import Any, Literal

import pytest
from langchain_core.exceptions import OutputParserException
from llama_index.core import PromptTemplate
from pydantic import BaseModel

from langchain_stepplan import ContentBlockedError, InvalidRequestError
from llama_index_stepplan import StructuredOutputError
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX, settings_of

pytestmark = pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")

Way = Literal["whole", "whole async", "streamed", "streamed async"]
WAYS: tuple[Way, ...] = ("whole", "whole async", "streamed", "streamed async")
FOUND = {"city": "北京", "days": 3}
TEXT = json.dumps(FOUND, ensure_ascii=False)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


class Trip(BaseModel):
    """A journey."""

    city: str
    days: int


def look(place: str) -> str:
    """Look at a place."""
    return place


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


async def langchain(plan: Sandbox, protocol: ProtocolName, way: Way) -> Any:
    runnable = LANGCHAIN(protocol=protocol, **settings_of(plan)).with_structured_output(Trip)
    match way:
        case "whole":
            return runnable.invoke("Go")
        case "whole async":
            return await runnable.ainvoke("Go")
        case "streamed":
            return list(runnable.stream("Go"))[-1]
        case "streamed async":
            return [part async for part in runnable.astream("Go")][-1]


async def llama_index(plan: Sandbox, protocol: ProtocolName, way: Way) -> Any:
    llm, prompt = LLAMA_INDEX(protocol=protocol, **settings_of(plan)), PromptTemplate("Go")
    match way:
        case "whole":
            return llm.structured_predict(Trip, prompt)
        case "whole async":
            return await llm.astructured_predict(Trip, prompt)
        case "streamed":
            return list(llm.stream_structured_predict(Trip, prompt))[-1]
        case "streamed async":
            return [part async for part in await llm.astream_structured_predict(Trip, prompt)][-1]


@pytest.fixture(params=[langchain, llama_index])
def ask(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.guarantees("object-found")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"Sure:\n```\n{TEXT}\n```\nAnything else?",
        f"Here {{it}} is: {TEXT}",
        f"{TEXT}\n\nI hope that this helps.",
    ],
)
async def test_an_object_is_taken_from_a_fence_or_with_text_around_it(
    plan: Sandbox, ask: Any, protocol: ProtocolName, way: Way, text: str
) -> None:
    plan.script(Turn(reasoning="Hm.", text=text))
    assert await ask(plan, protocol, way) == Trip(city="北京", days=3)


@pytest.mark.guarantees("refusal-is-refusal")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("answer", [{"text": TEXT}, {"tool_calls": [ToolCall("Trip", FOUND)]}, {"text": "I will not."}])
async def test_an_answer_that_ended_as_a_refusal_is_one_even_if_it_parses(
    plan: Sandbox, ask: Any, protocol: ProtocolName, way: Way, answer: dict[str, Any]
) -> None:
    plan.script(Turn(**answer, finish_reason="content_filter"))
    with pytest.raises(Exception, match="The model refused to answer") as caught:
        await ask(plan, protocol, way)
    expected = ContentBlockedError if ask is langchain else ContentBlockedError.__mro__[1]
    assert isinstance(caught.value, expected)
    assert not isinstance(caught.value, OutputParserException | StructuredOutputError)


@pytest.mark.guarantees("why-no-object")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Turn(text='{"city": "北', finish_reason="length"), "raise max_tokens"),
        (Turn(text='<think>Perhaps {"city": "Oslo", "days": 1}, or', finish_reason="length"), "raise max_tokens"),
        (Turn(text="I would rather talk."), "holds no Trip: 'I would rather talk.'"),
        (Turn(text='{"city": 5}'), r"(?s)not a valid Trip.*days"),
        (Turn(text='{"city": "a", "days": 1e999}'), "holds no Trip"),
        (Turn(tool_calls=[ToolCall("Trip", '{"days": 1e999, "city": "a"}')]), "holds no Trip. The arguments of 'Trip'"),
        (Turn(tool_calls=[ToolCall("Trip", '{"days": NaN, "city": "a"}')]), "holds no Trip. The arguments of 'Trip'"),
    ],
)
async def test_the_reason_why_there_is_no_object_is_the_same(  # noqa: PLR0917 - one for each way to vary
    plan: Sandbox, ask: Any, protocol: ProtocolName, way: Way, turn: Turn, said: str
) -> None:
    plan.script(turn)
    with pytest.raises(OutputParserException if ask is langchain else StructuredOutputError, match=said):
        await ask(plan, protocol, way)


FORMS: list[Any] = [
    Trip,
    {"name": "Trip", "schema": SCHEMA, "strict": True},
    {"name": "Trip", "description": "A journey.", "schema": SCHEMA},
    {"type": "json_schema", "json_schema": {"name": "Trip", "schema": SCHEMA, "strict": True}},
    {"type": "json_schema", "name": "Trip", "schema": SCHEMA},
    {"type": "function", "function": {"name": "Trip", "parameters": SCHEMA}},
    {"name": "Trip", "parameters": SCHEMA},
    {"name": "Trip", "input_schema": SCHEMA},
    {"toolSpec": {"name": "Trip", "inputSchema": {"json": SCHEMA}}},
    {"title": "Trip", **SCHEMA},
    SCHEMA,
]


@pytest.mark.guarantees("schemas-and-methods")
@pytest.mark.parametrize("form", FORMS, ids=lambda form: str(form)[:50])
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_every_form_of_a_schema_is_taken_by_every_method(
    plan: Sandbox, protocol: ProtocolName, method: str, form: Any
) -> None:
    plan.script(Turn(text=TEXT))
    structured = LANGCHAIN(protocol=protocol, **settings_of(plan)).with_structured_output(form, method=method)
    assert structured.invoke("Go") == (Trip(city="北京", days=3) if form is Trip else FOUND)
    body = plan.requests[0].body
    if method == "json_mode" and protocol == "openai":
        assert body["response_format"] == {"type": "json_object"}
    elif method == "json_schema" and protocol == "openai":
        sent = body["response_format"]["json_schema"]
        assert sent["name"] == ("answer" if form is SCHEMA else "Trip")
        assert sent["schema"]["properties"].keys() == {"city", "days"}
        assert sent.get("strict") is (True if "'strict': True" in str(form) else None)
    else:
        [tool] = body["tools"]
        function = tool.get("function", tool)
        assert function["name"] == ("answer" if form is SCHEMA else "Trip")
        assert function.get("parameters", function.get("input_schema"))["properties"].keys() == {"city", "days"}


@pytest.mark.parametrize("form", [5, "Trip", [], {"description": "A journey."}, {"name": 5, "schema": SCHEMA}])
def test_what_is_no_schema_is_refused_where_it_is_given(form: Any) -> None:
    with pytest.raises(InvalidRequestError):
        LANGCHAIN().with_structured_output(form)


@pytest.mark.guarantees("called-instead")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_a_model_that_calls_a_tool_instead_gives_the_call_and_no_object(
    plan: Sandbox, protocol: ProtocolName, way: Way
) -> None:
    model = LANGCHAIN(protocol=protocol, **settings_of(plan))
    plan.script(*[Turn(tool_calls=[ToolCall("look", {"place": "x"})])] * 2, Turn(text=TEXT))
    with_raw = model.with_structured_output(Trip, tools=[look], include_raw=True)
    found: dict[str, Any] = {}
    if way == "whole":
        found = with_raw.invoke("Go")
    elif way == "whole async":
        found = await with_raw.ainvoke("Go")
    elif way == "streamed":
        for part in with_raw.stream("Go"):
            found |= part
    else:
        async for part in with_raw.astream("Go"):
            found |= part
    assert (found["parsed"], found["parsing_error"]) == (None, None)
    if way.startswith("whole"):
        assert [call["name"] for call in found["raw"].tool_calls] == ["look"]
    structured = model.with_structured_output(Trip, tools=[look])
    assert structured.invoke("Go") is None
    assert structured.invoke("Go") == Trip(city="北京", days=3)
    offered = {tool.get("function", tool)["name"] for tool in plan.requests[0].body["tools"]}
    assert offered == ({"look"} if protocol == "openai" else {"Trip", "look"})
