"""Reads and checks the requests of Messages."""

import re

from stepplan.sandbox import tokens
from stepplan.sandbox.conversation import Conversation, Tool, ToolResult, tool_text
from stepplan.sandbox.http_errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object, as_text, dump
from stepplan.sandbox.protocol import ProtocolName
from stepplan.sandbox.validation import (
    RANGES,
    check_effort,
    check_parts,
    check_ranges,
    check_stop,
    messages_of,
    missing,
)

NAME: ProtocolName = "anthropic"
FIELDS = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "output_config",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
    }
)
_BLOCKS = frozenset({"text", "image", "tool_use", "tool_result", "thinking"})
_MUST_CALL = re.compile(r"\bmust (?:call|use)\b[^.]*\btools?\b", re.IGNORECASE)
_ONE_CALL = re.compile(r"\bat most one tool\b", re.IGNORECASE)
_RANGES = {**RANGES, "top_k": (0, 500)}


def check(body: JSON) -> None:
    """Refuse what this protocol refuses."""
    messages = messages_of(body)
    if body.get("max_tokens") is None:
        raise missing("max_tokens")
    check_ranges(body, _RANGES)
    check_effort(body, as_object(body.get("output_config")).get("effort"), "output_config.effort")
    check_stop(body.get("stop_sequences"), "stop_sequences")
    known: set[str] = set()
    for position, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant"):
            # vLLM's message: a coding agent that tries a system message recognizes it, and sends the text another way.
            raise Refusal(400, f"messages.{position}.role: Input should be 'user' or 'assistant'")
        if "content" not in message:
            raise missing("messages.content")
        for block in _blocks(message):
            if block.get("type") == "tool_use":
                known.add(str(block.get("id")))
            if block.get("type") == "tool_result" and block.get("tool_use_id") not in known:
                raise Refusal(400, "a tool_result must follow an assistant message with that tool_use")
    check_parts(body, messages, _BLOCKS)
    for tool in map(as_object, as_list(body.get("tools"))):
        if not isinstance(tool.get("name"), str):
            raise missing("tools.name")
        if "input_schema" not in tool:
            raise missing("tools.input_schema")


def read(body: JSON) -> Conversation:
    """The request, independent of the protocol. Undocumented fields such as `tool_choice` have no effect."""
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    tools = [as_object(tool) for tool in as_list(body.get("tools"))]
    question, results = _asked(messages)
    instructions = as_text(body.get("system"))
    return Conversation(
        model=str(body["model"]),
        question=question,
        results=tuple(results),
        tools=tuple(Tool(str(tool["name"]), as_object(tool.get("input_schema"))) for tool in tools if "name" in tool),
        server_tools=(),
        # Over Messages only the prompt can ask for a call.
        choice="required" if _MUST_CALL.search(instructions) else "auto",
        parallel=not _ONE_CALL.search(instructions),
        wants_json=False,
        schema=None,
        instructions=instructions,
        effort=as_object(body.get("output_config")).get("effort"),
        max_tokens=body.get("max_tokens"),
        stop=tuple(as_list(body.get("stop_sequences"))),
        stream=bool(body.get("stream")),
        input_tokens=_input_tokens(body, messages, tools),
    )


def _blocks(message: JSON) -> list[JSON]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else [as_object(b) for b in as_list(content)]


def _asked(messages: list[JSON]) -> tuple[str, list[ToolResult]]:
    """The text of the last user message, and the tool results since then."""
    question = ""
    results: list[ToolResult] = []
    names: dict[str, str] = {}
    for message in messages:
        blocks = _blocks(message)
        names |= {str(b.get("id")): str(b.get("name")) for b in blocks if b.get("type") == "tool_use"}
        if message.get("role") != "user":
            continue
        for block in blocks:
            if block.get("type") == "tool_result":
                name = names.get(str(block.get("tool_use_id")), "tool")
                results.append(ToolResult(name, as_text(block.get("content")), is_error=bool(block.get("is_error"))))
        # Text after results is a new question, even in the same message.
        if text := as_text([block for block in blocks if block.get("type") == "text"]):
            question, results = text, []
    return question, results


def _input_tokens(body: JSON, messages: list[JSON], tools: list[JSON]) -> int:
    texts = [tool_text(tool.get("name"), tool.get("description"), tool.get("input_schema")) for tool in tools]
    texts.append(as_text(body.get("system")))
    for block in (block for message in messages for block in _blocks(message)):
        texts.append(str(block.get("text") or block.get("thinking") or as_text(block.get("content"))))
        if block.get("type") == "tool_use":
            texts.append(f"{block.get('name')} {dump(block.get('input'))}")
    return sum(map(tokens.count, texts))
