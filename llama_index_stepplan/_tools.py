"""LlamaIndex's tools as the core's; tool calls in a response as selections."""

import inspect
import uuid
from collections.abc import Mapping
from typing import Any, cast

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool
from llama_index.core.tools.types import BaseTool

from llama_index_stepplan._replay import INVALID_CALLS, stored_calls
from llama_index_stepplan._untyped import parameters
from llama_index_stepplan._unvalidated import tool_selection
from stepplan import Tool, parse_arguments
from stepplan.integration import tools
from stepplan.server_tools import ServerTool


def to_tool(given: Any) -> tools.Offered:
    """A tool: LlamaIndex's own, a function, or whatever the core reads.

    LlamaIndex's own conversion rewrites names with brackets and then does not find the tool; here a name stays as it
    is, and the core gives it an alias on the wire.

    Raises:
        InvalidRequestError: It is none of these, or a tool that is not a function.
    """
    if isinstance(given, type) or not (callable(given) or isinstance(given, BaseTool)):
        return tools.to_tool(given)
    try:
        tool = given if isinstance(given, BaseTool) else FunctionTool.from_defaults(given)
        metadata = tool.metadata
        name, description, schema = metadata.get_name(), _description(tool), parameters(metadata)
    except tools.NO_TOOL as error:
        raise tools.no_tool(given, error) from error
    return tools.function_tool(name, description, schema)


def server_tools(options: Mapping[str, Any]) -> list[ServerTool]:
    """StepFun's own tools among the options for every call.

    An agent takes functions alone, and gives them to each call in place of the tools for every call.
    """
    given = tools.to_tools(options.get("tools") or (), to_tool)
    return [tool for tool in given if not isinstance(tool, Tool)]


def _description(tool: BaseTool) -> str:
    """The tool's description, without the docstring's indentation.

    The core cannot see that, because LlamaIndex puts the function's signature before it.
    """
    description = tool.metadata.description
    docstring = (isinstance(tool, FunctionTool) and tool.real_fn.__doc__) or ""
    signature = description.removesuffix(docstring.rstrip())
    return description if signature == description else signature + inspect.cleandoc(docstring)


def tool_selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls that may be run, or in a stream's middle be shown."""
    calls: list[tuple[str | None, str, dict[str, Any] | str]] = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ] or [(call.id, call.name, call.arguments) for call in stored_calls(message)]
    return [
        tool_selection(id or f"call_{uuid.uuid4().hex}", name, dict(kwargs))
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
    text = (message.content or "")[:200]
    return ValueError(f"Expected at least one tool call, but the answer was text: {text!r}.")
