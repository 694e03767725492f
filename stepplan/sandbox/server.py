"""The sandbox: an account, its endpoints, and a server for them in a thread of its own."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from stepplan.sandbox.account import Account, RecordedRequest, Terms
from stepplan.sandbox.app import PREFIX, create_app
from stepplan.sandbox.checks import MODELS
from stepplan.sandbox.delivery import Connections
from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.script import Turn

_HOST = "127.0.0.1"
_POLL = 0.002


class Sandbox:
    """A Step Plan on loopback, for trying and for testing: no key, no network, no model.

    It answers from its script, and after that from the request itself: it calls a tool that was bound, uses its
    result, fills a schema, or says a sentence. It refuses what the service is documented to refuse.

    ```python
    with Sandbox(script=[Turn(text="Hello.")]) as plan:
        httpx.post(f"{plan.base_url}/v1/messages", headers={"Authorization": f"Bearer {plan.api_key}"}, json=...)
        plan.requests[0].body
    ```

    Args:
        script: The turns to take, in this order.
        dialect: The shapes on the wire.
        api_key: The key that is accepted.
        models: The models there are.
        max_concurrency: How many requests may be open at a time.
        subscription: Whether the account has a plan.
        quota: Whether any of the plan's quota is left.
        port: The port to listen on; 0 is a free one.

    Attributes:
        app: The service as an ASGI application, to be used without a server. Faults that cut a connection need one.
        api_key: The key that is accepted.
    """

    app: ASGIApp
    api_key: str

    def __init__(
        self,
        script: Iterable[Turn] = (),
        *,
        dialect: Dialect = Dialect(),  # noqa: B008 - a frozen value
        api_key: str = "sk-sandbox",
        models: Iterable[str] = MODELS,
        max_concurrency: int = 10,
        subscription: bool = True,
        quota: bool = True,
        port: int = 0,
    ) -> None:
        self.api_key = api_key
        self._account = Account(Terms(api_key, tuple(models), max_concurrency, subscription, quota, dialect))
        self._account.queue(tuple(script))
        self._connections = Connections()
        self.app = create_app(self._account, self._connections)
        self._port = port
        self._running: _Running | None = None

    def script(self, *turns: Turn) -> None:
        """Queue further turns."""
        self._account.queue(turns)

    def reset(self) -> None:
        """Forget the script and the requests."""
        self._account.reset()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, the refused ones too."""
        return self._account.requests

    @property
    def pending(self) -> tuple[Turn, ...]:
        """The scripted turns that are left."""
        return self._account.pending

    @property
    def open_requests(self) -> int:
        """How many answers are under way; a stream that nobody reads or closes stays one."""
        return self._account.open_requests

    @property
    def base_url(self) -> str:
        """Where the sandbox listens.

        Raises:
            RuntimeError: It does not listen: use `with`, or `start()`.
        """
        if self._running is None:
            raise RuntimeError("The sandbox is not running: use it in a `with` statement, or call start()")
        return f"http://{_HOST}:{self._running.port}{PREFIX}"

    def start(self) -> Self:
        """Listen, and serve in a thread."""
        if self._running is None:
            self._running = _Running(self.app, self._connections, self._port)
        return self

    def stop(self) -> None:
        """End all connections and the thread."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Running:
    """A server in a thread."""

    def __init__(self, app: ASGIApp, connections: Connections, port: int) -> None:
        self._socket = socket.create_server((_HOST, port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._connections = connections
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_tracking(connections),
                ws="none",
                lifespan="off",
                loop="asyncio",
                timeout_keep_alive=75,  # longer than clients keep a connection, so that they never meet a closing one
                # The host application's loggers are its own business.
                log_config=None,
                access_log=False,
                server_header=False,
            )
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="stepplan-sandbox", daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_POLL)

    def stop(self) -> None:
        self._server.should_exit = True
        # Answers that stall would never end by themselves.
        self._server.force_exit = True
        self._thread.join()

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._socket])
        self._connections.abort_all()
        if tasks := self._server.server_state.tasks:
            await asyncio.wait(tasks, timeout=1)


def _tracking(connections: Connections) -> type[H11Protocol]:
    """The server's HTTP protocol, with its connections known to the faults."""

    class Tracked(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections.add(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.remove(self.transport)
            super().connection_lost(exc)

    return Tracked
