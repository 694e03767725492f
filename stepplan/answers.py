"""Reads one answer, whole or streamed, over any protocol: what holds above all protocols is done here, once."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

from stepplan.events import Accumulator, DecodedEvent, Event, Finish, MessageEnd, MessageStart
from stepplan.protocols import EventDecoder, WireProtocol
from stepplan.requests import Request
from stepplan.responses import Response
from stepplan.sse import ServerSentEvent
from stepplan.surrogates import SurrogatePairs
from stepplan.think import ThinkTags


class AnswerReader:
    """Turns what a protocol decodes into the events of one answer.

    Characters that the stream cut in two are joined, and think tags become reasoning if the request asks for that. The
    first event carries the trace id, the last one the whole response.

    Attributes:
        ended: The last event has arrived.
        decoded: The number of events that the protocol decoded, including those that the filters still hold back.
    """

    def __init__(self, wire: WireProtocol, request: Request, trace_id: str | None = None) -> None:
        self.ended = False
        self.decoded = 0
        self._wire = wire
        self._request = request
        self._trace_id = trace_id
        self._started = False
        self._pairs: SurrogatePairs | None = None
        self._think = ThinkTags() if request.think_tags else None
        self._so_far = Accumulator()

    @cached_property
    def _decoder(self) -> EventDecoder:
        return self._wire.event_decoder(self._request)

    def feed(self, sent: ServerSentEvent) -> list[Event]:
        """The events in one server-sent event of a stream. Raises as `EventDecoder.feed` does."""
        if self._pairs is None and SurrogatePairs.may_begin(sent.data):
            self._pairs = SurrogatePairs()
        return self._take(self._decoder.feed(sent))

    def end(self) -> list[Event]:
        """The last events of a stream whose body ended cleanly. Raises as `EventDecoder.end` does."""
        return self._take(self._decoder.end())

    def read(self, body: Mapping[str, Any]) -> Response:
        """A whole answer. Raises as `WireProtocol.decode` does."""
        *_, end = self._take(self._wire.decode(body, self._request))
        return cast("MessageEnd", end).response

    def flush(self) -> list[Event]:
        """The events that the filters still hold back, for a stream that broke off."""
        events = [*self._pairs.flush()] if self._pairs else []
        if self._think:
            events = [*(event for found in events for event in self._think.feed(found)), *self._think.flush()]
        self._pairs = self._think = None
        return self._take(events)

    def response(self) -> Response:
        """The response so far."""
        return self._so_far.response()

    def _take(self, decoded: list[DecodedEvent]) -> list[Event]:
        """The events that these become when they are filtered and complete."""
        self.decoded += len(decoded)
        if self._pairs is not None:
            decoded = [event for found in decoded for event in self._pairs.feed(found)]
        if self._think is not None:
            decoded = [event for found in decoded for event in self._think.feed(found)]
        if not decoded:
            return []
        if not self._started:
            self._started = True
            self._begin(decoded)
        for event in decoded:
            self._so_far.add(event)
        events: list[Any] = decoded
        if isinstance(decoded[-1], Finish):
            self.ended = True
            events[-1] = MessageEnd(self._so_far.response())
        return events

    def _begin(self, decoded: list[DecodedEvent]) -> None:
        first = decoded[0]
        if isinstance(first, MessageStart):
            decoded[0] = MessageStart(first.id, first.model, self._trace_id)
        else:  # some servers send none
            decoded.insert(0, MessageStart(trace_id=self._trace_id))
