"""The steps between the exchange, which decides, and the drivers, which do I/O."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from stepplan.gate import Gate

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One HTTP request.

    Its `repr` shows no header and no key: tools that report errors show the variables of a traceback's frames.

    Attributes:
        key: Sent as `Authorization: Bearer ...`, unless `headers` has an `authorization` of its own.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds for a whole answer; for a stream, seconds it may bring no event.
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
    """Status and headers of a reply; header names are in lower case.

    Attributes:
        started: When the request was sent (`time.monotonic`); the exchange fills it in.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    started: float = 0.0

    @property
    def trace_id(self) -> str | None:
        """The id to quote to StepFun's support."""
        return self.headers.get("x-trace-id")


@dataclass(frozen=True, slots=True)
class Line:
    """Where the requests of an account wait until they may run.

    Attributes:
        gate: The account's gate.
        limit: How many requests of the account may run at a time.
        timeout: Seconds, from when the request was first sent. For so long it goes back in line if the server refuses
            it because too many requests are running.
    """

    gate: Gate
    limit: float
    timeout: float


@dataclass(frozen=True, slots=True)
class Acquire:
    """Close the reply and wait in line; the driver sends back the `Slot`, or `None` if the deadline passed.

    Attributes:
        line: Where to wait.
        first: Whether to wait at the head of the line.
        deadline: When to give up (`time.monotonic`).
    """

    line: Line
    first: bool = False
    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request; the driver sends back the reply's `Head`, or an `APITimeoutError` if the deadline passed."""

    request: HTTPRequest
    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class Read:
    """Read on; the driver sends back bytes, or `b""` at the end of the body. Fails at the deadline as `Open` does."""

    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class Sleep:
    """Close the reply and wait."""

    seconds: float


@dataclass(slots=True)
class Emit(Generic[T]):
    """Hand these items on to the caller."""

    items: Sequence[T]


Steps = Generator[Acquire | Open | Read | Sleep | Emit[T], Any, None]
"""The steps of one exchange; the result of each is sent back in."""
