"""The objects for a piece of a stream, made without validating what is known to be right.

Validated, a piece of text costs 16 us and a piece of a tool call 140, because core parses each piece as if it were the
whole arguments; made here, 5 us. Tests compare what is made here with what validation makes, field by field.
"""

from langchain_core.messages import AIMessageChunk, InvalidToolCall, ToolCallChunk
from langchain_core.messages.tool import invalid_tool_call
from langchain_core.outputs import ChatGenerationChunk

from stepplan.integration.unvalidated import maker

_make_generation = maker(ChatGenerationChunk(message=AIMessageChunk(content="")))


def to_generation(message: AIMessageChunk) -> ChatGenerationChunk:
    """The chunk as core passes it around."""
    return _make_generation({"message": message, "text": message.text})


def broken_piece(piece: ToolCallChunk) -> InvalidToolCall | None:
    """What validation makes of a piece of arguments that is no object however it goes on; `None` if it may be one."""
    arguments = piece["args"] or ""
    if arguments.lstrip()[:1] in {"", "{"}:
        return None
    return invalid_tool_call(name=piece["name"], args=arguments, id=piece["id"], error=None)
