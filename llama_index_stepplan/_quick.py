"""LlamaIndex's objects for chunks, made without validation: what goes in is of the right types already.

Validation is 3 of the 8 us that a chunk takes to make (Python 3.11, pydantic 2.14; a whole streamed event costs about
25). The tests hold every one of these to be what the validated one is.
"""

from typing import Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_new = object.__new__
_set = object.__setattr__


def _made(cls: type[M], values: dict[str, Any], given: set[str]) -> M:
    """An instance with all of its fields, in their order; `given` are those that are not defaults."""
    instance = _new(cls)
    _set(instance, "__dict__", values)
    _set(instance, "__pydantic_fields_set__", given)
    _set(instance, "__pydantic_extra__", None)
    _set(instance, "__pydantic_private__", None)
    return instance


def text_block(text: str) -> TextBlock:
    """`TextBlock(text=text)`."""
    return _made(TextBlock, {"block_type": "text", "text": text}, {"text"})


def thinking_block(content: str, num_tokens: int | None, additional_information: dict[str, Any]) -> ThinkingBlock:
    """`ThinkingBlock` of these fields."""
    values = {
        "block_type": "thinking",
        "content": content,
        "num_tokens": num_tokens,
        "additional_information": additional_information,
    }
    return _made(ThinkingBlock, values, {"content", "num_tokens", "additional_information"})


def tool_call_block(id: str, name: str, kwargs: dict[str, Any]) -> ToolCallBlock:
    """`ToolCallBlock` of these fields."""
    values = {"block_type": "tool_call", "tool_call_id": id, "tool_name": name, "tool_kwargs": kwargs}
    return _made(ToolCallBlock, values, {"tool_call_id", "tool_name", "tool_kwargs"})


def chunk(
    blocks: list[ContentBlock], kwargs: dict[str, Any], delta: str, raw: dict[str, Any], extra: dict[str, Any]
) -> ChatResponse:
    """`ChatResponse` of an assistant's message of these blocks; `extra` is its own `additional_kwargs`."""
    message = _made(
        ChatMessage,
        {"role": MessageRole.ASSISTANT, "additional_kwargs": kwargs, "blocks": blocks},
        {"role", "additional_kwargs", "blocks"},
    )
    values = {"message": message, "raw": raw, "delta": delta, "logprobs": None, "additional_kwargs": extra}
    return _made(ChatResponse, values, {"message", "raw", "delta", "additional_kwargs"})
