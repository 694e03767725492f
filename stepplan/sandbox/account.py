"""The state behind the endpoints: the account's limits, the script, and what was asked."""

import threading
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.errors import Refusal
from stepplan.sandbox.script import Turn
from stepplan.sandbox.wire import ProtocolName


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it arrived, answered or refused.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        headers: The headers; names are in lower case.
        body: The JSON object that was sent; empty if there was none.
        protocol: `openai` or `anthropic`; `None` for other paths.
        unlisted: The body's fields that the protocol does not document, sorted; `output_config.x` for those within.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    protocol: ProtocolName | None
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the account may do, and how the service speaks.

    Attributes:
        api_key: The key that is accepted.
        models: The models there are.
        max_concurrency: How many requests may be open at a time.
        subscription: Whether there is a plan.
        quota: Whether any of it is left.
        dialect: The shapes on the wire.
    """

    api_key: str
    models: tuple[str, ...]
    max_concurrency: int
    subscription: bool
    quota: bool
    dialect: Dialect


class Account:
    """An account of the plan. Requests are served in one thread and looked at from others, hence the lock.

    Args:
        terms: What the account may do.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._lock = threading.Lock()
        self._script: deque[Turn] = deque()
        self._requests: list[RecordedRequest] = []
        self._open = 0
        self._answered = 0

    @property
    def requests(self) -> list[RecordedRequest]:
        """What was asked so far."""
        with self._lock:
            return list(self._requests)

    @property
    def pending(self) -> tuple[Turn, ...]:
        """The scripted turns that are left."""
        with self._lock:
            return tuple(self._script)

    @property
    def open_requests(self) -> int:
        """How many answers are under way."""
        with self._lock:
            return self._open

    def queue(self, turns: tuple[Turn, ...]) -> None:
        """Add turns to the script."""
        with self._lock:
            self._script.extend(turns)

    def reset(self) -> None:
        """Forget the script and the requests, and count from the start again."""
        with self._lock:
            self._script.clear()
            self._requests.clear()
            self._answered = 0

    def record(self, request: RecordedRequest) -> None:
        """Keep a request."""
        with self._lock:
            self._requests.append(request)

    @contextmanager
    def slot(self) -> Generator[int]:
        """Count a request as open; the value is how many there are, with this one."""
        with self._lock:
            self._open += 1
            current = self._open
        try:
            yield current
        finally:
            with self._lock:
                self._open -= 1

    def number(self) -> int:
        """The next answer's number."""
        with self._lock:
            self._answered += 1
            return self._answered

    def next_turn(self) -> Turn:
        """The next scripted turn, or a blank one. A fault that refuses requests keeps its turn until it is used up."""
        with self._lock:
            if not self._script:
                return Turn()
            turn = self._script.popleft()
            if turn.fault and turn.fault.refusals:
                later = replace(turn.fault, times=turn.fault.times - 1)
                self._script.appendleft(replace(turn, fault=later))
            return turn

    def admit(self, headers: Mapping[str, str], *, takes_x_api_key: bool = False) -> None:
        """Refuse who has no key, no plan, or nothing left of it."""
        is_known = headers.get("authorization") == f"Bearer {self.terms.api_key}"
        if takes_x_api_key:
            is_known = is_known or headers.get("x-api-key") == self.terms.api_key
        if not is_known:
            raise Refusal(401)
        if not self.terms.subscription:
            raise Refusal(400, "you have no active step plan subscription")

    def charge(self, current: int) -> None:
        """Refuse what the quota or the number of open requests does not allow."""
        if not self.terms.quota:
            raise Refusal(402)
        limit = self.terms.max_concurrency
        if current > limit:
            raise Refusal(429, f"concurrency reached, current: {current}, limit: {limit}")
