"""How an answer's blocks are stored in a LangChain message, and read back from it.

`content` is the answer's text, `additional_kwargs["reasoning_content"]` its reasoning, `tool_calls` its calls: what
LangChain's users expect, but without the order of the blocks, their borders and their signatures. If these cannot be
rebuilt from the rest, they are stored under one more key, as plain JSON. So are the calls of tools that the server ran,
in `additional_kwargs["server_tool_calls"]`. Standard content (`output_version="v1"`) holds everything itself.

Callers edit messages, so what they see decides: `content`, `tool_calls` and the reasoning as they are now. What was
stored is used only where it still agrees with them.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall

from langchain_stepplan._content import Item, as_list, items_of, located, type_of
from stepplan import (
    Block,
    InvalidRequestError,
    Reasoning,
    Response,
    ServerToolCall,
    Text,
    ToolCall,
    parse_arguments,
)
from stepplan.integration.plain import as_mapping, string_at
from stepplan.jsontext import argument_text

PROVIDER = "stepplan"
REASONING = "reasoning_content"
LAYOUT = "stepplan_blocks"
SERVER_CALLS = "server_tool_calls"
UNREADABLE = '"[}"[} '
"""Follows the arguments of a streamed call that must not be run, before the reason; `_chunks` says why."""


def is_ours(message: AIMessage) -> bool:
    """Whether the plan produced this message, over either protocol."""
    return message.response_metadata.get("model_provider") == PROVIDER


# ------------------------------------------------------------------------------------------------------------ storing


def layout(response: Response) -> list[dict[str, Any]] | None:
    """Order, lengths and signatures of the blocks; None if they are in the default order (reasoning, text, calls)."""
    blocks = [block for block in response.content if not isinstance(block, ServerToolCall)]
    kinds = [type(block) for block in blocks]
    heads = [kind for kind in kinds if kind is not ToolCall]
    more = any(isinstance(block, Reasoning) and block != Reasoning(block.text) for block in blocks)
    broken = [call.error is not None for call in response.tool_calls]  # LangChain lists them behind the others
    in_order = kinds[: len(heads)] == heads and broken == sorted(broken)
    if not more and in_order and heads in ([], [Reasoning], [Text], [Reasoning, Text]):
        return None
    return [_head(block) for block in blocks]


def _head(block: Block) -> dict[str, Any]:
    match block:
        case Reasoning(text, signature, redacted):
            head: dict[str, Any] = {"type": "reasoning", "length": len(text)}
            if signature is not None:
                head |= {"signature": signature, "checksum": _checksum(text)}
            if redacted is not None:
                head["redacted"] = redacted
            return head
        case Text(text):
            return {"type": "text", "length": len(text)}
        case ToolCall(id):
            return {"type": "tool_call", "id": id}
        case _:
            raise TypeError(f"An answer cannot hold a {type(block).__name__}.")


def server_call_data(call: ServerToolCall) -> dict[str, Any]:
    """A call of a tool that the server ran, as plain JSON."""
    results = [dict(result) for result in call.results]
    return {"id": call.id, "name": call.name, "args": call.arguments, "results": results}


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


# ------------------------------------------------------------------------------------------------------- reading back


def own_blocks(message: AIMessage) -> tuple[Block, ...]:
    """The blocks of a message that the plan produced, as the message is now.

    Raises:
        InvalidRequestError: A block or a call was edited into something malformed.
    """
    calls = calls_of(message)
    if isinstance(message.content, str):
        blocks = [*own_server_calls(message), *_from_layout(message, message.content, calls)]
    else:
        blocks = list(_from_content(message, calls))
    return (*blocks, *calls)


def calls_of(message: AIMessage) -> list[ToolCall]:
    """The message's calls, then its broken ones.

    Raises:
        InvalidRequestError: One of them is malformed.
    """
    written = _written(message)
    calls = [to_call(call, f"tool_calls[{index}]", written) for index, call in enumerate(message.tool_calls)]
    for call in message.invalid_tool_calls:
        arguments, _ = arguments_and_reason(call)
        calls.append(ToolCall(str(call.get("id") or ""), str(call.get("name") or ""), arguments))
    return calls


def arguments_and_reason(call: InvalidToolCall) -> tuple[str, str | None]:
    """A broken call's arguments as the model wrote them, and why it cannot be run."""
    arguments, mark, reason = str(call.get("args") or "").rpartition(UNREADABLE)
    return (arguments, call.get("error") or reason) if mark else (reason, call.get("error"))


def to_call(call: Mapping[str, Any], name: str, written: Sequence[ToolCall] = ()) -> ToolCall:
    """A call from a dict with `id`, `name` and `args`; with the model's own JSON text if it still says the same.

    Raises:
        InvalidRequestError: It is no call, or its arguments cannot be written as JSON. `name` is named.
    """
    if not isinstance(call.get("args"), dict | None) or not isinstance(call.get("name"), str):
        raise InvalidRequestError(f"{name}: A tool call needs a string as its name and a dict as its arguments.")
    arguments = dict(as_mapping(call.get("args")))
    made = ToolCall(str(call.get("id") or ""), call["name"], _to_json(arguments, name))
    for other in written:
        if (other.id, other.name) == (made.id, made.name) and _parsed(other.arguments) == arguments:
            return other
    return made


def _to_json(arguments: dict[str, Any], name: str) -> str:
    try:
        return argument_text(arguments)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"{name}: The arguments cannot be written as JSON: {error}") from None


def _written(message: AIMessage) -> list[ToolCall]:
    """A streamed answer's calls as the model wrote them, so that a replay keeps the server's prefix cache valid.

    Not those that LangChain wrote, with escapes, when it made a chunk of a message.
    """
    chunks = message.tool_call_chunks if isinstance(message, AIMessageChunk) and is_ours(message) else ()
    calls = [ToolCall(call["id"] or "", call["name"] or "", call["args"] or "") for call in chunks]
    return [call for call in calls if "\\u" not in call.arguments]


def _parsed(arguments: str) -> dict[str, Any] | None:
    try:
        return parse_arguments(arguments)
    except ValueError:
        return None


def take(calls: list[ToolCall], id: str) -> ToolCall | None:
    """Take the first call with this id out of the list."""
    for index, call in enumerate(calls):
        if call.id == id:
            return calls.pop(index)
    return None


def _from_layout(message: AIMessage, text: str, calls: list[ToolCall]) -> Iterator[Block]:
    """The blocks of an answer whose content is a string."""
    rest = {"reasoning": _stored_reasoning(message) or "", "text": text}
    heads = _heads(message)
    for kind, stored in rest.items():
        heads = _agreeing(heads, kind, stored)
    for head in heads:
        if (kind := head["type"]) not in rest:
            call = take(calls, head.get("id") or "")
            yield from () if call is None else (call,)
            continue
        piece, rest[kind] = rest[kind][: head["length"]], rest[kind][head["length"] :]
        yield (
            Text(piece)
            if kind == "text"
            else Reasoning(piece, string_at(head, "signature"), string_at(head, "redacted"))
        )


def own_server_calls(message: AIMessage) -> Iterator[ServerToolCall]:
    """The calls of tools that the server ran, of an answer whose content is a string."""
    for stored in map(as_mapping, as_list(message.additional_kwargs.get(SERVER_CALLS))):
        yield _server_call(stored, stored.get("args"), as_list(stored.get("results")))


def _server_call(head: Mapping[str, Any], args: object, results: Iterable[object]) -> ServerToolCall:
    arguments = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
    found = tuple(as_mapping(result) for result in results)
    return ServerToolCall(str(head.get("id") or ""), str(head.get("name") or ""), arguments, found)


def _stored_reasoning(message: AIMessage) -> str | None:
    reasoning = message.additional_kwargs.get(REASONING)
    return reasoning if isinstance(reasoning, str) else None


def _heads(message: AIMessage) -> list[Mapping[str, Any]]:
    """What `layout` stored; nothing if it is not there or was damaged."""
    heads = [as_mapping(head) for head in as_list(message.additional_kwargs.get(LAYOUT))]
    return heads if all(_is_head(head) for head in heads) else []


def _is_head(head: Mapping[str, Any]) -> bool:
    return head.get("type") == "tool_call" or (
        head.get("type") in {"reasoning", "text"} and isinstance(head.get("length"), int)
    )


def _agreeing(heads: list[Mapping[str, Any]], kind: str, text: str) -> list[Mapping[str, Any]]:
    """The heads, those of one kind replaced by a plain one where they do not describe this text any more."""
    end, agrees = 0, True
    for head in heads:
        if head["type"] == kind:
            start, end = end, end + head["length"]
            agrees = agrees and head.get("checksum") in {None, _checksum(text[start:end])}
    if agrees and end == len(text):
        return heads
    plain: list[Mapping[str, Any]] = [{"type": kind, "length": len(text)}] if text else []
    kinds = [head["type"] for head in heads]
    first = kinds.index(kind) if kind in kinds else kinds.count("reasoning") if kind == "text" else 0
    before, after = ([head for head in part if head["type"] != kind] for part in (heads[:first], heads[first:]))
    return [*before, *plain, *after]


def _from_content(message: AIMessage, calls: list[ToolCall]) -> Iterator[Block]:
    """The blocks of an answer whose content is a list."""
    items = items_of(message.content)
    reasoning = _stored_reasoning(message)
    if reasoning and message.response_metadata.get("output_version") != "v1":
        yield Reasoning(reasoning)  # someone made a list of an answer's text: its reasoning is where it was
    unedited = reasoning is None or reasoning == "".join(str(_reasoning_of(item) or "") for item in items)
    results = [item for item in items if isinstance(item, Mapping) and type_of(item) == "server_tool_result"]
    for index, item in enumerate(items):
        if isinstance(item, Mapping) and type_of(item) == "server_tool_call":
            found = (result.get("output") for result in results if result.get("tool_call_id") == item.get("id"))
            yield _server_call(item, item.get("args"), as_list(next(found, ())))
            continue
        try:
            yield from _block(item, calls, signed=unedited)
        except InvalidRequestError as error:
            raise located(error, index, item) from None


def _reasoning_of(item: Item) -> object:
    return item.get("reasoning") if isinstance(item, Mapping) and type_of(item) == "reasoning" else None


def _block(item: Item, calls: list[ToolCall], *, signed: bool) -> Iterator[Block]:
    if isinstance(item, str):
        yield Text(item)
        return
    match type_of(item):
        case "text":
            yield Text(_string(item, "text"))
        case "reasoning":
            signature = string_at(as_mapping(item.get("extras")), "signature") if signed else None
            yield Reasoning(_string(item, "reasoning"), signature)
        case "non_standard":
            value = as_mapping(item.get("value"))
            if value.get("type") == "redacted_thinking":
                yield Reasoning("", redacted=string_at(value, "data"))
        case "tool_call" | "invalid_tool_call" | "tool_call_chunk":
            if (call := take(calls, item.get("id") or "")) is not None:
                yield call
        case _:
            pass


def _string(item: Mapping[str, Any], name: str) -> str:
    text = item.get(name)
    if not isinstance(text, str):
        raise InvalidRequestError(f"The block needs a string as {name!r}, not {type(text).__name__}.")
    return text
