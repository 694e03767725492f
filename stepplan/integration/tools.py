"""Tools, tool choices and response formats in every form that callers write, as values of the core."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, PydanticUserError

from stepplan.arguments import shown
from stepplan.errors import InvalidRequestError
from stepplan.integration.schemas import class_schema, closed, is_class, object_at_top
from stepplan.models import MODELS
from stepplan.protocols import ProtocolName, wire_protocol
from stepplan.protocols.openai.requests import encode_response_format, encode_server_tool
from stepplan.requests import AnyTool, JSONSchema, NamedTool, Tool, ToolChoice, check_tool_choice
from stepplan.server_tools import Retrieval, ServerTool, WebSearch

Offered = Tool | ServerTool
"""What can be offered to the model: a function, or one of StepFun's own tools."""

Reader = Callable[[Any], Offered]
"""Reads a tool in the forms that a framework's users write."""

# ------------------------------------------------------------------------------------------------------------- tools

_WRAPPERS = ("function", "json_schema", "toolSpec")
_SCHEMAS = ("parameters", "input_schema", "inputSchema", "schema")
_KEYS_OF_SCHEMAS = ("properties", "$ref", "anyOf", "oneOf", "allOf")
_TYPES_OF_SCHEMAS = {"array", "string", "number", "integer", "boolean", "null"}
# `object` is the type of a JSON Schema, `json_schema` that of a response format; all others are kinds of tools.
_TYPES_OF_FUNCTIONS = (None, "function", "object", "json_schema")

NO_TOOL = (AttributeError, LookupError, NameError, PydanticUserError, RecursionError, TypeError, ValueError)
"""What the frameworks' converters raise for what they cannot read: a partial has no name, an annotation no type."""


def to_tools(given: Any, to_tool: Reader) -> tuple[Offered, ...]:
    """Tools, each read by `to_tool`.

    Raises:
        InvalidRequestError: This is not a sequence of tools.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidRequestError(f"tools must be a list of tools, not of type {type(given).__name__}.")
    return tuple(map(to_tool, cast("Sequence[Any]", given)))  # type: ignore[redundant-cast]  # not to pyright


def to_tool(given: Any) -> Offered:
    """A function (see `to_function`) or one of StepFun's own tools, as a value or in the form of its documentation.

    `{"type": "web_search"}` is one too. With further keys, it is the search of another vendor, and refused.

    Raises:
        InvalidRequestError: It is neither.
    """
    if isinstance(given, WebSearch | Retrieval):
        return given
    data = _mapping(given) or {}
    if data == {"type": WebSearch.type}:
        return WebSearch()
    function = _mapping(data.get("function"))
    if function is not None and data.get("type") in {WebSearch.type, Retrieval.type}:
        return _server_tool(data["type"], function)
    return to_function(given)


def _server_tool(kind: str, function: Mapping[str, Any]) -> ServerTool:
    if kind == WebSearch.type:
        return WebSearch(**{key: function[key] for key in ("description",) if key in function})
    options = _mapping(function.get("options")) or {}
    return Retrieval(
        name=function.get("name", ""),
        vector_store_id=options.get("vector_store_id", ""),
        description=function.get("description", ""),
        prompt_template=options.get("prompt_template"),
    )


def to_function(given: Any, *, default_name: str = "") -> Tool:
    """A function that the caller runs.

    Args:
        given: A `Tool`, a Pydantic class, or plain data: a function in the form of OpenAI (with or without the
            wrapper around it), Anthropic, Amazon Bedrock or MCP, or a JSON Schema with a title.
        default_name: The name of a tool that has none; without it, such a tool is refused.

    Raises:
        InvalidRequestError: It is none of these, or a tool that is not a function.
    """
    if isinstance(given, Tool):
        return given
    if is_class(given):
        return class_tool(given)
    if (data := _mapping(given)) is not None:
        _refuse_other_types(data)
        tool = _read(data)
        if tool is not None and (tool.name or default_name):
            return replace(tool, name=tool.name or default_name)
    raise no_tool(given, "A tool is a function with a name and a JSON Schema of its arguments.")


def no_tool(given: Any, reason: object) -> InvalidRequestError:
    """The error for what is no tool; the reason may be what a framework's converter raised."""
    sentence = " ".join(str(reason).split())[:300]  # LangChain repeats what it was given
    return InvalidRequestError(f"This is not a tool or a schema: {shown(given)}. {sentence}")


def class_tool(cls: type[BaseModel]) -> Tool:
    """A tool whose arguments are the class's fields."""
    schema = class_schema(cls)
    return function_tool(cls.__name__, schema.get("description"), schema)


def as_openai_tool(tool: Offered) -> dict[str, Any]:
    """The tool as plain data in OpenAI's form: how tools travel through the frameworks, and what tracers expect."""
    if not isinstance(tool, Tool):
        return encode_server_tool(tool)
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


ToolT = TypeVar("ToolT", Tool, Offered)


def with_strict(tool: ToolT, strict: bool | None) -> ToolT:
    """The tool with `strict` set, if it is not `None`. Strict tools have neither optional nor additional properties."""
    if strict is None or not isinstance(tool, Tool):
        return tool
    return replace(tool, strict=strict, parameters=closed(tool.parameters) if strict else tool.parameters)


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _refuse_other_types(data: Mapping[str, Any]) -> None:
    kind, name = data.get("type"), data.get("name")
    if kind in _TYPES_OF_FUNCTIONS or (kind == "custom" and "input_schema" in data):  # Anthropic's word for a function
        return
    _refuse_other_schemas(kind)
    which = f"The tool {shown(name)}, of type {shown(kind)}," if name else f"A tool of type {shown(kind)}"
    raise InvalidRequestError(
        f"{which} cannot be offered: only functions can. Tools of other types run on their vendor's server, or take no "
        "JSON arguments. To send tools as they are, use extra_body={'tools': [...]}."
    )


def _refuse_other_schemas(kind: Any) -> None:
    if isinstance(kind, str) and kind.lower() in _TYPES_OF_SCHEMAS:
        raise InvalidRequestError(
            f"A JSON Schema of type {shown(kind)} can be neither arguments nor an answer: make it a property of a "
            "schema of type 'object'."
        )


def _read(data: Mapping[str, Any]) -> Tool | None:
    """The function or the schema that plain data describes; its name is empty if it has none."""
    for wrapper in _WRAPPERS:
        if (inner := _mapping(data.get(wrapper))) is not None:
            return _read(inner)
    if "name" in data or _mapping(data.get("schema")) is not None:
        schema: Any = next((data[key] for key in _SCHEMAS if data.get(key) is not None), dict[str, Any]())
        bedrocks = _mapping(schema) or {}
        return function_tool(
            data.get("name"), data.get("description"), bedrocks.get("json", schema), data.get("strict")
        )
    if data.get("type") == "object" or not data.keys().isdisjoint(_KEYS_OF_SCHEMAS):
        top = object_at_top(data)
        title, description, strict = (top.pop(key, None) for key in ("title", "description", "strict"))
        return function_tool(title, description, top, strict)
    return None


def function_tool(name: Any, description: Any, schema: Any, strict: Any = None) -> Tool:
    """A function by its parts. A docstring is given to the model without its indentation, as Python 3.13 keeps it.

    Raises:
        InvalidRequestError: A part is wrong: the schema may be that of a list, as a `RootModel` has it.
    """
    parameters = _mapping(schema)
    if parameters is not None:
        _refuse_other_schemas((parameters := object_at_top(parameters)).get("type"))
    if isinstance(description, str):
        description = inspect.cleandoc(description)
    return Tool(
        name="" if name is None else name,
        description="" if description is None else description,
        parameters=schema if parameters is None else parameters,
        strict=strict,
    )


# ------------------------------------------------------------------------------------------------------- tool choices

_WORDS: Mapping[str | bool | None, ToolChoice] = {
    None: "auto",
    False: "auto",
    "auto": "auto",
    "none": "none",
    True: "required",
    "any": "required",
    "required": "required",
}


def to_tool_choice(given: Any, tools: Sequence[Offered]) -> ToolChoice:
    """A tool choice. A tool that has the name of a choice, such as `any`, wins.

    Args:
        given: `auto`, `none`, `any` (also `required` or True), a tool's name, an `AnyTool`, a `NamedTool`, or OpenAI's
            or Anthropic's form of these. `None` and False mean `auto`.
        tools: The tools to choose from.

    Raises:
        InvalidRequestError: It is none of these, or names a tool that is not there.
    """
    functions = [tool for tool in tools if isinstance(tool, Tool)]
    choice = _read_choice(given, {tool.name for tool in functions})
    check_tool_choice(choice, functions)
    return choice


def _read_choice(given: Any, names: set[str]) -> ToolChoice:
    if isinstance(given, AnyTool | NamedTool):
        return given
    if isinstance(given, str):
        return NamedTool(given) if given in names or given not in _WORDS else _WORDS[given]
    if given is None or isinstance(given, bool):
        return _WORDS[given]
    data = _mapping(given) or {}
    name, kind = (_mapping(data.get("function")) or data).get("name"), data.get("type")
    origin = {key: data[key] for key in ("asked_by",) if key in data}
    if isinstance(name, str):
        return NamedTool(name, **origin)
    if isinstance(kind, str) and kind in _WORDS:
        return AnyTool(**origin) if origin and _WORDS[kind] == "required" else _WORDS[kind]
    raise InvalidRequestError(f"tool_choice={shown(given)} is not 'auto', 'none', 'any', or the name of a tool.")


def one_call_at_most(choice: Any) -> bool:
    """Whether a tool choice, in Anthropic's form, asks for at most one call per answer."""
    return (_mapping(choice) or {}).get("disable_parallel_tool_use") is True


def as_openai_tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """The choice as plain data in OpenAI's form."""
    if isinstance(choice, str):
        return choice
    origin = {} if choice.asked_by == AnyTool().asked_by else {"asked_by": choice.asked_by}
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}, **origin}
    return {"type": "any", **origin} if origin else "required"


# --------------------------------------------------------------------------------------------------- response formats


def to_response_format(given: Any) -> JSONSchema | Literal["json_object"] | None:
    """A response format; `None` for plain text.

    Args:
        given: `json_object`, `text`, a `JSONSchema`, a Pydantic class, a JSON Schema, or OpenAI's form of these. A
            schema without a name is called `answer`.

    Raises:
        InvalidRequestError: It is none of these.
    """
    if given is None or isinstance(given, JSONSchema):
        return given
    if is_class(given):
        return as_json_schema(class_tool(given))
    data = _mapping(given)
    kind: Any = given if data is None else data.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return "json_object"
    if data is not None and kind in _TYPES_OF_FUNCTIONS:
        tool = _read(data)
        if tool is not None and tool.parameters:
            return as_json_schema(tool)
    raise InvalidRequestError(
        f"response_format={shown(given)} is not understood: it is 'json_object', a JSON Schema, a Pydantic class, "
        "or OpenAI's {'type': 'json_schema', 'json_schema': {...}}."
    )


def takes_json_schema(model: str, protocol: ProtocolName) -> bool:
    """Whether the server can hold an answer to a JSON Schema; an unknown model is taken to be able to."""
    known = MODELS.get(model)
    return wire_protocol(protocol).FACTS.documents("response_format") and (known is None or known.json_schema)


def as_openai_response_format(response_format: JSONSchema) -> dict[str, Any]:
    """The response format as plain data in OpenAI's form."""
    return encode_response_format(response_format)


def as_json_schema(tool: Tool) -> JSONSchema:
    """The response format that asks for the tool's arguments.

    The API documents no description beside the schema, so it goes into the schema, where the model can read it, too.
    """
    described = {"description": tool.description} if tool.description else {}
    return JSONSchema(tool.name or "answer", {**described, **tool.parameters}, tool.strict)
