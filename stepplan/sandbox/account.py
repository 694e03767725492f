"""The state behind the endpoints: the account's limits, the script, and the recorded requests."""

import threading
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.http_errors import Refusal
from stepplan.sandbox.protocol import ProtocolName
from stepplan.sandbox.script import Turn


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it arrived, whether it was answered or refused.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        headers: The headers, with names in lower case.
        body: The JSON object that was sent; empty if there is none.
        protocol: `openai` or `anthropic`; `None` for other paths.
        unlisted: The body's fields that the protocol does not document, sorted; nested ones as `output_config.x`.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    protocol: ProtocolName | None
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """The account's limits, and the dialect of the service.

    Attributes:
        api_key: The key that is accepted.
        models: The names of the available models.
        max_concurrency: How many requests may be open at a time.
        subscription: Whether the account has a plan.
        quota: Whether any of the plan's quota is left.
        dialect: The shapes on the wire.
    """

    api_key: str
    models: tuple[str, ...]
    max_concurrency: int
    subscription: bool
    quota: bool
    dialect: Dialect


class Account:
    """An account of the plan.

    Requests are served in one thread and inspected from others, hence the lock.

    Args:
        terms: The account's limits, and the dialect.
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
        """The requests so far."""
        with self._lock:
            return list(self._requests)

    @property
    def pending(self) -> tuple[Turn, ...]:
        """The scripted turns that are left."""
        with self._lock:
            return tuple(self._script)

    @property
    def open_requests(self) -> int:
        """How many requests are open."""
        with self._lock:
            return self._open

    def queue(self, turns: tuple[Turn, ...]) -> None:
        """Add turns to the script."""
        with self._lock:
            self._script.extend(turns)

    def reset(self) -> None:
        """Forget the script and the requests, and start numbering again."""
        with self._lock:
            self._script.clear()
            self._requests.clear()
            self._answered = 0

    def record(self, request: RecordedRequest) -> None:
        """Record a request."""
        with self._lock:
            self._requests.append(request)

    @contextmanager
    def slot(self) -> Generator[int]:
        """Count a request as open; yields how many are open, this one included."""
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
        """The next scripted turn, or a blank one.

        A fault that refuses requests is taken `times` times before its turn.
        """
        with self._lock:
            if not self._script:
                return Turn()
            turn = self._script.popleft()
            if turn.fault and turn.fault.refusals:
                later = replace(turn.fault, times=turn.fault.times - 1)
                self._script.appendleft(replace(turn, fault=later))
            return turn

    def admit(self, headers: Mapping[str, str], *, takes_x_api_key: bool = False) -> None:
        """Refuse a wrong key, and an account without a plan."""
        is_known = headers.get("authorization") == f"Bearer {self.terms.api_key}"
        if takes_x_api_key:
            is_known = is_known or headers.get("x-api-key") == self.terms.api_key
        if not is_known:
            raise Refusal(401)
        if not self.terms.subscription:
            raise Refusal(400, "you have no active step plan subscription", "request_params_invalid")

    def charge(self, current: int) -> None:
        """Refuse a request beyond the quota or the number of open requests."""
        if not self.terms.quota:
            raise Refusal(402)
        limit = self.terms.max_concurrency
        if current > limit:
            raise Refusal(429, f"concurrency reached, current: {current}, limit: {limit}")
