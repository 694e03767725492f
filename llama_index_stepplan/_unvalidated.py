"""LlamaIndex's objects for chunks, made without validation, because their values have the right types already.

A chunk costs 3.5 us to make; validation would add 3 (Python 3.11, pydantic 2.14). Tests compare each object with a
validated one.
"""

from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.llm import ToolSelection

from stepplan.integration.unvalidated import maker

_make_text = maker(TextBlock(text=""))
_make_thinking = maker(ThinkingBlock(content="", num_tokens=None, additional_information={}))
_make_tool_call = maker(ToolCallBlock(tool_call_id="", tool_name="", tool_kwargs={}))
_make_selection = maker(ToolSelection(tool_id="", tool_name="", tool_kwargs={}))
_make_message = maker(ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={}, blocks=[]))
_make_response = maker(ChatResponse(message=ChatMessage(), raw=None, delta=None, additional_kwargs={}))


def text_block(text: str) -> TextBlock:
    """`TextBlock(text=text)`."""
    return _make_text({"text": text})


def thinking_block(content: str, num_tokens: int | None, additional_information: dict[str, Any]) -> ThinkingBlock:
    """`ThinkingBlock` of these fields."""
    return _make_thinking(
        {"content": content, "num_tokens": num_tokens, "additional_information": additional_information}
    )


def tool_call_block(id: str, name: str, kwargs: dict[str, Any]) -> ToolCallBlock:
    """`ToolCallBlock` of these fields."""
    return _make_tool_call({"tool_call_id": id, "tool_name": name, "tool_kwargs": kwargs})


def tool_selection(id: str, name: str, kwargs: dict[str, Any]) -> ToolSelection:
    """`ToolSelection` of these fields. Agents ask for all selections at every chunk; validated, each costs 7 us."""
    return _make_selection({"tool_id": id, "tool_name": name, "tool_kwargs": kwargs})


def chunk(
    blocks: list[ContentBlock], kwargs: dict[str, Any], delta: str, raw: dict[str, Any], extra: dict[str, Any]
) -> ChatResponse:
    """`ChatResponse` of an assistant's message of these blocks; `extra` is its own `additional_kwargs`."""
    message = _make_message({"role": MessageRole.ASSISTANT, "additional_kwargs": kwargs, "blocks": blocks})
    return _make_response({"message": message, "raw": raw, "delta": delta, "additional_kwargs": extra})
