"""Reads the answers of Chat Completions, whole and streamed."""

from collections.abc import Mapping
from typing import Any

from stepplan.errors import IncompleteStreamError
from stepplan.events import Event, MessageEnd, MessageStart, ReasoningDelta, TextDelta
from stepplan.messages import Block, Reasoning, Text, ToolCall
from stepplan.names import original_names
from stepplan.protocols import _decoding
from stepplan.protocols.openai.calls import StreamedCalls
from stepplan.requests import Request
from stepplan.responses import Response, Usage
from stepplan.sse import ServerSentEvent
from stepplan.think import SplittingDecoder, split


def decode(body: Mapping[str, Any], request: Request) -> Response:
    """The response in a whole Chat Completions answer. Reads leniently: every field but `choices` may be absent."""
    choice: dict[str, Any] = body["choices"][0]
    names = original_names(request.tools)
    message: dict[str, Any] = choice.get("message") or {}
    content: list[Block] = []
    if reasoning := _reasoning(message):
        content.append(Reasoning(reasoning))
    if text := message.get("content"):
        content.append(Text(_decoding.text(text)))
    ids: list[str] = []
    for call in message.get("tool_calls") or ():
        if _is_ours(call):
            function: dict[str, Any] = call.get("function") or {}
            name = _decoding.text(function.get("name") or "")
            ids.append(_decoding.unique_id(call.get("id"), ids))
            content.append(ToolCall(ids[-1], names.get(name, name), _decoding.text(function.get("arguments") or "")))
    response = Response(
        content=tuple(content),
        finish_reason=_decoding.finish_reason(
            _decoding.text_or_none(choice.get("finish_reason") or None), has_calls=bool(ids)
        ),
        usage=_decode_usage(body.get("usage")),
        id=_decoding.text_or_none(body.get("id")),
        model=_decoding.text_or_none(body.get("model")),
    )
    return split(response) if request.think_tags else response


def _reasoning(message: Mapping[str, Any]) -> str:
    """Both names carry the same text, so one is read and the other left."""
    return _decoding.text(message.get("reasoning") or message.get("reasoning_content") or "")


def _is_ours(call: Mapping[str, Any]) -> bool:
    """Whether the caller has to run it: a `web_search` was run by the server."""
    return call.get("type") in {"function", "", None}


def _decode_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    if not usage:
        return None
    return Usage(
        input_tokens=_decoding.count(usage, "prompt_tokens"),
        output_tokens=_decoding.count(usage, "completion_tokens"),
        cache_read_tokens=_decoding.count(usage, "prompt_tokens_details", "cached_tokens")
        or _decoding.count(usage, "cached_tokens"),
        reasoning_tokens=_decoding.count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def event_decoder(request: Request) -> "EventDecoder | SplittingDecoder":
    """A decoder for one streamed answer to this request."""
    decoder = EventDecoder(request)
    return SplittingDecoder(decoder) if request.think_tags else decoder


class EventDecoder:
    """Reads one streamed Chat Completions answer: `data:` lines of JSON, then `[DONE]`.

    The wire has one reasoning text and one answer text in a message, so each is one block, in the order of their first
    pieces. Token counts may come on every chunk; they are cumulative, so the last ones count.
    """

    def __init__(self, request: Request) -> None:
        self._started = False
        self._blocks = 0
        self._reasoning: int | None = None
        self._text: int | None = None
        self._calls = StreamedCalls(original_names(request.tools), self._next_index)
        self._usage: Mapping[str, Any] | None = None
        self._finish_reason: str | None = None

    def _next_index(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def feed(self, event: ServerSentEvent) -> list[Event]:
        """The events that one server-sent event brings.

        Raises:
            APIStatusError: The event is an error.
            ResponseDecodeError: The event is not JSON.
            IncompleteStreamError: `[DONE]` came before a finish reason.
        """
        if event.data == b"[DONE]":
            return [*self._calls.flush(), self._end()]
        chunk = _decoding.read_frame(event)
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(
                MessageStart(_decoding.text_or_none(chunk.get("id")), _decoding.text_or_none(chunk.get("model")))
            )
        self._usage = chunk.get("usage") or self._usage
        choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
        choice = choices[0]
        if not choice.get("index"):  # of several answers (`n`), which only `extra_body` can ask for, the first
            if delta := choice.get("delta"):
                self._read_delta(delta, events)
            if reason := choice.get("finish_reason"):
                self._finish_reason = _decoding.text(reason)
        return events

    def _read_delta(self, delta: Mapping[str, Any], events: list[Event]) -> None:
        if reasoning := _reasoning(delta):
            if self._reasoning is None:
                self._reasoning = self._next_index()
            events.append(ReasoningDelta(self._reasoning, reasoning))
        if text := delta.get("content"):
            if self._text is None:
                self._text = self._next_index()
            events.append(TextDelta(self._text, _decoding.text(text)))
        for piece in delta.get("tool_calls") or ():
            if _is_ours(piece):
                events += self._calls.feed(piece)

    def _end(self) -> MessageEnd:
        reason = _decoding.finish_reason(self._finish_reason, has_calls=bool(self._calls))
        if reason is None:
            raise IncompleteStreamError("The stream said [DONE] without a finish reason: the answer may not be whole.")
        return MessageEnd(reason, _decode_usage(self._usage))
