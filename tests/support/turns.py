"""The turns of a request's body, read the same on both protocols."""

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from stepplan.sandbox import Sandbox


@dataclass(frozen=True)
class Sent:
    """An assistant turn that went out, and the results that follow it."""

    text: str
    thinking: list[str]
    calls: list[tuple[str, str, Any]]
    results: list[tuple[str, str]]


def sent_answer(plan: Sandbox, position: int = 0) -> Sent:
    """The assistant turn at this position among the assistant turns of the last request."""
    messages: list[Any] = plan.requests[-1].body["messages"]
    at = [place for place, message in enumerate(messages) if message["role"] == "assistant"][position]
    answer, after = messages[at], messages[at + 1 :]
    if isinstance(answer["content"], list):
        return _of_blocks(answer["content"], after[0]["content"] if after else [])
    functions = [(call["id"], call["function"]) for call in answer.get("tool_calls", [])]
    return Sent(
        answer["content"],
        [answer["reasoning_content"]] if "reasoning_content" in answer else [],
        [(id, function["name"], json.loads(function["arguments"])) for id, function in functions],
        [
            (message["tool_call_id"], message["content"])
            for message in takewhile(lambda message: message["role"] == "tool", after)
        ],
    )


def _of_blocks(blocks: list[Any], after: Any) -> Sent:
    results = [block for block in after if block["type"] == "tool_result"] if isinstance(after, list) else []
    return Sent(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        [block["thinking"] for block in blocks if block["type"] == "thinking"],
        [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        [(block["tool_use_id"], block["content"]) for block in results],
    )
