"""Every form of a tool, and every way of choosing one, is the protocol's own on the wire."""

import functools
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pydantic.v1
import pytest
from langchain_core._api import LangChainBetaWarning
from langchain_core.runnables import RunnableBinding, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._tools import to_function
from stepplan import InvalidRequestError, StepPlanWarning
from stepplan.sandbox import Sandbox
from tests.support.agents.langchain import ask, create_agent, messages_of
from tests.support.ways.langchain import Models, body_of


@tool
def decorated(place: str, days: int = 1) -> str:
    """The weather of a place."""
    return place * days


def function(place: Annotated[str, "where"], unit: Literal["C", "F"] = "C") -> str:
    """The weather of a place.

    Args:
        place: where
        unit: of the temperature
    """
    return place + unit


async def coroutine(place: str) -> str:
    """The weather of a place."""
    return place


class PydanticTool(BaseModel):
    """The weather of a place."""

    place: str = Field(description="where")


class PydanticV1Tool(pydantic.v1.BaseModel):
    """The weather of a place."""

    place: str


class TypedDictTool(TypedDict):
    """The weather of a place."""

    place: Annotated[str, ..., "where"]


SCHEMA: dict[str, Any] = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}


def openai_tool(name: str) -> dict[str, Any]:
    function = {"name": name, "description": "The weather of a place.", "parameters": SCHEMA}
    return {"type": "function", "function": function}


ANTHROPIC = {"name": "anthropic", "description": "The weather of a place.", "input_schema": SCHEMA}
JSON_SCHEMA = {"title": "json_schema", "description": "The weather of a place.", **SCHEMA}
STRUCTURED = StructuredTool.from_function(coroutine=coroutine, name="structured", description="The weather of a place.")
with warnings.catch_warnings(action="ignore", category=LangChainBetaWarning):
    RUNNABLE = RunnableLambda(lambda given: given).as_tool(
        name="runnable", description="The weather of a place.", arg_types={"place": str}
    )
FORMS: list[tuple[Any, str]] = [
    (decorated, "decorated"),
    (function, "function"),
    (PydanticTool, "PydanticTool"),
    (PydanticV1Tool, "PydanticV1Tool"),
    (TypedDictTool, "TypedDictTool"),
    (openai_tool("openai"), "openai"),
    (ANTHROPIC, "anthropic"),
    (JSON_SCHEMA, "json_schema"),
    (STRUCTURED, "structured"),
    (RUNNABLE, "runnable"),
]


def bound_body(model: ChatStepPlan, tools: Sequence[Any], **options: Any) -> dict[str, Any]:
    bound = model.bind_tools(tools, **options)
    assert isinstance(bound, RunnableBinding)
    return body_of(model, "weather?", **bound.kwargs)


def offered(body: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, description and schema of each tool on the wire, of either protocol."""
    if "input_schema" in body["tools"][0]:
        return [(tool["name"], tool["description"], tool["input_schema"]) for tool in body["tools"]]
    functions = [tool["function"] for tool in body["tools"]]
    return [(function["name"], function["description"], function["parameters"]) for function in functions]


@pytest.mark.parametrize(("form", "name"), FORMS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_form_of_a_tool_is_offered(model: ChatStepPlan, form: Any, name: str) -> None:
    [(said, description, schema)] = offered(bound_body(model, [form]))
    assert said == name
    assert description.startswith("The weather of a place.")
    assert schema["type"] == "object"
    assert schema["properties"]["place"]["type"] == "string"
    assert "place" in schema["required"]


def test_a_tool_without_arguments_offers_an_object(model: ChatStepPlan) -> None:
    @tool
    def nothing() -> str:
        """Do nothing."""
        return ""

    [(_, _, schema)] = offered(bound_body(model, [nothing]))
    assert schema == {"type": "object", "properties": {}}
    [(_, _, schema)] = offered(bound_body(model, [{"type": "function", "function": {"name": "bare"}}]))
    assert schema == {"type": "object", "properties": {}}


class Node(BaseModel):
    """A node of a tree."""

    name: str
    kind: Literal["leaf", "branch"]
    children: list["Node"] = Field(default_factory=list["Node"])
    parent: "Node | None" = None


@pytest.mark.guarantees("nested-schemas")
def test_nested_and_recursive_schemas_keep_references_that_resolve(model: ChatStepPlan) -> None:
    class Tree(BaseModel):
        """Plant a tree."""

        root: Node
        spare: Node | None = None

    @tool
    def plant(root: Node, spare: Node | None = None) -> str:
        """Plant a tree."""
        return root.name

    for form in (Tree, plant):
        assert_resolves(offered(bound_body(model, [form], strict=True))[0][2])
    [(_, description, schema)] = offered(bound_body(model, [Node]))
    assert description == "A node of a tree."
    assert_resolves(schema)
    assert schema["properties"]["kind"]["enum"] == ["leaf", "branch"]


def assert_resolves(schema: dict[str, Any]) -> None:
    """An object that says of its children what they are, with references that all lead somewhere."""
    assert schema["type"] == "object"
    assert references(schema)
    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_nested_schemas_that_end_are_written_out(model: ChatStepPlan) -> None:
    class Leaf(BaseModel):
        """A leaf."""

        color: Literal["green", "red"] | None = None

    class Twig(BaseModel):
        """A twig."""

        leaves: list[Leaf]

    [(_, _, schema)] = offered(bound_body(model, [Twig]))
    assert references(schema) == []
    assert schema["properties"]["leaves"]["items"]["properties"]["color"]["anyOf"][0]["enum"] == ["green", "red"]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return (
            [value["$ref"]] if "$ref" in value else [found for inner in value.values() for found in references(inner)]
        )
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


CHOICES: list[tuple[Any, str]] = [
    (None, "auto"),
    ("auto", "auto"),
    (False, "auto"),
    ({"type": "auto"}, "auto"),
    ("none", "none"),
    ({"type": "none"}, "none"),
    ("any", "required"),
    ("required", "required"),
    (True, "required"),
    ({"type": "any"}, "required"),
    ("decorated", "named"),
    ({"type": "function", "function": {"name": "decorated"}}, "named"),
    ({"type": "tool", "name": "decorated"}, "named"),
    ({"type": "function", "name": "decorated"}, "named"),
]


@pytest.mark.parametrize(("choice", "meaning"), CHOICES)
def test_every_way_of_choosing_is_understood_on_chat_completions(model_for: Models, choice: Any, meaning: str) -> None:
    body = bound_body(model_for("openai"), [decorated, function], tool_choice=choice)
    expected = {"required": "required", "named": {"type": "function", "function": {"name": "decorated"}}}
    assert body.get("tool_choice") == expected.get(meaning)
    assert ("tools" in body) == (meaning != "none")


@pytest.mark.guarantees("forced-choice")
@pytest.mark.parametrize(("choice", "meaning"), CHOICES)
def test_every_way_of_choosing_is_understood_on_messages(
    model_for: Models, choice: Any, meaning: str, recwarn: pytest.WarningsRecorder
) -> None:
    forced = meaning in {"required", "named"}
    model = model_for("anthropic")
    bound = model.bind_tools([decorated, function], tool_choice=choice)
    assert isinstance(bound, RunnableBinding)
    if forced:
        with pytest.warns(StepPlanWarning, match="tool_choice"):
            body = body_of(model, "weather?", **bound.kwargs)
    else:
        body = body_of(model, "weather?", **bound.kwargs)
    assert "tool_choice" not in body
    assert [tool["name"] for tool in body.get("tools", ())] == {
        "none": [],
        "named": ["decorated"],
    }.get(meaning, ["decorated", "function"])
    assert ("system" in body) == forced


def test_a_tool_named_like_a_choice_is_chosen(model_for: Models) -> None:
    tools = [openai_tool("any"), openai_tool("other")]
    body = bound_body(model_for("openai"), tools, tool_choice="any")
    assert body["tool_choice"] == {"type": "function", "function": {"name": "any"}}


@pytest.mark.parametrize("choice", ["other", {"type": "tool", "name": "other"}, {"type": "odd"}, 7])
def test_a_choice_that_names_no_tool_is_refused_when_it_is_bound(model: ChatStepPlan, choice: Any) -> None:
    with pytest.raises(InvalidRequestError, match="tool_choice"):
        model.bind_tools([decorated], tool_choice=choice)


@pytest.mark.guarantees("strict-only-if-asked")
def test_strict_and_parallel_calls_are_sent_only_when_asked_for(model: ChatStepPlan) -> None:
    plain = bound_body(model, [decorated])
    asked = bound_body(model, [decorated], strict=True, parallel_tool_calls=False)
    if model.protocol == "openai":
        assert "strict" not in plain["tools"][0]["function"]
        assert "parallel_tool_calls" not in plain
        assert asked["tools"][0]["function"]["strict"] is True
        assert asked["parallel_tool_calls"] is False
    else:
        assert "system" not in plain
        assert "one tool at a time" in asked["system"]


@pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")
@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "decorated"}])
def test_anthropics_way_to_ask_for_one_call_is_understood(model: ChatStepPlan, choice: dict[str, Any]) -> None:
    choice = {**choice, "disable_parallel_tool_use": True}
    for body in (
        bound_body(model, [decorated], tool_choice=choice),
        body_of(model, "weather?", tools=[decorated], tool_choice=choice),
    ):
        assert "one tool at a time" in body["system"] if "system" in body else body["parallel_tool_calls"] is False
    both = bound_body(model, [decorated], tool_choice=choice, parallel_tool_calls=True)
    assert "one tool at a time" not in both.get("system", "")
    assert both.get("parallel_tool_calls", True)


def test_settings_of_a_request_can_be_bound_with_tools(model: ChatStepPlan) -> None:
    body = bound_body(model, [decorated], temperature=0, model_name="step-3.5-flash", max_tokens=9)
    assert (body["temperature"], body["model"], body["max_tokens"]) == (0, "step-3.5-flash", 9)


def test_no_tools_are_no_field(model: ChatStepPlan) -> None:
    assert "tools" not in bound_body(model, [])


@pytest.mark.guarantees("server-tools-refused")
def test_a_tool_that_a_server_runs_is_refused_by_name(model: ChatStepPlan) -> None:
    with pytest.raises(InvalidRequestError, match=r"web_search_preview.*extra_body"):
        model.bind_tools([{"type": "web_search_preview"}])


class Caller:
    def __call__(self, place: str) -> str:
        return place


def unresolved(place: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """The weather of a place."""
    return str(place)


@pytest.mark.parametrize("form", [functools.partial(function, unit="C"), Caller(), unresolved, "weather", None, 5, int])
def test_what_is_no_tool_is_refused_in_one_sentence(model: ChatStepPlan, form: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^This is not a tool or a schema: "):
        model.bind_tools([form])


def test_an_illegal_name_comes_back_as_it_was_given(model: ChatStepPlan) -> None:
    renamed: BaseTool = StructuredTool.from_function(function, name="mcp.server/get weather", description="Weather.")
    message = model.bind_tools([renamed]).invoke("get weather in Paris")
    assert [call["name"] for call in message.tool_calls] == ["mcp.server/get weather"]


def test_an_agent_runs_a_tool_of_an_illegal_name(model: ChatStepPlan, plan: Sandbox) -> None:
    renamed: BaseTool = StructuredTool.from_function(function, name="mcp.server/get weather", description="Weather.")
    messages = messages_of(create_agent(model, tools=[renamed]).invoke(ask("get weather in Paris")))
    assert [(message.name, message.type) for message in messages if message.type == "tool"] == [
        ("mcp.server/get weather", "tool")
    ]
    assert all("mcp.server/get weather" not in str(request.body["tools"]) for request in plan.requests)


def test_marks_of_other_vendors_on_tools_are_not_sent(model: ChatStepPlan) -> None:
    marked = {**ANTHROPIC, "cache_control": {"type": "ephemeral"}}

    @tool(extras={"cache_control": {"type": "ephemeral"}, "defer_loading": True})
    def extra(place: str) -> str:
        """The weather of a place."""
        return place

    body = bound_body(model, [marked, extra])
    assert "cache_control" not in str(body)
    assert "defer_loading" not in str(body)


class Silent(TypedDict):
    city: str


class SilentToo(Silent):
    days: int


@pytest.mark.parametrize("form", [Silent, SilentToo])
def test_a_typed_dict_without_a_docstring_is_not_described_as_a_dict(form: Any) -> None:
    tool = to_function(form)
    assert tool.description == ""
    assert "city" in tool.parameters["properties"]
