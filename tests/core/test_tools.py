"""Tools, tool choices and response formats: every form that callers write is read, and every other one refused."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field, RootModel

from stepplan import AnyTool, InvalidRequestError, JSONSchema, NamedTool, Retrieval, Tool, WebSearch
from stepplan.integration.schemas import class_schema, closed
from stepplan.integration.tools import (
    as_json_schema,
    as_openai_response_format,
    as_openai_tool,
    as_openai_tool_choice,
    to_function,
    to_response_format,
    to_tool,
    to_tool_choice,
    to_tools,
    with_strict,
)

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION: dict[str, Any] = {"name": "weather", "description": "The weather.", "parameters": SCHEMA}
WEATHER = Tool("weather", "The weather.", SCHEMA)
OTHER = Tool("other")


class Node(BaseModel):
    """A node of a tree."""

    children: list["Node"] = Field(default_factory=list["Node"])


class Leaf(BaseModel):
    """A leaf."""

    color: str


@pytest.mark.parametrize(
    "form",
    [
        WEATHER,
        FUNCTION,
        {"type": "function", "function": FUNCTION},
        {"function": FUNCTION},
        {"type": "function", **FUNCTION},
        {"name": "weather", "description": "The weather.", "input_schema": SCHEMA},
        {"type": "custom", "name": "weather", "description": "The weather.", "input_schema": SCHEMA},
        {"name": "weather", "description": "The weather.", "inputSchema": SCHEMA},
        {"toolSpec": {"name": "weather", "description": "The weather.", "inputSchema": {"json": SCHEMA}}},
        {"title": "weather", "description": "The weather.", **SCHEMA},
        {"name": "weather", "description": "The weather.", "schema": SCHEMA},
        {**FUNCTION, "cache_control": {"type": "ephemeral"}, "defer_loading": True},
    ],
)
def test_every_form_of_a_tool_is_read(form: Any) -> None:
    assert to_tool(form) == WEATHER


def test_what_a_tool_leaves_out_is_empty_and_what_it_says_about_strictness_is_kept() -> None:
    assert to_tool({"name": "now"}) == Tool("now")
    assert to_tool({"name": "now", "description": None, "parameters": None}) == Tool("now")
    assert to_tool({**FUNCTION, "strict": True}) == Tool("weather", "The weather.", SCHEMA, strict=True)
    assert to_function(SCHEMA, default_name="answer") == Tool("answer", "", SCHEMA)


def test_a_class_is_a_tool_and_a_reference_at_the_top_is_resolved() -> None:
    assert to_tool(Leaf) == Tool("Leaf", "A leaf.", class_schema(Leaf))
    for form in (Node, Node.model_json_schema(), {"name": "Node", "parameters": Node.model_json_schema()}):
        tool = to_function(form)
        assert tool.name == "Node"
        assert tool.parameters["type"] == "object"
        assert tool.parameters["properties"]["children"]["items"]["$ref"] == "#/$defs/Node"
        assert "Node" in tool.parameters["$defs"]


@pytest.mark.parametrize("key", ["$defs", "definitions"])
def test_a_reference_at_the_top_is_resolved_under_either_name_of_definitions(key: str) -> None:
    schema = {"title": "Place", "$ref": f"#/{key}/Place", key: {"Place": SCHEMA}}
    assert to_tool(schema) == Tool("Place", "", {**SCHEMA, key: {"Place": SCHEMA}})


@pytest.mark.parametrize("key", ["anyOf", "oneOf", "allOf"])
def test_a_schema_may_be_made_of_others(key: str) -> None:
    assert to_tool({"title": "Place", key: [SCHEMA]}) == Tool("Place", "", {key: [SCHEMA]})


@pytest.mark.parametrize(
    "form",
    [
        RootModel[list[int]],
        {"title": "Places", "type": "array", "items": {}},
        {"name": "places", "parameters": {"type": "array", "items": {}}},
        {"type": "function", "function": {"name": "places", "parameters": {"type": "string"}}},
        {"name": "places", "inputSchema": {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array"}}}},
    ],
)
def test_what_is_not_an_object_is_refused_in_every_form(form: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"of type '(array|string)' can be neither arguments nor an answer"):
        to_tool(form)


def test_a_class_without_a_schema_is_refused_by_its_name() -> None:
    class Hook(BaseModel):
        call: Callable[[], None]

    with pytest.raises(InvalidRequestError, match="Hook has no JSON Schema: Cannot generate"):
        to_tool(Hook)


def test_a_tool_travels_in_openais_form_and_comes_back_the_same() -> None:
    for tool in (WEATHER, OTHER, Tool("strict", "", SCHEMA, strict=False)):
        assert to_tool(as_openai_tool(tool)) == tool
    assert as_openai_tool(WEATHER) == {"type": "function", "function": FUNCTION}


SEARCH = {"type": "web_search", "function": {"description": "Search for news."}}
RETRIEVE = {
    "type": "retrieval",
    "function": {"name": "manual", "description": "The manual.", "options": {"vector_store_id": "1"}},
}


@pytest.mark.parametrize(
    ("form", "tool"),
    [
        (SEARCH, WebSearch("Search for news.")),
        ({"type": "web_search", "function": {}}, WebSearch()),
        ({"type": "web_search"}, WebSearch()),
        (RETRIEVE, Retrieval("manual", "1", "The manual.")),
    ],
)
def test_stepfuns_own_tools_are_read_as_documented_and_travel_beside_functions(form: Any, tool: Any) -> None:
    assert to_tools([FUNCTION, form], to_tool) == (WEATHER, tool)
    assert to_tool(tool) == tool
    assert to_tool(as_openai_tool(tool)) == tool
    assert with_strict(tool, True) == tool
    assert to_tool_choice("weather", [WEATHER, tool]) == NamedTool("weather")
    with pytest.raises(InvalidRequestError, match="the tools are: weather"):
        to_tool_choice(NamedTool(tool.name), [WEATHER, tool])


def test_a_retrieval_without_a_vector_store_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="vector_store_id of 'manual' must not be empty"):
        to_tool({"type": "retrieval", "function": {"name": "manual"}})


@pytest.mark.guarantees("server-tools-refused")
@pytest.mark.parametrize(
    "kind",
    [
        *("web_search_20250305", "web_fetch_20250910", "code_execution_20250522", "computer_20250124", "bash_20250124"),
        *("text_editor_20250728", "memory_20250818", "mcp_toolset", "tool_search_tool_regex_20251119"),
        *("web_search", "web_search_preview", "file_search", "code_interpreter", "image_generation", "mcp", "shell"),
        *("computer_use_preview", "local_shell", "apply_patch", "custom", "of_next_year"),
    ],
)
def test_a_tool_of_another_kind_is_refused_by_its_name_and_kind(kind: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=rf"'search', of type '{kind}', cannot be offered.*server.*extra_body"
    ):
        to_tool({"type": kind, "name": "search"})
    with pytest.raises(InvalidRequestError, match=rf"A tool of type '{kind}' cannot be offered"):
        to_tool({"type": kind, "user_location": {}})


@pytest.mark.parametrize("kind", ["array", "string", "integer", "ARRAY", "null"])
def test_a_schema_of_another_type_than_object_is_not_taken_for_a_vendors_tool(kind: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"A JSON Schema of type '{kind}' .*of a schema of type 'object'"):
        to_tool({"title": "Names", "type": kind})


@pytest.mark.parametrize("form", ["weather", 5, None, [], {}, {"description": "x"}, SCHEMA, {"function": {}}, object()])
def test_what_is_no_tool_is_refused(form: Any) -> None:
    with pytest.raises(InvalidRequestError, match="not a tool"):
        to_tool(form)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": 5}, "name must be a string"),
        ({"name": "f", "description": 5}, "description of the tool 'f' must be a string"),
        ({"name": "f", "parameters": "{}"}, "parameters of the tool 'f' must be a mapping"),
        ({"name": "f", "strict": "yes"}, "strict of the tool 'f' must be True or False"),
    ],
)
def test_a_tool_with_a_value_of_the_wrong_type_is_refused_by_name(form: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        to_tool(form)


@pytest.mark.parametrize("given", ["weather", {"name": "weather"}, 5, {WEATHER.name}])
def test_what_is_no_list_of_tools_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="tools must be a list of tools"):
        to_tools(given, to_tool)


@pytest.mark.guarantees("strict-only-if-asked")
def test_a_strict_schema_is_closed_at_every_depth_and_others_stay_as_they_are() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "object", "properties": {"b": {"type": "string"}}}, {"type": "null"}]},
            "properties": {"type": "array", "items": {"type": "object", "properties": {}}},
        },
        "$defs": {"X": {"type": "object", "properties": {"c": {}}, "additionalProperties": True}},
    }
    before = str(schema)
    tool = with_strict(Tool("f", parameters=schema), True)
    assert tool.strict is True
    assert str(schema) == before
    assert tool.parameters["required"] == ["a", "properties"]
    inner = tool.parameters["properties"]
    assert inner["a"]["anyOf"][0] == {
        "type": "object",
        "properties": {"b": {"type": "string"}},
        "additionalProperties": False,
        "required": ["b"],
    }
    assert inner["properties"]["items"]["additionalProperties"] is False
    assert tool.parameters["$defs"]["X"]["additionalProperties"] is False
    assert closed(True) is True
    empty = {"type": "object", "properties": {}, "additionalProperties": False, "required": []}
    assert closed({"type": "object", "properties": None}) == {**empty, "properties": None}
    for strict in (None, False):
        assert with_strict(Tool("f", parameters=schema), strict) == Tool("f", parameters=schema, strict=strict)


CHOICES: list[tuple[Any, Any]] = [
    (None, "auto"),
    (False, "auto"),
    ("auto", "auto"),
    ({"type": "auto"}, "auto"),
    ("none", "none"),
    ({"type": "none"}, "none"),
    (True, "required"),
    ("any", "required"),
    ("required", "required"),
    ({"type": "any"}, "required"),
    ({"type": "required"}, "required"),
    ("weather", NamedTool("weather")),
    (NamedTool("weather"), NamedTool("weather")),
    ({"type": "function", "function": {"name": "weather"}}, NamedTool("weather")),
    ({"type": "function", "name": "weather"}, NamedTool("weather")),
    ({"type": "tool", "name": "weather"}, NamedTool("weather")),
    ({"name": "weather"}, NamedTool("weather")),
]


@pytest.mark.parametrize(("given", "meant"), CHOICES)
def test_every_form_of_a_choice_is_read(given: Any, meant: Any) -> None:
    assert to_tool_choice(given, [WEATHER, OTHER]) == meant


@pytest.mark.parametrize("name", ["any", "auto", "none", "required"])
def test_a_tool_that_has_the_name_of_a_choice_wins(name: str) -> None:
    assert to_tool_choice(name, [Tool(name), OTHER]) == NamedTool(name)
    assert to_tool_choice({"type": name}, [Tool(name), OTHER]) != NamedTool(name)


def test_a_choice_travels_in_openais_form_and_comes_back_the_same() -> None:
    asked_by = "method='json_schema'"
    for meant in (*(meant for _, meant in CHOICES), AnyTool(asked_by), NamedTool("weather", asked_by)):
        assert to_tool_choice(as_openai_tool_choice(meant), [WEATHER]) == meant
    assert as_openai_tool_choice(AnyTool()) == "required"


@pytest.mark.parametrize("given", ["weathr", {"type": "tool", "name": "weathr"}, NamedTool("weathr")])
def test_a_choice_that_names_no_tool_is_refused_with_those_there_are(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"tool_choice names 'weathr', but the tools are: weather, other\."):
        to_tool_choice(given, [WEATHER, OTHER])


@pytest.mark.parametrize("given", [7, {"type": "odd"}, {}, [], {"function": {}}, {"type": ["tool"]}])
def test_what_is_no_choice_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"tool_choice=.* is not 'auto'"):
        to_tool_choice(given, [WEATHER])


def test_a_forced_choice_needs_tools() -> None:
    with pytest.raises(InvalidRequestError, match="needs tools"):
        to_tool_choice("any", [])


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("text", None),
        ({"type": "text"}, None),
        ("json_object", "json_object"),
        ({"type": "json_object"}, "json_object"),
        (JSONSchema("a", SCHEMA), JSONSchema("a", SCHEMA)),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}, JSONSchema("a", SCHEMA)),
        ({"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}, JSONSchema("a", SCHEMA, strict=True)),
        ({"type": "json_schema", "json_schema": {"schema": SCHEMA}}, JSONSchema("answer", SCHEMA)),
        ({"json_schema": {"name": "a", "schema": SCHEMA, "strict": False}}, JSONSchema("a", SCHEMA, strict=False)),
        ({"name": "a", "schema": SCHEMA}, JSONSchema("a", SCHEMA)),
        ({"title": "a", **SCHEMA}, JSONSchema("a", SCHEMA)),
        (SCHEMA, JSONSchema("answer", SCHEMA)),
        (Leaf, JSONSchema("Leaf", class_schema(Leaf))),
        ({"type": "function", "function": FUNCTION}, JSONSchema("weather", {"description": "The weather.", **SCHEMA})),
        ({"title": "a", "description": "b", **SCHEMA}, JSONSchema("a", {"description": "b", **SCHEMA})),
        (
            {"name": "a", "description": "b", "schema": {"description": "c", **SCHEMA}},
            JSONSchema("a", {"description": "c", **SCHEMA}),
        ),
    ],
)
def test_every_form_of_a_response_format_is_read(given: Any, meant: Any) -> None:
    assert to_response_format(given) == meant


@pytest.mark.parametrize(
    "given", ["json", "", 3, True, {}, {"type": "json_schema"}, {"type": "odd"}, {"name": "a"}, [SCHEMA]]
)
def test_what_is_no_response_format_is_refused_with_the_forms_there_are(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"response_format=.*'json_object', a JSON Schema, a Pydantic class"):
        to_response_format(given)


def test_a_response_format_travels_in_openais_form() -> None:
    assert as_openai_response_format(as_json_schema(WEATHER)) == {
        "type": "json_schema",
        "json_schema": {"name": "weather", "schema": {"description": "The weather.", **SCHEMA}},
    }
