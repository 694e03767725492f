"""An answer as plain data in the shape of Chat Completions, on either protocol: what tracers and batch files expect."""

from collections.abc import Mapping, Sequence
from typing import Any

from stepplan.messages import ToolCall
from stepplan.responses import Response, Usage


def to_chat_completion(response: Response, tool_calls: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The answer as a Chat Completions body: JSON values only.

    Args:
        response: The answer.
        tool_calls: The tool calls to list, as `call_data` makes them; by default all that the answer has.
    """
    message: dict[str, Any] = {"role": "assistant", "content": response.text or None}
    if response.reasoning:
        message["reasoning_content"] = response.reasoning
    if tool_calls is None:
        calls = (block for block in response.content if isinstance(block, ToolCall))
        tool_calls = [call_data(call.id, call.name, call.arguments) for call in calls]
    if tool_calls:
        message["tool_calls"] = tool_calls
    extra = {"stop_sequence": response.stop_sequence, "trace_id": response.trace_id}
    return {
        "id": response.id,
        "object": "chat.completion",
        "model": response.model,
        "choices": [{"index": 0, "message": message, "finish_reason": response.finish_reason}],
        "usage": response.usage and _usage_data(response.usage),
        **{name: value for name, value in extra.items() if value is not None},
    }


def call_data(id: str, name: str, arguments: str) -> dict[str, Any]:
    """A tool call as plain data; the arguments are the model's own text."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def read_usage(body: Mapping[str, Any]) -> Usage | None:
    """The token counts in a body of `to_chat_completion`; `None` if it has none, or is of another library."""
    counts: Any = body.get("usage")
    try:
        return Usage(
            counts["prompt_tokens"],
            counts["completion_tokens"],
            counts["prompt_tokens_details"]["cached_tokens"],
            counts.get("cache_creation_input_tokens", 0),
            counts["completion_tokens_details"]["reasoning_tokens"],
        )
    except (AttributeError, LookupError, TypeError):
        return None


def _usage_data(usage: Usage) -> dict[str, Any]:
    data: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if usage.cache_creation_tokens:
        data["cache_creation_input_tokens"] = usage.cache_creation_tokens
    return data
