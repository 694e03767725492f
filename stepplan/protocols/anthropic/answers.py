"""The answers of Messages, the Anthropic protocol, whole and streamed.

A whole answer is read as the events that it would have been, so that both say the same.
"""

from collections.abc import Mapping
from typing import Any

from stepplan.errors import IncompleteStreamError
from stepplan.events import (
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    fold,
)
from stepplan.jsontext import argument_text
from stepplan.messages import ToolCall
from stepplan.names import original_names
from stepplan.protocols import _decoding
from stepplan.requests import Request
from stepplan.responses import FinishReason, Response, Usage
from stepplan.sse import ServerSentEvent
from stepplan.think import SplittingDecoder, split

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}


def decode(body: Mapping[str, Any], request: Request) -> Response:
    """The response in a whole Messages answer. Reads leniently: every field but `content` may be absent."""
    decoder = EventDecoder(request)
    events: list[Event] = []
    for index, block in enumerate(body["content"]):
        events += decoder.read_block(index, block)
    content = fold(events).content
    response = Response(
        content=content,
        finish_reason=_finish_reason(
            _decoding.text_or_none(body.get("stop_reason")),
            has_calls=any(isinstance(block, ToolCall) for block in content),
        ),
        usage=_decode_usage(body.get("usage")),
        id=_decoding.text_or_none(body.get("id")),
        model=_decoding.text_or_none(body.get("model")),
        stop_sequence=_decoding.text_or_none(body.get("stop_sequence")),
    )
    return split(response) if request.think_tags else response


def _finish_reason(reason: FinishReason | None, *, has_calls: bool) -> FinishReason | None:
    return _decoding.finish_reason(_FINISH_REASONS.get(reason or "", reason), has_calls=has_calls)


def _decode_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Token counts. On this protocol `input_tokens` leaves out what the cache gave, so it is added back."""
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


def event_decoder(request: Request) -> "EventDecoder | SplittingDecoder":
    """A decoder for one streamed answer to this request."""
    decoder = EventDecoder(request)
    return SplittingDecoder(decoder) if request.think_tags else decoder


class EventDecoder:
    """Reads one streamed Messages answer, in the shape that is documented and in those that servers send.

    The documented sample has the stop reason beside `delta` and no `content_block_stop`; servers send blocks that
    overlap, signatures late or never, and token counts in `message_start`, in `message_delta` or in both, where the
    last value of each field counts.
    """

    def __init__(self, request: Request) -> None:
        self._names = original_names(request.tools)
        self._places: dict[int, int] = {}  # the wire's block index -> ours, which has no gaps
        self._whole_inputs: dict[int, str] = {}  # arguments that came with a call's start, until pieces make them moot
        self._ids: list[str] = []
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._stop_sequence: str | None = None

    def feed(self, event: ServerSentEvent) -> list[Event]:
        """The events that one server-sent event brings.

        Raises:
            APIStatusError: The event is an error.
            ResponseDecodeError: The event is not JSON.
            IncompleteStreamError: `message_stop` came before a stop reason.
        """
        if event.data == b"[DONE]":  # some servers add it, as on the other protocol
            return []
        frame = _decoding.read_frame(event)
        match frame.get("type"):
            case "content_block_delta":
                return self._read_delta(frame.get("index", 0), frame.get("delta") or {})
            case "content_block_start":
                return self._read_block_start(frame.get("index", 0), frame.get("content_block") or {})
            case "content_block_stop":
                return self._flush(frame.get("index", 0))
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
                return [event for index in tuple(self._whole_inputs) for event in self._flush(index)] + [self._end()]
            case _:
                return []

    def read_block(self, index: int, block: Mapping[str, Any]) -> list[Event]:
        """The events that a whole block would have brought."""
        return self._read_block_start(index, block) + self._flush(index)

    def _add_usage(self, usage: Mapping[str, Any] | None) -> None:
        self._usage |= {name: value for name, value in (usage or {}).items() if value is not None}

    def _place(self, index: int) -> int:
        return self._places.setdefault(index, len(self._places))

    def _read_delta(self, index: int, delta: Mapping[str, Any]) -> list[Event]:
        match delta.get("type"):
            case "text_delta" if text := delta.get("text"):
                return [TextDelta(self._place(index), _decoding.text(text))]
            case "thinking_delta" if thinking := delta.get("thinking"):
                return [ReasoningDelta(self._place(index), _decoding.text(thinking))]
            case "signature_delta":
                return self._read_signature(index, _decoding.text_or_none(delta.get("signature")))
            case "input_json_delta" if (piece := delta.get("partial_json")) and index in self._places:
                self._whole_inputs.pop(index, None)
                return [ToolCallDelta(self._places[index], _decoding.text(piece))]
            case _:
                return []

    def _read_signature(self, index: int, signature: str | None) -> list[Event]:
        """An empty one is kept as it came, but does not make a block."""
        if signature is None or not (signature or index in self._places):
            return []
        return [ReasoningDelta(self._place(index), signature=signature)]

    def _read_block_start(self, index: int, block: Mapping[str, Any]) -> list[Event]:
        match block.get("type"):
            case "text" if text := block.get("text"):
                return [TextDelta(self._place(index), _decoding.text(text))]
            case "thinking" if block.get("thinking") or block.get("signature"):
                thinking, signature = _decoding.text(block.get("thinking") or ""), block.get("signature")
                return [ReasoningDelta(self._place(index), thinking, _decoding.text_or_none(signature))]
            case "redacted_thinking":
                return [ReasoningDelta(self._place(index), redacted=_decoding.text(block.get("data") or ""))]
            case "tool_use":
                self._ids.append(_decoding.unique_id(block.get("id"), self._ids))
                if input := block.get("input"):
                    # JSON that the server could not read may come as a string.
                    self._whole_inputs[index] = input if isinstance(input, str) else argument_text(input)
                name = _decoding.text(block.get("name") or "")
                return [ToolCallStart(self._place(index), self._ids[-1], self._names.get(name, name))]
            case _:
                return []

    def _flush(self, index: int) -> list[Event]:
        input = self._whole_inputs.pop(index, None)
        return [] if input is None else [ToolCallDelta(self._places[index], input)]

    def _end(self) -> MessageEnd:
        reason = _finish_reason(self._stop_reason, has_calls=bool(self._ids))
        if reason is None:
            raise IncompleteStreamError("The stream ended without a stop reason: the answer may not be whole.")
        return MessageEnd(reason, _decode_usage(self._usage), self._stop_sequence)
