"""Prompts that LangChain itself can read.

Before it calls a model, LangChain reads image, audio and file blocks for tracers, and converts those of version 0. It
indexes into keys without checking for them, so a malformed block, or an image without `mime_type`, raises KeyError or
ValueError. Such a block travels inside a `non_standard` block, which LangChain leaves alone, to where content is read.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue

from langchain_stepplan._content import as_list
from stepplan.integration.plain import as_mapping


def readable(prompt: PromptValue) -> PromptValue:
    """The prompt, with blocks that LangChain would fail on wrapped."""
    if isinstance(prompt, StringPromptValue):
        return prompt
    messages = prompt.to_messages()
    wrapped = [_wrapped(message) for message in messages]
    if all(one is other for one, other in zip(messages, wrapped, strict=True)):
        return prompt
    return ChatPromptValue(messages=wrapped)


def _wrapped(message: BaseMessage) -> BaseMessage:
    content = as_list(message.content)
    if not any(_is_fragile(as_mapping(item)) for item in content):
        return message
    wrapped = [{"type": "non_standard", "value": item} if _is_fragile(as_mapping(item)) else item for item in content]
    return message.model_copy(update={"content": wrapped})


def _is_fragile(block: Mapping[str, Any]) -> bool:
    kind = block.get("type")
    if not isinstance(kind, str):
        return kind is not None
    if kind not in {"image", "audio", "file"}:
        return False
    return "source_type" in block or not ("url" in block or {"base64", "mime_type"} <= block.keys())
