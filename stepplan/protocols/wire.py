"""What a wire protocol has to provide."""

from collections.abc import Mapping
from typing import Any, Protocol

from stepplan.events import Event
from stepplan.requests import Request
from stepplan.responses import Response
from stepplan.sse import ServerSentEvent


class EventDecoder(Protocol):
    """Reads one streamed answer. Holds all of its state, so a decoder serves one answer only."""

    def feed(self, event: ServerSentEvent) -> list[Event]:
        """The events that this one brings; none for pings and for what is not known. Stumbles as `decode` does.

        Raises:
            APIStatusError: The event is an error.
            ResponseDecodeError: The event is not JSON.
            IncompleteStreamError: The event says that the stream is over, but nothing said how the answer ended.
        """
        ...


class WireProtocol(Protocol):
    """One way of writing requests and reading answers. A module implements it; nothing in it does I/O."""

    @property
    def PATH(self) -> str:  # noqa: N802 - a module's constant
        """The endpoint, under `/v1`."""
        ...

    @property
    def HEADERS(self) -> Mapping[str, str]:  # noqa: N802
        """Headers that the protocol asks for."""
        ...

    def encode(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """The JSON body for a request.

        Raises:
            InvalidRequestError: The protocol cannot take something in it.
        """
        ...

    def decode(self, body: Mapping[str, Any], request: Request) -> Response:
        """The response in a whole answer's JSON body.

        A body that is no answer makes it stumble (`AttributeError`, `LookupError`, `TypeError`, `ValueError`); the
        exchange makes a `ResponseDecodeError` of that.
        """
        ...

    def event_decoder(self, request: Request) -> EventDecoder:
        """A decoder for one streamed answer to this request."""
        ...
