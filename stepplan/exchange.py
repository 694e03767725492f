"""The exchange: send, look, wait, send again, raise. Decides everything about one request and does no I/O.

It is a generator, written once, that yields what is to be done next. A driver in `stepplan.client` does it, and sends
back what came of it or throws in what went wrong; the sync and the async driver differ in nothing else.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from stepplan.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ErrorResponse,
    IncompleteStreamError,
    InvalidRequestError,
    ResponseDecodeError,
    StepPlanError,
)
from stepplan.events import Event, MessageEnd, MessageStart, fold
from stepplan.jsontext import read_object, utf8
from stepplan.protocols import EventDecoder
from stepplan.redaction import redact
from stepplan.refusals import Origin, error_from_frame, error_from_response, is_error
from stepplan.retry import RetryPolicy, seconds_asked
from stepplan.sse import ServerSentEvent, SSEDecoder

T = TypeVar("T")
logger = logging.getLogger("stepplan")


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """What goes over the network, with the longest silence (seconds) to bear while reading the reply.

    Its `repr` shows no header and no key: tools that report errors show the variables of a traceback's frames.

    Attributes:
        key: Sent as `Authorization: Bearer ...`, unless `headers` has an `authorization` of its own.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    connect_timeout: float
    read_timeout: float
    key: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (names in lower case) of a reply."""

    status: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request; the driver sends back the reply's `Head`."""

    request: HTTPRequest


@dataclass(frozen=True, slots=True)
class Read:
    """Read on; the driver sends back bytes, `b""` at the end."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Drop the reply and wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand these on to the caller."""

    items: Sequence[T]


Steps = Generator[Open | Read | Sleep | Emit[T], Any, None]
"""What to do next; what came of it is sent back in."""

_READ = Read()

_ODD_SHAPE = (AttributeError, LookupError, TypeError, ValueError)
"""What comes of reading JSON that has another shape than any answer: the protocols read without checking."""


def exchange(request: HTTPRequest, read: Callable[[Head], Steps[T]], policy: RetryPolicy, origin: Origin) -> Steps[T]:
    """The steps of one request; `read` reads a reply that is not a refusal.

    Raises:
        StepPlanError: It failed, and the policy says not to try again, or a part was already handed on.
    """
    attempt = 0
    while True:
        trace_id: str | None = None
        started = time.monotonic()
        try:
            head: Head = yield Open(request)
            trace_id = head.headers.get("x-trace-id")
            if not 200 <= head.status < 300:
                raise (yield from _refusal(request, head, origin))
            yield from read(head)
        except StepPlanError as error:
            error.trace_id = trace_id
            if request.key is not None and redact(error, request.key):
                # The frames below, and what caused the error, hold what the server sent.
                error.__traceback__ = error.__cause__ = error.__context__ = None
            elapsed = time.monotonic() - started
            delay = None if error.partial is not None else policy.delay(error, attempt, elapsed)
            if delay is None:
                raise
            logger.info("Trying again in %.1f s: %s", delay, error)
        else:
            return
        attempt += 1
        yield Sleep(delay)


def _refusal(request: HTTPRequest, head: Head, origin: Origin) -> Generator[Any, Any, APIStatusError]:
    try:
        text = (yield from _read_all(request)).decode("utf-8", "replace")
    except APIConnectionError:  # without its body, a refusal is still a refusal of this status
        text = ""
    error = error_from_response(ErrorResponse(head.status, head.headers, text), origin)
    error.retry_after = seconds_asked(head.headers)
    return error


def _read_all(request: HTTPRequest) -> Generator[Any, Any, bytes]:
    pieces: list[bytes] = []
    deadline = time.monotonic() + request.read_timeout
    while data := (yield _READ):
        pieces.append(data)
        if time.monotonic() > deadline:
            raise APITimeoutError(f"The answer was not whole after {request.read_timeout:g} s (timeout).")
    return b"".join(pieces)


def read_whole(request: HTTPRequest, decode: Callable[[Mapping[str, Any], str | None], T], head: Head) -> Steps[T]:
    """Reads a whole answer: one item, what `decode` makes of the JSON body and the trace id."""
    body = _json_object((yield from _read_all(request)), head)
    try:
        item = decode(body, head.headers.get("x-trace-id"))
    except _ODD_SHAPE as cause:
        raise ResponseDecodeError(f"The answer has an unknown shape: {str(body)[:200]}.", body=body) from cause
    yield Emit((item,))


def _json_object(content: bytes, head: Head) -> Mapping[str, Any]:
    with contextlib.suppress(ValueError):
        body = read_object(content)
        if is_error(body):
            raise error_from_frame(body)
        return body
    text = content.decode("utf-8", "replace")
    kind = head.headers.get("content-type", "no content type")
    raise ResponseDecodeError(f"Expected a JSON object, got {kind}: {text[:200]!r}.", body=text)


def read_stream(
    request: HTTPRequest, new_decoder: Callable[[], EventDecoder], stream_timeout: float, head: Head
) -> Steps[Event]:
    """Reads a streamed answer: its events, as they come.

    The start is held back until something follows it, so that an answer that fails before can be asked for again.
    """
    if head.headers.get("content-type", "").startswith(("application/json", "text/html")):
        body = _json_object((yield from _read_all(request)), head)
        raise ResponseDecodeError("Asked for a stream, got a whole answer; it is in `body`.", body=body)
    stream = _Stream(new_decoder(), head.headers.get("x-trace-id"))
    last_event = time.monotonic()
    try:
        while data := (yield _READ):
            events = stream.feed(data)
            if events:
                yield Emit(events)
            if stream.failure is not None:
                raise stream.failure
            now = time.monotonic()
            if events:
                last_event = now
            elif now - last_event > stream_timeout:
                raise APITimeoutError(f"The stream brought no event for {stream_timeout:g} s (stream_timeout).")
        if not stream.ended:
            raise IncompleteStreamError("The stream ended before the answer did; what had arrived is in `partial`.")
    except StepPlanError as error:
        if stream.ended:
            return  # the answer is whole; only the connection's end was unclean
        error.partial = fold(stream.seen) if stream.seen else None
        raise


class _Stream:
    """One streamed answer while it is read."""

    def __init__(self, decoder: EventDecoder, trace_id: str | None) -> None:
        self.seen: list[Event] = []
        self.ended = False
        self.failure: StepPlanError | None = None
        self._sse = SSEDecoder()
        self._decoder = decoder
        self._trace_id = trace_id
        self._held: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        """The events to hand on. What came before an error in the same bytes is handed on before `failure` is."""
        events = self._held
        try:
            for sent in self._sse.feed(data):
                if self.ended:
                    break
                for event in self._decode(sent):
                    if isinstance(event, MessageStart):
                        event = replace(event, trace_id=self._trace_id)  # noqa: PLW2901
                    events.append(event)
                self.ended = bool(events) and isinstance(events[-1], MessageEnd)
        except StepPlanError as failure:
            self.failure = failure
        if not self.seen and len(events) == 1 and isinstance(events[0], MessageStart):
            self._held = events
            return []
        self._held = []
        self.seen += events
        return events

    def _decode(self, sent: ServerSentEvent) -> list[Event]:
        try:
            return self._decoder.feed(sent)
        except _ODD_SHAPE as cause:
            text = sent.data.decode("utf-8", "replace")
            raise ResponseDecodeError(f"The stream brought an unknown event: {text[:200]!r}.", body=text) from cause


def encode_json(body: Mapping[str, Any]) -> bytes:
    """A request body; text is not escaped.

    Raises:
        InvalidRequestError: Something in it has no JSON form.
    """
    try:
        return utf8(json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except RecursionError:
        raise InvalidRequestError("The request has no JSON form: something in it is nested too deeply.") from None
    except (TypeError, ValueError) as cause:
        raise InvalidRequestError(f"The request has no JSON form: {cause}.") from cause
