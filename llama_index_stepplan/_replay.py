"""How an answer is stored in a LlamaIndex message, and read back from it.

Text, thinking and tool calls are the message's blocks. What blocks cannot hold, but sending the answer back needs, is
stored beside them: signatures in the thinking blocks, the rest in the message's `additional_kwargs`. It is used only
where it still agrees with the blocks, so that an edited message is sent as it is now.
"""

import logging
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from reprlib import repr as shorten
from typing import Any, cast

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    CitationBlock,
    ContentBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llama_index_stepplan._content import blocks_of, checked_text
from llama_index_stepplan._untyped import as_sequence
from llama_index_stepplan._unvalidated import text_block, thinking_block, tool_call_block
from stepplan import Block, InvalidRequestError, Reasoning, ServerToolCall, Text, ToolCall, parse_arguments
from stepplan.integration.plain import as_mapping, string_at
from stepplan.integration.raw import call_data
from stepplan.jsontext import argument_text

logger = logging.getLogger("stepplan")

PROVIDER = "stepplan"
"""Marks thinking as ours: thinking of other providers is never sent."""

INVALID_CALLS = "invalid_tool_calls"
"""Key of a message's `additional_kwargs` for calls that must not be run, each with the reason why."""

SERVER_CALLS = "server_tool_calls"
"""Key of a message's `additional_kwargs` for the tools that the server ran, each with its query and its results."""

STORED = "stepplan"
"""Key of `additional_kwargs` that marks an answer of ours with calls or several texts.

Its value is a dict. For several texts it holds `texts`, each as the number of other blocks before it and its length,
and the `checksum` of the blocks they were taken from. LlamaIndex joins text blocks with a line break, which would
change the answer, so all text is in one block."""


# -------------------------------------------------------------------------------------------------------------- stored


def store_answer(
    content: Sequence[Block], arguments: Mapping[int, Mapping[str, Any]], thinking_tokens: int | None
) -> tuple[list[ContentBlock], dict[str, Any]]:
    """An answer as LlamaIndex's blocks, in the order of the wire, and the `additional_kwargs` that go with them.

    Args:
        content: The answer.
        arguments: The arguments of the calls to keep, by the identity of their blocks.
        thinking_tokens: The tokens of the thinking, if known.
    """
    blocks: list[ContentBlock] = []
    server_calls: list[ServerToolCall] = []
    texts: list[str] = []
    layout: list[list[int]] = []
    calls: list[dict[str, Any]] = []
    for block in content:
        if isinstance(block, Text):
            texts.append(block.text)
            layout.append([len(blocks), len(block.text)])
        elif isinstance(block, Reasoning):
            blocks.append(to_thinking(block, thinking_tokens))
        elif isinstance(block, ToolCall) and id(block) in arguments:
            blocks.append(tool_call_block(block.id, block.name, dict(arguments[id(block)])))
            calls.append(call_data(block.id, block.name, block.arguments))
        elif isinstance(block, ServerToolCall):
            server_calls.append(block)
    if texts or not calls:
        blocks.insert(layout[0][0] if layout else len(blocks), text_block("".join(texts)))
    blocks += to_citations(server_calls)
    kwargs = calls_kwargs(calls) | server_calls_kwargs(server_calls)
    if len(texts) > 1:
        kwargs[STORED] = {"texts": layout, "checksum": _layout_checksum(blocks)}
    return blocks, kwargs


def to_citations(calls: Iterable[ServerToolCall]) -> list[ContentBlock]:
    """The pages that the server found, behind the answer; `additional_location_info["index"]` is the page's number."""
    return [
        CitationBlock(
            cited_content=TextBlock(text=str(page.get("summary") or "")),
            source=str(page["url"]),
            title=str(page.get("title") or ""),
            additional_location_info={"index": number} if isinstance(number := page.get("index"), int) else {},
        )
        for call in calls
        for page in call.results
        if page.get("url")
    ]


def server_calls_kwargs(calls: Iterable[ServerToolCall]) -> dict[str, Any]:
    """The `additional_kwargs` of an answer for which the server ran these tools."""
    data = [_server_call_data(call) for call in calls]
    return {SERVER_CALLS: data} if data else {}


def _server_call_data(call: ServerToolCall) -> dict[str, Any]:
    results = [dict(result) for result in call.results]
    return {"id": call.id, "name": call.name, "arguments": call.arguments, "results": results}


def to_thinking(block: Reasoning, num_tokens: int | None = None) -> ThinkingBlock:
    """Reasoning, with what its replay needs."""
    opaque = {"signature": block.signature, "redacted": block.redacted}
    extra: dict[str, Any] = {name: value for name, value in opaque.items() if value is not None}
    if extra:
        extra["checksum"] = _checksum(block.text)
    return thinking_block(block.text, num_tokens, {"provider": PROVIDER, **extra})


def calls_kwargs(calls: list[dict[str, Any]]) -> dict[str, Any]:
    """The `additional_kwargs` of an answer with these calls."""
    return {"tool_calls": calls, STORED: {}} if calls else {}


# ----------------------------------------------------------------------------------------------------------- read back


def read_answer(message: ChatMessage, answered: Container[str]) -> list[Block]:
    """The blocks of an assistant message, of ours or of another provider, as it is now.

    Thinking of other providers is left out, and so is whatever is neither text nor a call: a provider's server made it
    (citations, generated images), and it is of no use to this one.

    Args:
        message: The message.
        answered: The ids of the calls that the conversation holds results of.

    Raises:
        InvalidRequestError: A block is malformed.
    """
    blocks, calls = blocks_of(message), stored_calls(message)
    written = {call.id: call.arguments for call in calls}
    layout = as_mapping(message.additional_kwargs).get(STORED)
    others = [tuple(_read_block(block, written)) for block in blocks if not isinstance(block, TextBlock)]
    for before, text in reversed(_read_texts(blocks, as_mapping(layout))):
        others.insert(before, (Text(text),))
    if not any(isinstance(block, ToolCallBlock) for block in blocks):
        # A call of ours without a block was taken out, unless it has a result: then the message was made anew from its
        # text and additional_kwargs.
        others.append(tuple(call for call in calls if layout is None or call.id in answered))
    return [*_read_server_calls(message), *chain.from_iterable(others)]


def _read_server_calls(message: ChatMessage) -> Iterator[ServerToolCall]:
    """The tools that the server ran for this answer. They are not sent, so damaged data is left out, not refused."""
    for data in map(as_mapping, _as_list(as_mapping(message.additional_kwargs).get(SERVER_CALLS))):
        id, name, arguments = (str(data.get(key) or "") for key in ("id", "name", "arguments"))
        yield ServerToolCall(id, name, arguments, tuple(map(as_mapping, _as_list(data.get("results")))))


def _as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _read_block(block: object, written: Mapping[str, str]) -> Iterator[Block]:
    match block:
        case ThinkingBlock():
            yield from _read_thinking(block)
        case ToolCallBlock():
            id = str(block.tool_call_id or "")
            yield ToolCall(id, checked_text(block, "tool_name"), _arguments(block, written.get(id)))
        case CachePoint() | CitationBlock():
            return
        case _:
            logger.info("%s in an assistant message is left out: it is neither text nor a call.", type(block).__name__)


def _read_thinking(block: ThinkingBlock) -> Iterator[Reasoning]:
    extra = as_mapping(block.additional_information)
    if extra.get("provider") != PROVIDER:
        return
    text = checked_text(block, "content") if block.content else ""
    if extra.get("checksum", checksum := _checksum(text)) == checksum:
        yield Reasoning(text, string_at(extra, "signature"), string_at(extra, "redacted"))
    elif text:  # edited: the signature would not fit
        yield Reasoning(text)


def _read_texts(blocks: Sequence[object], stored: Mapping[str, Any]) -> list[tuple[int, str]]:
    """The message's texts, each with the number of other blocks before it."""
    text = "\n".join(checked_text(block, "text") for block in blocks if isinstance(block, TextBlock))
    if not text:
        return []
    if stored.get("checksum") != _layout_checksum(blocks):  # one text, or the message was edited
        return [(next(place for place, block in enumerate(blocks) if isinstance(block, TextBlock)), text)]
    texts: list[tuple[int, str]] = []
    for before, length in stored["texts"]:
        texts.append((before, text[:length]))
        text = text[length:]
    return texts


def _arguments(block: ToolCallBlock, written: str | None) -> str:
    """The arguments as the model wrote them, so that the server's prefix cache fits, unless they were edited."""
    if isinstance(block.tool_kwargs, str):
        return block.tool_kwargs
    if written is not None and _is_same(written, block.tool_kwargs):
        return written
    return _json(block.tool_kwargs, f"ToolCallBlock {block.tool_name!r}: its tool_kwargs")


def _is_same(written: str, arguments: dict[str, Any]) -> bool:
    try:
        parsed = parse_arguments(written)
    except ValueError:
        return False
    return parsed == arguments and repr(parsed) == repr(arguments)  # True, 1 and 1.0 are equal


def _json(value: object, what: str) -> str:
    try:
        return argument_text(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{what} cannot be written as JSON: {error}.") from error


def stored_calls(message: ChatMessage) -> list[ToolCall]:
    """The calls in `additional_kwargs`: all that some messages have. A missing id is "".

    Raises:
        InvalidRequestError: Something there is not a call.
    """
    kwargs = as_mapping(message.additional_kwargs)
    found = as_sequence(kwargs.get("tool_calls") or [], "additional_kwargs['tool_calls']")
    calls = [_call_data(call) for call in found]
    if legacy := kwargs.get("function_call"):  # it has no id: its result goes by the name
        data = _call_data(legacy)
        calls.insert(0, {**data, "id": data.get("name")})
    return [_to_call(data) for data in calls if data.get("type") in _CALL_TYPES]


_CALL_TYPES = (None, "function", "function_call", "tool_call", "tool_use")
"""The types of calls of the caller's own tools. Calls of any other type ran on a provider's server."""


def _call_data(call: Any) -> Mapping[str, Any]:
    """A call as plain data; other classes store objects of an SDK."""
    dump = getattr(call, "model_dump", None)
    data = as_mapping(dump() if callable(dump) else call)
    if not data:
        raise InvalidRequestError(f"additional_kwargs: this is not a tool call: {shorten(call)}.")
    return data


def _to_call(data: Mapping[str, Any]) -> ToolCall:
    function = as_mapping(data.get("function")) or data
    name, id = function.get("name"), data.get("call_id") or data.get("id") or data.get("toolUseId") or ""
    if not isinstance(name, str) or not name:
        raise InvalidRequestError(f"additional_kwargs: this tool call has no name: {shorten(data)}.")
    arguments = next((function[key] for key in ("arguments", "input", "args") if key in function), None)
    if not isinstance(arguments, str):
        arguments = _json(arguments, f"additional_kwargs: the arguments of the tool call {name!r}")
    return ToolCall(str(id), name, arguments)


def _layout_checksum(blocks: Sequence[object]) -> int:
    """Changes with the text, and with the kinds and the order of the blocks."""
    return _checksum(*(block.text if isinstance(block, TextBlock) else type(block).__name__ for block in blocks))


def _checksum(*texts: str) -> int:
    return zlib.crc32("\0".join(texts).encode("utf-8", "surrogatepass"))
