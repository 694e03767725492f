"""Reads the answers of Chat Completions, whole and streamed.

A whole answer is read as one chunk of a stream, whose delta is the whole message.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stepplan.errors import IncompleteStreamError
from stepplan.events import DecodedEvent, Finish, MessageStart, ReasoningDelta, TextDelta
from stepplan.names import original_names
from stepplan.protocols import _decoding
from stepplan.protocols.openai.calls import StreamedCalls
from stepplan.protocols.openai.server_calls import ServerCalls, ran_on_server
from stepplan.requests import Request
from stepplan.responses import Usage
from stepplan.sse import ServerSentEvent


def decode(body: Mapping[str, Any], request: Request) -> list[DecodedEvent]:
    """The events of a whole Chat Completions answer. Every field but `choices` may be absent."""
    choice: dict[str, Any] = body["choices"][0]
    message: dict[str, Any] = choice.get("message") or {}
    if calls := message.get("tool_calls"):
        message = {**message, "tool_calls": list(_marked(calls))}
    decoder = ChatDecoder(request)
    return decoder.read_chunk(body, {**choice, "index": 0, "delta": message}) + decoder.finish()


def _marked(calls: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Calls with an index and an id each, which show that each is a call of its own and not a piece of another."""
    ids: set[str] = set()
    for index, call in enumerate(calls):
        ids.add(id := _decoding.unique_id(call.get("id"), ids))
        yield {**call, "index": index, "id": id}


def event_decoder(request: Request) -> "ChatDecoder":
    """A decoder for one streamed answer to this request."""
    return ChatDecoder(request)


class ChatDecoder:
    """Decodes one streamed Chat Completions answer: `data:` lines of JSON, then `[DONE]`.

    A message has at most one reasoning text and one answer text, so each is one block, in the order of their first
    deltas. Token counts may come with every chunk; they are cumulative, so the last ones count.
    """

    def __init__(self, request: Request) -> None:
        self._started = False
        self._indexes = itertools.count()
        self._reasoning: int | None = None
        self._text: int | None = None
        self._calls = StreamedCalls(original_names(request.functions), self._indexes)
        self._server_calls = ServerCalls(self._indexes)
        self._usage: Mapping[str, Any] | None = None
        self._finish_reason: str | None = None
        self._refused = False

    def feed(self, event: ServerSentEvent) -> list[DecodedEvent]:
        """The events in one server-sent event. See `stepplan.protocols.EventDecoder`."""
        if event.data.strip() == _decoding.DONE:
            return self.end()
        chunk = _decoding.read_frame(event)
        if chunk is None:
            return []
        choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
        return self.read_chunk(chunk, choices[0])

    def end(self) -> list[DecodedEvent]:
        """The last events.

        Raises:
            IncompleteStreamError: No finish reason has arrived.
        """
        if self._finish_reason is None:
            raise IncompleteStreamError("The stream ended without a finish reason: the answer may be incomplete.")
        return self.finish()

    def finish(self) -> list[DecodedEvent]:
        """The last events, whether or not a finish reason has arrived."""
        calls = [*self._server_calls.flush(), *self._calls.flush()]
        reason = _decoding.finish_reason(self._finish_reason, has_calls=bool(self._calls))
        if self._refused and reason == "stop":
            reason = "content_filter"
        return [*calls, Finish(reason, _decode_usage(self._usage))]

    def read_chunk(self, chunk: Mapping[str, Any], choice: Mapping[str, Any]) -> list[DecodedEvent]:
        """The events in one chunk and its first choice."""
        events: list[DecodedEvent] = []
        if not self._started and ("choices" in chunk or "id" in chunk):  # neither is in a ping
            self._started = True
            events.append(
                MessageStart(_decoding.text_or_none(chunk.get("id")), _decoding.text_or_none(chunk.get("model")))
            )
        self._usage = chunk.get("usage") or self._usage
        if not choice.get("index"):  # of several answers (`n`, by `extra_body`), the first is read
            if delta := choice.get("delta"):
                self._read_delta(delta, events)
            if reason := choice.get("finish_reason"):
                self._finish_reason = _decoding.text(reason)
        return events

    def _read_delta(self, delta: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        calls: Iterable[Mapping[str, Any]] = delta.get("tool_calls") or ()
        for call in calls:  # the server ran these before the model answered
            if ran_on_server(call):
                events += self._server_calls.feed(call)
        # Both names carry the same text, so one is read and the other left.
        if reasoning := delta.get("reasoning") or delta.get("reasoning_content"):
            if self._reasoning is None:
                self._reasoning = next(self._indexes)
            events.append(ReasoningDelta(self._reasoning, _decoding.text(reasoning)))
        refused = delta.get("refusal")  # where OpenAI's models refuse, with `stop` as the reason
        self._refused = self._refused or bool(refused)
        if text := delta.get("content") or refused:
            if self._text is None:
                self._text = next(self._indexes)
            events.append(TextDelta(self._text, _decoding.text(text)))
        for call in calls:
            if not ran_on_server(call):
                events += self._calls.feed(call)


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
