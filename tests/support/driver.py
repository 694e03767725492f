"""A driver of the exchange with no network: it plays the replies that a test wrote down."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest

from stepplan import (
    PROTOCOLS,
    APIStatusError,
    ErrorResponse,
    Event,
    ProtocolName,
    Request,
    Response,
    RetryPolicy,
    StepPlanError,
)
from stepplan.answers import AnswerReader
from stepplan.endpoint import Endpoint
from stepplan.exchange import exchange, read_json, read_stream
from stepplan.refusals import Origin, error_from_response
from stepplan.steps import Acquire, Emit, Head, HTTPRequest, Open, Read, Steps

T = TypeVar("T")

HTTP = HTTPRequest("POST", "https://plan.test/v1/x", {"authorization": "Bearer key"}, b"{}", 10.0, 5.0)
PLAN = Endpoint("https://api.stepfun.ai/step_plan", source="")
ORIGIN = Origin(f"{PLAN.root}/v1/x", PLAN, "STEP_API_KEY", "step-3.7-flash")
STREAM_TIMEOUT = 5.0


@dataclass(frozen=True)
class Reply:
    """What a server answers: bytes in pieces, and errors of the connection in between."""

    pieces: Iterable[bytes | StepPlanError] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})


@dataclass
class Outcome(Generic[T]):
    """What came of an exchange."""

    items: list[T] = field(default_factory=list[T])
    sleeps: list[float] = field(default_factory=list[float])
    opened: int = 0
    error: StepPlanError | None = None


def drive(steps: Steps[T], replies: Iterable[Reply | StepPlanError]) -> Outcome[T]:
    """Do the steps; a step more than there are replies for is a failure of the test."""
    outcome: Outcome[T] = Outcome()
    left = iter(replies)
    pieces: Iterator[bytes | StepPlanError] = iter(())
    answer: Any = None
    try:
        while True:
            step = steps.throw(answer) if isinstance(answer, StepPlanError) else steps.send(answer)
            answer = None
            match step:
                case Emit(items):
                    outcome.items += items
                case Read():
                    answer = next(pieces, b"")
                case Open():
                    outcome.opened += 1
                    reply = next(left)
                    if isinstance(reply, Reply):
                        pieces, answer = iter(reply.pieces), Head(reply.status, reply.headers)
                    else:
                        answer = reply
                case Acquire():
                    pytest.fail("there is no line to wait in")
                case _:
                    outcome.sleeps.append(step.seconds)
    except StopIteration:
        pass
    except StepPlanError as error:
        outcome.error = error
    assert next(left, None) is None, "not all replies were asked for"
    return outcome


def stream(
    protocol: ProtocolName,
    replies: Iterable[Reply | StepPlanError],
    policy: RetryPolicy | None = None,
    request: Request = Request(messages=()),  # noqa: B008 - it is frozen
) -> Outcome[Event]:
    """The exchange of a streamed answer."""

    def read(head: Head) -> Steps[Event]:
        return read_stream(HTTP, head, AnswerReader(PROTOCOLS[protocol], request))

    return drive(exchange(HTTP, read, policy or RetryPolicy(max_retries=0), lambda: ORIGIN), replies)


def send(
    protocol: ProtocolName, replies: Iterable[Reply | StepPlanError], policy: RetryPolicy | None = None
) -> Outcome[Response]:
    """The exchange of a whole answer."""

    def read(head: Head) -> Steps[Response]:
        return read_json(HTTP, head, AnswerReader(PROTOCOLS[protocol], Request(messages=())).read)

    return drive(exchange(HTTP, read, policy or RetryPolicy(max_retries=0), lambda: ORIGIN), replies)


def refused(status: int, text: str, origin: Origin = ORIGIN) -> APIStatusError:
    """The error that a refusal becomes."""
    return error_from_response(ErrorResponse(status, {"content-type": "text/plain"}, text), origin)
