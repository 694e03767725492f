"""Structured output, by every method: what is asked on the wire, what comes of it, and why nothing came of it."""

import functools
import itertools
import operator
from typing import Annotated, Any, NamedTuple

import pydantic.v1
import pytest
from langchain_core.exceptions import ModelError, OutputParserException
from langchain_core.runnables import AddableDict, Runnable
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_stepplan import ChatStepPlan, InvalidRequestError
from langchain_stepplan._structured import Method
from stepplan import ProtocolName, StepPlanWarning
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.langchain.test_tools import assert_resolves, offered
from tests.support.ways.langchain import Models

pytestmark = pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


class Trip(BaseModel):
    """A journey."""

    city: str
    days: int | None = None


class TripV1(pydantic.v1.BaseModel):
    """A journey."""

    city: str
    days: int = 1


class TripDict(TypedDict):
    """A journey."""

    city: Annotated[str, ..., "where to"]
    days: Annotated[int, ..., "how long"]


JSON_SCHEMA = {"title": "Trip", "description": "A journey.", "required": ["city"], **SCHEMA}
OPENAI_TOOL = {"type": "function", "function": {"name": "Trip", "description": "A journey.", "parameters": SCHEMA}}
FOUND = {"city": "北京", "days": 3}
SCHEMAS: list[Any] = [Trip, TripV1, TripDict, JSON_SCHEMA, OPENAI_TOOL]
EXPECTED: dict[Any, Any] = {
    Trip: Trip(city="北京", days=3),
    TripV1: TripV1(city="北京", days=3),
    TripDict: FOUND,
    dict: FOUND,
}


def answer(method: str, name: str, text: str = '{"city": "北京", "days": 3}', **more: Any) -> Turn:
    """The object as the method brings it."""
    if method == "function_calling":
        return Turn(reasoning="Hm.", tool_calls=[ToolCall(name, text, "a")], **more)
    return Turn(reasoning="Hm.", text=text, **more)


class By(NamedTuple):
    """A method, over a protocol that has it."""

    protocol: ProtocolName
    method: Method

    def structured(self, models: Models, schema: Any, **fields: Any) -> Runnable[Any, Any]:
        """A model with this schema."""
        return models(self.protocol, **fields).with_structured_output(schema, method=self.method)


METHODS = (
    By("openai", "json_schema"),
    By("openai", "function_calling"),
    By("openai", "json_mode"),
    By("anthropic", "function_calling"),
)
RUNS = ("invoke", "ainvoke", "stream", "astream")


@pytest.mark.guarantees("schemas-and-methods")
@pytest.mark.parametrize("by", METHODS)
@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("run", RUNS)
async def test_every_schema_by_every_method(model_for: Models, plan: Sandbox, by: By, schema: Any, run: str) -> None:
    plan.script(answer(by.method, getattr(schema, "__name__", "Trip")))
    assert await ran(by.structured(model_for, schema), run) == EXPECTED[schema if isinstance(schema, type) else dict]


async def ran(runnable: Runnable[Any, Any], run: str) -> Any:
    """The last there is."""
    if run == "invoke":
        return runnable.invoke("go")
    if run == "ainvoke":
        return await runnable.ainvoke("go")
    if run == "stream":
        return list(runnable.stream("go"))[-1]
    return [piece async for piece in runnable.astream("go")][-1]


@pytest.mark.guarantees("schemas-and-methods", "strict-only-if-asked")
def test_json_schema_is_chat_completions_default(model_for: Models, plan: Sandbox) -> None:
    plan.script(answer("json_schema", "Trip"))
    model_for("openai").with_structured_output(Trip).invoke("go")
    body = plan.requests[-1].body
    asked = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert asked["name"] == "Trip"
    assert asked["schema"]["properties"]["city"]["type"] == "string"
    assert "strict" not in asked
    assert "tools" not in body


@pytest.mark.guarantees("schemas-and-methods")
@pytest.mark.parametrize("by", [by for by in METHODS if by.method != "json_mode"])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_a_schema_is_for_is_told_to_the_model(model_for: Models, plan: Sandbox, by: By, schema: Any) -> None:
    plan.script(answer(by.method, "Trip"))
    by.structured(model_for, schema).invoke("go")
    assert "A journey." in str(plan.requests[-1].body)


@pytest.mark.guarantees("schemas-and-methods")
def test_function_calling_is_messages_default(model_for: Models, plan: Sandbox) -> None:
    plan.script(answer("function_calling", "Trip"))
    model_for("anthropic").with_structured_output(Trip).invoke("go")
    body = plan.requests[-1].body
    assert [tool["name"] for tool in body["tools"]] == ["Trip"]
    assert "`Trip`" in body["system"]
    assert not plan.requests[-1].unlisted


def test_function_calling_forces_the_tool_where_it_can(model_for: Models, plan: Sandbox) -> None:
    plan.script(answer("function_calling", "Trip"))
    model_for("openai").with_structured_output(Trip, method="function_calling", strict=True).invoke("go")
    body = plan.requests[-1].body
    assert body["tool_choice"] == {"type": "function", "function": {"name": "Trip"}}
    assert body["tools"][0]["function"]["strict"] is True


def test_json_mode_asks_for_any_object(model_for: Models, plan: Sandbox) -> None:
    plan.script(Turn(text='```json\n{"any": 1}\n```'))
    assert model_for("openai").with_structured_output(None, method="json_mode").invoke("go") == {"any": 1}
    assert plan.requests[-1].body["response_format"] == {"type": "json_object"}


def test_strict_is_sent_with_a_json_schema_when_asked_for(model_for: Models, plan: Sandbox) -> None:
    plan.script(answer("json_schema", "Trip"))
    model_for("openai").with_structured_output(Trip, strict=True).invoke("go")
    asked = plan.requests[-1].body["response_format"]["json_schema"]
    assert asked["strict"] is True
    assert asked["schema"]["additionalProperties"] is False


@pytest.mark.guarantees("method-stand-in")
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize("run", RUNS)
async def test_a_method_of_response_formats_is_done_by_a_tool_over_messages_with_one_warning_that_names_it(
    model_for: Models, plan: Sandbox, method: Any, run: str
) -> None:
    plan.script(answer("function_calling", "Trip"))
    structured = model_for("anthropic").with_structured_output(Trip, method=method)
    with pytest.warns(StepPlanWarning) as warned:
        assert await ran(structured, run) == Trip(city="北京", days=3)
    assert len(warned) == 1
    assert f"the tool call that stands in for method='{method}'" in str(warned[0].message)
    assert [tool["name"] for tool in plan.requests[-1].body["tools"]] == ["Trip"]
    assert not plan.requests[-1].unlisted


@pytest.mark.guarantees("method-stand-in")
@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling", None])
@pytest.mark.parametrize("run", RUNS)
async def test_with_tools_beside_the_schema_the_one_warning_names_the_method_too(
    model_for: Models, plan: Sandbox, method: Any, run: str
) -> None:
    def look(place: str) -> str:
        """Look at a place."""
        return place

    plan.script(answer("function_calling", "Trip"))
    structured = model_for("anthropic").with_structured_output(Trip, method=method, tools=[look])
    with pytest.warns(StepPlanWarning) as warned:
        assert await ran(structured, run) == Trip(city="北京", days=3)
    [message] = [str(warning.message) for warning in warned]
    stands_in = method in {"json_schema", "json_mode"}
    assert (f"the tool call that stands in for method='{method}'" in message) == stands_in
    assert "You must call one of the tools now." in plan.requests[-1].body["system"]
    assert not plan.requests[-1].unlisted


@pytest.mark.guarantees("schemas-and-methods")
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("place", ["model", "call"])
async def test_a_model_that_does_not_document_json_schema_is_asked_by_a_tool(
    model: ChatStepPlan, plan: Sandbox, run: str, place: str
) -> None:
    router = model.model_copy(update={"model": "step-router-v1"}) if place == "model" else model
    options: dict[str, Any] = {} if place == "model" else {"model": "step-router-v1"}
    plan.script(answer("function_calling", "Trip"))
    assert await ran(router.with_structured_output(Trip, **options), run) == Trip(city="北京", days=3)
    sent = plan.requests[-1].body
    assert sent["model"] == "step-router-v1"
    assert "response_format" not in sent
    assert [(tool.get("function") or tool)["name"] for tool in sent["tools"]] == ["Trip"]


def test_a_method_that_is_asked_for_is_sent_to_any_model(model_for: Models, plan: Sandbox) -> None:
    plan.script(answer("json_schema", "Trip"))
    structured = model_for("openai", model="step-router-v1").with_structured_output(Trip, method="json_schema")
    assert structured.invoke("go") == Trip(city="北京", days=3)
    assert "response_format" in plan.requests[-1].body


def test_json_mode_without_a_schema_is_refused_over_messages_where_it_is_asked_for(model_for: Models) -> None:
    with pytest.raises(InvalidRequestError, match=r"method='json_mode' needs a schema.*protocol='openai'"):
        model_for("anthropic").with_structured_output(None, method="json_mode")


@pytest.mark.parametrize("by", METHODS)
@pytest.mark.parametrize("run", RUNS)
async def test_an_answer_that_was_cut_off_says_max_tokens(model_for: Models, plan: Sandbox, by: By, run: str) -> None:
    for schema in (Trip, JSON_SCHEMA):
        structured = by.structured(model_for, schema)
        for text in ('{"city": "北京", "da', ""):
            plan.script(answer(by.method, "Trip", text, finish_reason="length"))
            with pytest.raises(OutputParserException, match="max_tokens"):
                await ran(structured, run)


@pytest.mark.parametrize("run", ["invoke", "astream"])
async def test_text_instead_of_the_object_is_shown_in_the_error(model: ChatStepPlan, plan: Sandbox, run: str) -> None:
    plan.script(Turn(text="I would rather talk."))
    with pytest.raises(OutputParserException, match="I would rather talk"):
        await ran(model.with_structured_output(Trip), run)


async def test_an_object_of_another_shape_names_what_is_wrong(model: ChatStepPlan, plan: Sandbox) -> None:
    method = "json_schema" if model.protocol == "openai" else "function_calling"
    plan.script(answer(method, "Trip", '{"town": "北京"}'))
    with pytest.raises(OutputParserException, match=r"(?s)Trip.*city"):
        model.with_structured_output(Trip).invoke("go")


def test_a_refusal_is_a_refusal(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="I will not.", finish_reason="content_filter"))
    with pytest.raises(ModelError, match="I will not"):
        model.with_structured_output(Trip).invoke("go")


@pytest.mark.guarantees("include-raw")
def test_include_raw_gives_the_message_and_never_raises(model: ChatStepPlan, plan: Sandbox) -> None:
    method = "json_schema" if model.protocol == "openai" else "function_calling"
    structured = model.with_structured_output(Trip, include_raw=True)
    plan.script(answer(method, "Trip"), answer(method, "Trip", '{"ci', finish_reason="length"))
    good = structured.invoke("go")
    assert good["parsed"] == Trip(city="北京", days=3)
    assert good["parsing_error"] is None
    assert good["raw"].additional_kwargs["reasoning_content"] == "Hm."
    bad = structured.invoke("go")
    assert bad["parsed"] is None
    assert isinstance(bad["parsing_error"], OutputParserException)
    assert bad["raw"].response_metadata["finish_reason"] == "length"


@pytest.mark.guarantees("partial-objects")
@pytest.mark.parametrize("by", METHODS)
@pytest.mark.parametrize("schema", [TripDict, JSON_SCHEMA])
def test_dicts_fill_in_while_they_stream(model_for: Models, plan: Sandbox, by: By, schema: Any) -> None:
    name = getattr(schema, "__name__", "Trip")
    plan.script(answer(by.method, name, '{"city": "Saint Petersburg", "days": 3}'))
    parts = list(by.structured(model_for, schema).stream("go"))
    assert len(parts) > 2
    cities = [part.get("city", "") for part in parts]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(cities))
    assert parts[-1] == {"city": "Saint Petersburg", "days": 3}


@pytest.mark.parametrize("by", METHODS)
def test_streaming_that_is_turned_off_still_gives_the_object(model_for: Models, plan: Sandbox, by: By) -> None:
    plan.script(answer(by.method, "Trip"))
    structured = by.structured(model_for, Trip, disable_streaming=True)
    assert list(structured.stream("go")) == [Trip(city="北京", days=3)]


class Leg(BaseModel):
    """A part of a journey."""

    to: str
    then: "Leg | None" = None


@pytest.mark.guarantees("nested-schemas")
def test_nested_and_recursive_classes(model: ChatStepPlan, plan: Sandbox) -> None:
    class Journey(BaseModel):
        """A journey."""

        legs: list[Leg] = Field(min_length=1)

    method = "json_schema" if model.protocol == "openai" else "function_calling"
    plan.script(answer(method, "Journey", '{"legs": [{"to": "A", "then": {"to": "B"}}]}'))
    journey = model.with_structured_output(Journey).invoke("go")
    assert journey == Journey(legs=[Leg(to="A", then=Leg(to="B"))])
    body = dict(plan.requests[-1].body)
    assert_resolves(
        body["response_format"]["json_schema"]["schema"] if "response_format" in body else offered(body)[0][2]
    )


@pytest.mark.parametrize("by", METHODS)
async def test_include_raw_streams_the_message_and_then_the_object(model_for: Models, plan: Sandbox, by: By) -> None:
    structured = model_for(by.protocol).with_structured_output(TripDict, method=by.method, include_raw=True)
    plan.script(*[answer(by.method, "TripDict")] * 2)
    for parts in (list(structured.stream("go")), [part async for part in structured.astream("go")]):
        found = functools.reduce(operator.add, (AddableDict(part) for part in parts))
        assert found["parsed"] == FOUND
        assert found["parsing_error"] is None
        assert found["raw"].additional_kwargs["reasoning_content"] == "Hm."


def test_the_sandbox_fills_a_schema_that_nobody_scripted(model: ChatStepPlan) -> None:
    assert isinstance(model.with_structured_output(Trip).invoke("Plan a trip to Paris."), Trip)


def test_tools_can_be_bound_beside_a_json_schema(model_for: Models, plan: Sandbox) -> None:
    def look(place: str) -> str:
        """Look at a place."""
        return place

    structured = model_for("openai").with_structured_output(Trip, tools=[look], include_raw=True)
    plan.script(Turn(tool_calls=[ToolCall("look", {"place": "x"}, "a")]), answer("json_schema", "Trip"))
    called = structured.invoke("go")
    assert [call["name"] for call in called["raw"].tool_calls] == ["look"]
    assert called["parsed"] is None
    assert structured.invoke("go")["parsed"] == Trip(city="北京", days=3)
    assert {"tools", "response_format"} <= plan.requests[-1].body.keys()


def test_an_odd_title_becomes_a_legal_name(model_for: Models, plan: Sandbox) -> None:
    schema = {**JSON_SCHEMA, "title": "A trip, or two"}
    plan.script(answer("json_schema", "Trip"))
    assert model_for("openai").with_structured_output(schema).invoke("go") == FOUND
    assert " " not in plan.requests[-1].body["response_format"]["json_schema"]["name"]
