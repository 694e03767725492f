"""The exchange: decides everything about one request (send, read, retry, raise) and does no I/O.

It is a generator, written once, that yields the next step. A driver (`stepplan.driver`) does the step, and sends back
the result or throws in the error. The sync and the async driver differ in nothing else.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from stepplan.answers import AnswerReader
from stepplan.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ErrorResponse,
    IncompleteStreamError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ResponseDecodeError,
    StepPlanError,
)
from stepplan.events import Event, MessageStart
from stepplan.jsontext import read_object, utf8
from stepplan.redaction import redact
from stepplan.refusals import Origin, error_from_frame, error_from_response, is_error
from stepplan.retry import RetryPolicy, seconds_asked
from stepplan.sse import ServerSentEvent, SSEDecoder
from stepplan.steps import Acquire, Emit, Head, HTTPRequest, Line, Open, Read, Sleep, Steps

if TYPE_CHECKING:
    from stepplan.gate import Slot

T = TypeVar("T")
logger = logging.getLogger("stepplan")


_READ = Read()

_FIELDS = (b":", b"data", b"event", b"id", b"retry")
"""How a line of server-sent events can begin."""

_UNEXPECTED_SHAPE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors raised by indexing into JSON of an unexpected shape; the protocols do not check first."""


def exchange(
    request: HTTPRequest,
    read: Callable[[Head], Steps[T]],
    policy: RetryPolicy,
    origin: Callable[[], Origin],
    line: Line | None = None,
) -> Steps[T]:
    """The steps of one request, retries included. `read` reads a reply whose status is 2xx.

    If there is a line, the request waits in it before it is sent.

    Raises:
        StepPlanError: The request failed, and the policy allows no retry or events were already handed on.
    """
    attempt = 0
    queue = _Queue(line, policy)
    yield from queue.enter()
    while True:
        trace_id: str | None = None
        started = time.monotonic()
        try:
            head: Head = yield Open(request, started + request.read_timeout)
            head = replace(head, started=started)
            trace_id = head.trace_id
            if not 200 <= head.status < 300:
                raise (yield from _refusal(request, head, origin))
            queue.note_accepted()
            yield from read(head)
        except StepPlanError as error:
            error.trace_id = trace_id
            if request.key is not None and redact(error, request.key):
                # The frames below, and what caused the error, hold what the server sent.
                error.__traceback__ = error.__cause__ = error.__context__ = None
            if (yield from queue.enter_again(error)):
                continue
            elapsed = time.monotonic() - started
            delay = None if error.partial is not None else policy.delay(error, attempt, elapsed)
            if delay is None:
                raise
            logger.info("Trying again in %.1f s: %s", delay, error)
        else:
            return
        attempt += 1
        yield Sleep(delay)


class _Queue:
    """The way of one request through its account's line."""

    def __init__(self, line: Line | None, policy: RetryPolicy) -> None:
        self._line = line
        self._policy = policy
        self._slot: Slot | None = None
        self._deadline = math.inf
        self._refusals = 0

    def enter(self) -> Generator[Any, Any, None]:
        """Wait until the request may run."""
        if self._line is not None:
            self._slot = yield Acquire(self._line)
            self._deadline = time.monotonic() + self._line.timeout

    def note_accepted(self) -> None:
        """The server took the request."""
        if self._slot is not None:
            self._slot.gate.accepted()

    def enter_again(self, error: StepPlanError) -> Generator[Any, Any, bool]:
        """Wait again if the server refused the request because too many of the account are running.

        Returns:
            Whether the request may be sent again.

        Raises:
            StepPlanError: The same error: the request's time is up.
        """
        if self._slot is None or self._line is None:
            return False
        if isinstance(error, QuotaExceededError):
            self._line.gate.call_off(error)
        limit = error.concurrency_limit if isinstance(error, RateLimitError) and error.partial is None else None
        if limit is None:
            return False
        if (left := self._deadline - time.monotonic()) > 0:
            logger.info("Back in line: %s", error)
            if self._line.gate.refused(self._slot, limit):
                yield Sleep(min(self._policy.backoff(self._refusals), left))
            else:
                self._slot = yield Acquire(self._line, first=True, deadline=self._deadline)
            self._refusals += 1
            if self._slot is not None:
                return True
        raise error


def _refusal(request: HTTPRequest, head: Head, origin: Callable[[], Origin]) -> Generator[Any, Any, APIStatusError]:
    try:
        text = (yield from _read_all(request, head)).decode("utf-8", "replace")
    except APIConnectionError:  # a refusal whose body cannot be read is still a refusal
        text = ""
    error = error_from_response(ErrorResponse(head.status, head.headers, text), origin())
    error.retry_after = seconds_asked(head.headers)
    return error


def _read_all(request: HTTPRequest, head: Head) -> Generator[Any, Any, bytes]:
    pieces: list[bytes] = []
    deadline = head.started + request.read_timeout
    while data := (yield Read(deadline)):
        pieces.append(data)
        if time.monotonic() > deadline:
            raise APITimeoutError(f"The answer was not complete after {request.read_timeout:g} s (timeout).")
    return b"".join(pieces)


def read_json(request: HTTPRequest, head: Head, decode: Callable[[Mapping[str, Any]], T]) -> Steps[T]:
    """Reads a reply that is one JSON object, and emits what `decode` makes of it."""
    body = _json_object((yield from _read_all(request, head)), head)
    try:
        item = decode(body)
    except _UNEXPECTED_SHAPE as cause:
        raise ResponseDecodeError(f"The answer has an unknown format: {str(body)[:200]}.", body=body) from cause
    yield Emit((item,))


def _json_object(content: bytes, head: Head) -> Mapping[str, Any]:
    try:
        body = read_object(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        text = content.decode("utf-8", "replace")
        kind = head.headers.get("content-type", "no content type")
        raise ResponseDecodeError(f"Expected a JSON object, got {kind}: {text[:200]!r}.", body=text) from None
    if is_error(body):
        raise error_from_frame(body)
    return body


def read_stream(request: HTTPRequest, head: Head, answer: AnswerReader) -> Steps[Event]:
    """Reads a streamed answer, and emits its events as they arrive.

    `MessageStart` is held back until a second event arrives: until then the request can still be retried.
    """
    stream = _Stream(answer)
    last_event = head.started
    try:
        while data := (yield _READ):
            if other := stream.no_stream(data):
                yield from _refuse_whole_answer(request, head, other)
            decoded = answer.decoded
            if events := stream.feed(data):
                yield Emit(events)
            if stream.failure is not None:
                raise stream.failure
            if answer.ended:
                return  # the server may keep the body open
            now = time.monotonic()
            if answer.decoded > decoded:
                last_event = now
            elif now - last_event > request.read_timeout:
                raise APITimeoutError(f"The stream sent no event for {request.read_timeout:g} s (stream_timeout).")
        yield Emit(stream.end())  # some servers do not send the event that ends a stream
        if not answer.ended:
            raise IncompleteStreamError("The stream ended before the answer did; what had arrived is in `partial`.")
    except StepPlanError as error:
        if isinstance(error, IncompleteStreamError):
            stream.explain(error)
        if events := stream.flush():
            yield Emit(events)
        error.partial = answer.response() if stream.has_begun else None
        raise


def _refuse_whole_answer(request: HTTPRequest, head: Head, begin: bytes) -> Generator[Any, Any, None]:
    body = _json_object(begin + (yield from _read_all(request, head)), head)
    raise ResponseDecodeError("A stream was asked for, but the server sent a whole answer; it is in `body`.", body=body)


class _Stream:
    """The bytes of one streamed answer, on their way to becoming events."""

    def __init__(self, answer: AnswerReader) -> None:
        self._start: bytes | None = b""  # how the body starts, until that shows it to be a stream
        self.has_begun = False  # an event besides the start was handed on
        self.failure: StepPlanError | None = None
        self._answer = answer
        self._sse = SSEDecoder()
        self._held: list[Event] = []
        self._unused = b""  # the last object, if it added nothing to the answer

    def no_stream(self, data: bytes) -> bytes:
        """What has arrived, with these bytes, if it cannot be server-sent events. Content types are not reliable."""
        if self._start is None:
            return b""
        start = (self._start + data).lstrip(b"\xef\xbb\xbf \r\n")  # a byte order mark may come in pieces
        self._start = None if start.startswith(_FIELDS) else start
        return b"" if any(start.startswith(field) or field.startswith(start) for field in _FIELDS) else start

    def feed(self, data: bytes) -> list[Event]:
        """The events to hand on. Those that precede an error in the same bytes are handed on before `failure` is."""
        events, self._held = self._held, []
        try:
            for sent in self._sse.feed(data):
                if self._answer.ended:
                    break
                events += self._decode(sent)
        except StepPlanError as failure:
            self.failure = failure
        if not self.has_begun and events:
            return self._begin(events)
        return events

    def _begin(self, events: list[Event]) -> list[Event]:
        if len(events) == 1 and isinstance(events[0], MessageStart):
            self._held = events
            return []
        self.has_begun = True
        return events

    def end(self) -> list[Event]:
        """The last events of a body that ended cleanly."""
        try:
            return self._begin([*self._held, *self._answer.end()])
        except _UNEXPECTED_SHAPE as cause:
            raise ResponseDecodeError(f"The stream ended with an answer of an unknown format: {cause}.") from cause

    def flush(self) -> list[Event]:
        """Events that were held back, now that the stream breaks off."""
        events = self._answer.flush()
        return self._begin([*self._held, *events]) if events else []

    def explain(self, error: IncompleteStreamError) -> None:
        """Show an object that came last and added nothing: it may say what went wrong, in a shape unknown here."""
        if self._unused:
            error.body = self._unused.decode("utf-8", "replace")
            error.args = (f"{error} The server's last event: {error.body[:200]!r}.",)

    def _decode(self, sent: ServerSentEvent) -> list[Event]:
        decoded = self._answer.decoded
        try:
            events = self._answer.feed(sent)
            if self._answer.decoded > decoded:
                self._unused = b""
            elif sent.data.startswith(b"{"):
                self._unused = sent.data
            return events
        except _UNEXPECTED_SHAPE as cause:
            text = sent.data.decode("utf-8", "replace")
            raise ResponseDecodeError(f"The stream sent an unknown event: {text[:200]!r}.", body=text) from cause


def encode_json(body: Mapping[str, Any]) -> bytes:
    """A request body as JSON, in UTF-8.

    Raises:
        InvalidRequestError: The body contains a value that JSON cannot express.
    """
    try:
        return utf8(json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except RecursionError:
        raise InvalidRequestError(
            "The request cannot be written as JSON: something in it is nested too deeply."
        ) from None
    except (TypeError, ValueError) as cause:
        raise InvalidRequestError(f"The request cannot be written as JSON: {cause}.") from cause
