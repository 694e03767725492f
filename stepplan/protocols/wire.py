"""What a wire protocol provides: facts, as data, and pure functions between the core's values and JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepplan.events import DecodedEvent
from stepplan.requests import Request
from stepplan.sse import ServerSentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolFacts:
    """What a protocol can do. Adapters ask for these facts and never for a protocol's name.

    Attributes:
        title: The protocol's name in sentences, such as "Chat Completions".
        undocumented: The options of a `Request` that the protocol does not document and therefore refuses, each with
            the name of a protocol that does.
        tool_choice: The protocol can force a tool call. Otherwise the model is asked for one in the system prompt.
        video: User messages may contain videos.
        server_tools: StepFun's own tools may be offered.
        system_messages_anywhere: System messages stay where they are in the conversation. Otherwise they are collected
            at its beginning.
        late_signatures: The signature of a reasoning block may arrive after the next block has begun.
        default_max_tokens: The limit that is sent if the caller sets none; `None` if none is sent.
    """

    title: str
    undocumented: Mapping[str, str] = field(default_factory=dict[str, str])
    tool_choice: bool
    video: bool
    server_tools: bool = False
    system_messages_anywhere: bool
    late_signatures: bool
    default_max_tokens: int | None

    def documents(self, option: str) -> bool:
        """Whether the protocol has this option of a `Request`, such as `response_format`."""
        return option not in self.undocumented


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """An endpoint that counts the input tokens of a request.

    Attributes:
        path: The endpoint, below `/v1`.
        encode: Makes the JSON body of the question; raises `InvalidRequestError` as `WireProtocol.encode` does.
        decode: Reads the number in the JSON body of the answer; raises as `WireProtocol.decode` does.
    """

    path: str
    encode: Callable[[Request], dict[str, Any]]
    decode: Callable[[Mapping[str, Any]], int]


class EventDecoder(Protocol):
    """Decodes one streamed answer. All of the stream's state is in the decoder, so it serves one answer only."""

    def feed(self, event: ServerSentEvent) -> list[DecodedEvent]:
        """The events in one server-sent event; none for pings and unknown events.

        Raises:
            APIStatusError: The event reports an error.
            ResponseDecodeError: The event is not JSON.
            IncompleteStreamError: The event ends the stream, but no finish reason has arrived.
            AttributeError, LookupError, TypeError, ValueError: The event's JSON has an unexpected shape.
        """
        ...

    def end(self) -> list[DecodedEvent]:
        """The last events, if the body ended cleanly but without the event that ends a stream.

        Raises:
            IncompleteStreamError: No finish reason has arrived.
        """
        ...


class WireProtocol(Protocol):
    """A way to write requests and read answers. A package implements it as a module, and does no I/O."""

    @property
    def PATH(self) -> str:  # noqa: N802 - a module's constant
        """The endpoint, below `/v1`."""
        ...

    @property
    def HEADERS(self) -> Mapping[str, str]:  # noqa: N802
        """Headers that the protocol requires."""
        ...

    @property
    def FACTS(self) -> ProtocolFacts:  # noqa: N802
        """What the protocol can do."""
        ...

    @property
    def TOKEN_COUNTER(self) -> TokenCounter | None:  # noqa: N802
        """The endpoint that counts tokens, if the protocol has one."""
        ...

    def encode(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """The JSON body of a request.

        Raises:
            InvalidRequestError: The protocol cannot express something in the request.
        """
        ...

    def decode(self, body: Mapping[str, Any], request: Request) -> list[DecodedEvent]:
        """A whole answer's JSON body, as the events that it would have been as a stream.

        Raises:
            AttributeError, LookupError, TypeError, ValueError: The body has an unexpected shape.
        """
        ...

    def event_decoder(self, request: Request) -> EventDecoder:
        """A decoder for one streamed answer to this request."""
        ...
