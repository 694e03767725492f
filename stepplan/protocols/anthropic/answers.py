"""Reads the answers of Messages, whole and streamed.

A whole answer is read as the events of the stream that it could have been.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from stepplan.errors import IncompleteStreamError
from stepplan.events import (
    DecodedEvent,
    Finish,
    MessageStart,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from stepplan.jsontext import argument_text
from stepplan.names import original_names
from stepplan.protocols import _decoding
from stepplan.requests import Request
from stepplan.responses import Usage
from stepplan.sse import ServerSentEvent

_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    }
)
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


def decode(body: Mapping[str, Any], request: Request) -> list[DecodedEvent]:
    """The events of a whole Messages answer. Every field but `content` may be absent."""
    decoder = MessagesDecoder(request)
    events = decoder.read_frame({"type": "message_start", "message": body})
    last = len(body["content"]) - 1
    reason = _decoding.text_or_none(body.get("stop_reason")) or ""
    broke_off = _FINISH_REASONS.get(reason) in {"length", "content_filter"}
    for index, block in enumerate(body["content"]):
        events += decoder.read_block(index, block, cut_off=broke_off and index == last)
    events += decoder.read_frame({**body, "type": "message_delta"})
    return events + decoder.finish()


def event_decoder(request: Request) -> "MessagesDecoder":
    """A decoder for one streamed answer to this request."""
    return MessagesDecoder(request)


class MessagesDecoder:
    """Decodes one streamed Messages answer, in the documented shape and in those that servers send.

    The documented sample has the stop reason beside `delta` and no `content_block_stop`. Servers send blocks that
    overlap, several blocks with one index, signatures late or never, and token counts in `message_start`, in
    `message_delta` or in both, where the last value of each field counts.
    """

    def __init__(self, request: Request) -> None:
        self._names = original_names(request.functions)
        self._indexes: dict[tuple[str, int], int] = {}  # a block's kind and its index on the wire -> ours, without gaps
        self._next_index = itertools.count()
        self._latest: dict[str, int] = {}  # our index of the last block of a kind
        self._whole_inputs: dict[int, str] = {}  # arguments that came with a call's start; deltas replace them
        self._ids: set[str] = set()
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._stop_sequence: str | None = None

    def feed(self, event: ServerSentEvent) -> list[DecodedEvent]:
        """The events in one server-sent event. See `stepplan.protocols.EventDecoder`."""
        frame = _decoding.read_frame(event, _EVENTS)
        return [] if frame is None else self.read_frame(frame)

    def end(self) -> list[DecodedEvent]:
        """The last events.

        Raises:
            IncompleteStreamError: No stop reason has arrived.
        """
        if self._stop_reason is None:
            raise IncompleteStreamError("The stream ended without a stop reason: the answer may be incomplete.")
        return self.finish()

    def finish(self) -> list[DecodedEvent]:
        """The last events, whether or not a stop reason has arrived."""
        inputs = [event for index in tuple(self._whole_inputs) for event in self._flush(index)]
        reason = _FINISH_REASONS.get(self._stop_reason or "", self._stop_reason)
        reason = _decoding.finish_reason(reason, has_calls=bool(self._ids))
        return [*inputs, Finish(reason, _decode_usage(self._usage), self._stop_sequence)]

    def read_frame(self, frame: Mapping[str, Any]) -> list[DecodedEvent]:
        """The events in one event's JSON object."""
        match frame.get("type"):
            case "content_block_delta":
                return self._read_delta(frame.get("index", 0), frame.get("delta") or {})
            case "content_block_start":
                return self._read_block_start(frame.get("index", 0), frame.get("content_block") or {})
            case "content_block_stop":
                return [*self._flush(frame.get("index", 0))]
            case "message_start":
                message: dict[str, Any] = frame.get("message") or {}
                self._add_usage(message.get("usage"))
                return [
                    MessageStart(
                        _decoding.text_or_none(message.get("id")), _decoding.text_or_none(message.get("model"))
                    )
                ]
            case "message_delta":
                delta: dict[str, Any] = {**frame, **(frame.get("delta") or {})}
                self._add_usage(frame.get("usage"))
                self._stop_reason = _decoding.text_or_none(delta.get("stop_reason")) or self._stop_reason
                self._stop_sequence = _decoding.text_or_none(delta.get("stop_sequence")) or self._stop_sequence
                return []
            case "message_stop":
                return self.end()
            case _:
                return []

    def read_block(self, index: int, block: Mapping[str, Any], *, cut_off: bool) -> list[DecodedEvent]:
        """The events in one whole block.

        Arguments are an object here, whose end is the server's if it was cut off: what the model had written cannot be
        told from it, so the text is left open as the model left it.
        """
        start, arguments = self._read_block_start(index, block), self._flush(index)
        if cut_off and arguments and isinstance(block["input"], dict):
            arguments = [ToolCallDelta(arguments[0].index, arguments[0].arguments.removesuffix("}"))]
        return [*start, *arguments]

    def _add_usage(self, usage: Mapping[str, Any] | None) -> None:
        self._usage |= {name: value for name, value in (usage or {}).items() if value is not None}

    def _index(self, kind: str, index: int) -> int:
        block = kind, index
        if block not in self._indexes:
            self._indexes[block] = next(self._next_index)
        return self._indexes[block]

    def _index_to_extend(self, kind: str, index: int) -> int:
        """As `_index`. Text that arrives after text of a later block starts a new block: shown text cannot change."""
        ours = self._index(kind, index)
        if ours < self._latest.get(kind, ours):
            ours = self._indexes[kind, index] = next(self._next_index)
        self._latest[kind] = ours
        return ours

    def _read_delta(self, index: int, delta: Mapping[str, Any]) -> list[DecodedEvent]:
        match delta.get("type"):
            case "text_delta" if text := delta.get("text"):
                return [TextDelta(self._index_to_extend("text", index), _decoding.text(text))]
            case "thinking_delta" if thinking := delta.get("thinking"):
                return [ReasoningDelta(self._index_to_extend("thinking", index), _decoding.text(thinking))]
            case "signature_delta":
                return self._read_signature(index, _decoding.text_or_none(delta.get("signature")))
            case "input_json_delta" if (piece := delta.get("partial_json")) and ("tool_use", index) in self._indexes:
                self._whole_inputs.pop(index, None)
                return [ToolCallDelta(self._index("tool_use", index), _decoding.text(piece))]
            case _:
                return []

    def _read_signature(self, index: int, signature: str | None) -> list[DecodedEvent]:
        """An empty signature is kept, but makes no block of its own."""
        if signature is None or not (signature or ("thinking", index) in self._indexes):
            return []
        return [ReasoningDelta(self._index("thinking", index), signature=signature)]

    def _read_block_start(self, index: int, block: Mapping[str, Any]) -> list[DecodedEvent]:
        match block.get("type"):
            case "text" if text := block.get("text"):
                return [TextDelta(self._index_to_extend("text", index), _decoding.text(text))]
            case "thinking" if block.get("thinking") or block.get("signature"):
                thinking, signature = _decoding.text(block.get("thinking") or ""), block.get("signature")
                ours = self._index_to_extend("thinking", index)
                return [ReasoningDelta(ours, thinking, _decoding.text_or_none(signature))]
            case "redacted_thinking":
                data = _decoding.text(block.get("data") or "")
                return [ReasoningDelta(self._index("redacted_thinking", index), redacted=data)]
            case "tool_use":
                return [*self._flush(index), self._start_call(index, block)]
            case _:
                return []

    def _start_call(self, index: int, block: Mapping[str, Any]) -> ToolCallStart:
        """Each start is a call of its own, even where the server gives all of them one index."""
        self._indexes.pop(("tool_use", index), None)
        self._ids.add(id := _decoding.unique_id(block.get("id"), self._ids))
        if input := block.get("input"):
            self._whole_inputs[index] = _input_text(input)
        name = _decoding.text(block.get("name") or "")
        return ToolCallStart(self._index("tool_use", index), id, self._names.get(name, name))

    def _flush(self, index: int) -> list[ToolCallDelta]:
        input = self._whole_inputs.pop(index, None)
        return [] if input is None else [ToolCallDelta(self._index("tool_use", index), input)]


def _input_text(input: Any) -> str:
    """Arguments as text. A server that could not parse the model's JSON may have sent it as a string."""
    return input if isinstance(input, str) else argument_text(input, allow_nan=True)


def _decode_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Token counts. The protocol's `input_tokens` excludes tokens of the cache, so they are added."""
    if not usage:
        return None
    cache_read = _decoding.count(usage, "cache_read_input_tokens")
    cache_creation = _decoding.count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=_decoding.count(usage, "input_tokens") + cache_read + cache_creation,
        output_tokens=_decoding.count(usage, "output_tokens"),
        cache_read_tokens=cache_read,
        cache_creation_tokens=cache_creation,
    )
