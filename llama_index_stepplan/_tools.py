"""LlamaIndex tools and tool choices -> those of the core; tool calls in a response -> selections."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from llama_index_stepplan._replay import INVALID_CALLS, stored_calls
from llama_index_stepplan._untyped import as_mapping, parameters
from stepplan import InvalidRequestError, JSONSchema, NamedTool, Tool, ToolChoice, parse_arguments


def tool_data(tool: BaseTool, *, strict: bool | None) -> dict[str, Any]:
    """A tool as plain data, in the shape that callbacks and tracers know.

    LlamaIndex's own conversion rewrites names with brackets and then does not find the tool; here a name stays as it
    is, and the core gives it an alias on the wire.
    """
    metadata = tool.metadata
    function: dict[str, Any] = {
        "name": metadata.get_name(),
        "description": metadata.description,
        "parameters": parameters(metadata),
    }
    if strict is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def to_tools(tools: Sequence[Any]) -> tuple[Tool, ...]:
    """Tools in any of the shapes they come in: LlamaIndex's own, the core's, or OpenAI's data.

    Raises:
        InvalidRequestError: One is of another shape.
    """
    return tuple(_to_tool(tool) for tool in tools)


def _to_tool(tool: Any) -> Tool:
    if isinstance(tool, Tool):
        return tool
    data = tool_data(tool, strict=None) if isinstance(tool, BaseTool) else tool
    function = as_mapping(as_mapping(data).get("function"))
    if "name" not in function:
        raise InvalidRequestError(f"This is not a tool: {str(data)[:100]}.")
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=function.get("parameters") or {},
        strict=function.get("strict"),
    )


_WORDS: Mapping[str, ToolChoice] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


def to_tool_choice(choice: Any) -> ToolChoice:
    """A tool choice in any of the shapes it comes in: a word, the bare name of a tool, OpenAI's or Anthropic's data.

    Raises:
        InvalidRequestError: It is of another shape.
    """
    if isinstance(choice, NamedTool):
        return choice
    if isinstance(choice, str):
        return _WORDS.get(choice) or NamedTool(choice)
    data = as_mapping(choice)
    if name := data.get("name") or as_mapping(data.get("function")).get("name"):
        return NamedTool(name)
    if data.get("type") in _WORDS:
        return _WORDS[data["type"]]
    raise InvalidRequestError(f"tool_choice={choice!r} is not 'auto', 'none', 'required', or the name of a tool.")


def to_response_format(given: Any) -> Any:
    """A response format in any of the shapes it comes in: the core's, or OpenAI's data.

    Raises:
        InvalidRequestError: It is of another shape.
    """
    if isinstance(given, JSONSchema) or given == "json_object":
        return given
    data = as_mapping(given)
    if data.get("type") == "json_object":
        return "json_object"
    if data.get("type") == "text":
        return None
    schema = as_mapping(data.get("json_schema"))
    if "name" in schema and "schema" in schema:
        return JSONSchema(schema["name"], schema["schema"], schema.get("strict"))
    raise InvalidRequestError(f"response_format={given!r} is not of type 'text', 'json_object' or 'json_schema'.")


def tool_selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls that may be run, or in a stream's middle be shown."""
    calls: list[tuple[str | None, str, dict[str, Any] | str]] = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ] or [(call.id, call.name, call.arguments) for call in stored_calls(message)]
    return [
        ToolSelection(tool_id=id or f"call_{uuid.uuid4().hex}", tool_name=name, tool_kwargs=kwargs)
        for id, name, arguments in calls
        if (kwargs := _kwargs(arguments)) is not None
    ]


def _kwargs(arguments: dict[str, Any] | str) -> dict[str, Any] | None:
    if not isinstance(arguments, str):
        return arguments
    try:
        return parse_arguments(arguments)
    except ValueError:
        return None


def no_tool_call(message: ChatMessage) -> ValueError:
    """The error for an answer that was to call a tool and has no call that can be run."""
    invalid = cast("list[dict[str, str]]", message.additional_kwargs.get(INVALID_CALLS) or ())
    if invalid:
        return ValueError(" ".join(call["error"] for call in invalid))
    said = (message.content or "")[:200]
    return ValueError(f"Expected at least one tool call, but the answer was words: {said!r}.")
