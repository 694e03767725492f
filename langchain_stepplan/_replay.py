"""How an answer's blocks are kept in a LangChain message, and read back from it.

`content` is the answer's text, `additional_kwargs["reasoning_content"]` the reasoning, `tool_calls` the calls: what
LangChain's users expect, but without the order of the blocks, their borders and their signatures. Where these cannot be
rebuilt from the rest, they ride along under one more key, as plain JSON. With standard content (`output_version="v1"`)
the content has it all.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk

from stepplan import Block, Reasoning, Text, ToolCall

PROVIDER = "stepplan"
REASONING = "reasoning_content"
LAYOUT = "stepplan_blocks"


def is_ours(message: AIMessage) -> bool:
    """Whether the plan said this, over either protocol."""
    return message.response_metadata.get("model_provider") == PROVIDER


def layout(blocks: Sequence[Block]) -> list[dict[str, Any]] | None:
    """The blocks without their words, or `None` where reasoning, text, calls, in this order, is all there is to say."""
    kinds = [type(block) for block in blocks]
    heads = [kind for kind in kinds if kind is not ToolCall]
    more = any(isinstance(block, Reasoning) and block != Reasoning(block.text) for block in blocks)
    if not more and kinds[: len(heads)] == heads and heads in ([], [Reasoning], [Text], [Reasoning, Text]):
        return None
    return [_head(block) for block in blocks]


def _head(block: Block) -> dict[str, Any]:
    match block:
        case Reasoning(text, signature, redacted):
            head: dict[str, Any] = {"type": "reasoning", "length": len(text)}
            if signature is not None:
                head["signature"] = signature
            if redacted is not None:
                head["redacted"] = redacted
            return head
        case Text(text):
            return {"type": "text", "length": len(text)}
        case ToolCall(id):
            return {"type": "tool_call", "id": id}
        case _:
            raise TypeError(f"An answer holds no {type(block).__name__}.")


def own_blocks(message: AIMessage) -> tuple[Block, ...]:
    """The blocks of a message that the plan said.

    Calls are as `tool_calls` has them now: what was edited there counts, what was taken out is gone.
    """
    calls = calls_of(message)
    if isinstance(message.content, str):
        blocks = list(_from_layout(message, message.content, calls))
    else:
        blocks = list(_from_content(cast("Sequence[str | dict[str, Any]]", message.content), calls))
    return (*blocks, *calls.values())


def calls_of(message: AIMessage) -> dict[str, ToolCall]:
    """The message's calls, the broken ones too, by their ids; a call that has none gets one of its place."""
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        found = [(call["id"], call["name"], call["args"]) for call in message.tool_call_chunks]
    else:
        found = [(call["id"], call["name"], _json(call["args"])) for call in message.tool_calls]
        found += [(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
    named = [(id or f"call_{place}", name or "", arguments or "") for place, (id, name, arguments) in enumerate(found)]
    return {id: ToolCall(id, name, arguments) for id, name, arguments in named}


def _json(arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def _from_layout(message: AIMessage, text: str, calls: dict[str, ToolCall]) -> Iterator[Block]:
    reasoning: str = message.additional_kwargs.get(REASONING) or ""
    heads: Sequence[Mapping[str, Any]] = message.additional_kwargs.get(LAYOUT) or ()
    lengths = {kind: sum(head["length"] for head in heads if head["type"] == kind) for kind in ("reasoning", "text")}
    if not heads or lengths != {"reasoning": len(reasoning), "text": len(text)}:  # the words were edited since
        if reasoning:
            yield Reasoning(reasoning)
        if text:
            yield Text(text)
        return
    for head in heads:
        match head["type"]:
            case "reasoning":
                length = head["length"]
                yield Reasoning(reasoning[:length], head.get("signature"), head.get("redacted"))
                reasoning = reasoning[length:]
            case "text":
                length = head["length"]
                yield Text(text[:length])
                text = text[length:]
            case _:
                if head["id"] in calls:
                    yield calls.pop(head["id"])


def _from_content(content: Sequence[str | dict[str, Any]], calls: dict[str, ToolCall]) -> Iterator[Block]:
    for item in content:
        if isinstance(item, str):
            yield Text(item)
            continue
        match item.get("type"):
            case "text":
                yield Text(item.get("text") or "")
            case "reasoning":
                extras: Mapping[str, Any] = item.get("extras") or {}
                yield Reasoning(item.get("reasoning") or "", extras.get("signature"))
            case "non_standard":
                value: Mapping[str, Any] = item["value"]
                if value.get("type") == "redacted_thinking":
                    yield Reasoning("", redacted=value.get("data"))
            case "tool_call" | "invalid_tool_call" | "tool_call_chunk":
                if (id := item.get("id") or "") in calls:
                    yield calls.pop(id)
            case _:
                pass
