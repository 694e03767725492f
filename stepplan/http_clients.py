"""HTTP clients that callers hand in: what is used of them, and what cannot be one."""

import inspect
from typing import Any, Protocol

from stepplan.errors import InvalidRequestError


class HTTPClient(Protocol):
    """What is used of a client that is handed in: an `httpx.Client`, an `httpx2.Client`, or the like."""

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any, extensions: Any) -> Any:
        """See httpx."""

    def send(self, request: Any, *, stream: bool) -> Any:
        """See httpx."""


class AsyncHTTPClient(Protocol):
    """What is used of an async client that is handed in: an `httpx.AsyncClient` or the like."""

    def build_request(self, method: str, url: str, *, headers: Any, content: Any, timeout: Any, extensions: Any) -> Any:
        """See httpx."""

    async def send(self, request: Any, *, stream: bool) -> Any:
        """See httpx."""


def check_client(name: str, client: Any, *, is_async: bool) -> None:
    """Check a client that was handed in as the argument `name`; `None` is none.

    Raises:
        InvalidRequestError: It cannot send requests, or is sync where it has to be async, or the other way round.
    """
    if client is None:
        return
    send = getattr(client, "send", None)
    wanted = "httpx.AsyncClient" if is_async else "httpx.Client"
    if not (callable(send) and callable(getattr(client, "build_request", None))):
        raise InvalidRequestError(f"{name} must be an {wanted}, or a client like it, not of type {_type(client)}.")
    if inspect.iscoroutinefunction(send) != is_async:
        kind = "async" if is_async else "sync"
        raise InvalidRequestError(f"{name} is for {kind} calls: it must be an {wanted}, not an {_type(client)}.")


def still_open(client: Any) -> Any:
    """The client that was handed in, or `None`.

    Raises:
        InvalidRequestError: It is closed.
    """
    if client is not None and getattr(client, "is_closed", False) is True:
        raise InvalidRequestError("The HTTP client that was handed in is closed: keep it open, or hand in none.")
    return client


def _type(client: object) -> str:
    return f"{type(client).__module__.partition('.')[0]}.{type(client).__name__}"
