"""The sandbox: an account, its endpoints, and a server for them in its own thread."""

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
from stepplan.sandbox.delivery import Connections
from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.models import MODELS
from stepplan.sandbox.script import Turn

_HOST = "127.0.0.1"
_POLL = 0.002


class Sandbox:
    """A local server that emulates the Step Plan: no key, no network, no model.

    It answers from its script, and after that from the request itself: it calls a tool that the request offers, uses
    its result, fills a JSON schema, or answers with a sentence. It refuses what the service is documented to refuse.

    ```python
    with Sandbox(script=[Turn(text="Hello.")]) as plan:
        httpx.post(f"{plan.base_url}/v1/messages", headers={"Authorization": f"Bearer {plan.api_key}"}, json=...)
        plan.requests[0].body
    ```

    Args:
        script: The answers to give, in this order.
        dialect: The shapes on the wire.
        api_key: The key that is accepted.
        models: The names of the available models.
        max_concurrency: How many requests may be open at a time, streams until they end or the client closes them.
            Further ones are refused with the plan's 429.
        subscription: Whether the account has a plan. Without one, requests are refused with the plan's 400.
        quota: Whether any of the plan's quota is left. Without, requests are refused with the plan's 402.
        port: The port to listen on; 0 chooses a free one.

    Attributes:
        app: The service as an ASGI application, for use without a server. Faults that cut a connection need a server.
        api_key: The key that is accepted.

    Raises:
        OSError: From `start()` and `with`: the port is taken.
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
        """Append turns to the script."""
        self._account.queue(turns)

    def reset(self) -> None:
        """Forget the script and the requests."""
        self._account.reset()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, refused ones included."""
        return self._account.requests

    @property
    def pending(self) -> tuple[Turn, ...]:
        """The turns that are left in the script."""
        return self._account.pending

    @property
    def open_requests(self) -> int:
        """How many requests are open. A stream that is neither read nor closed stays open."""
        return self._account.open_requests

    @property
    def base_url(self) -> str:
        """The address of the sandbox, with the plan's path.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        if self._running is None:
            raise RuntimeError("The sandbox is not running: use it in a `with` statement, or call start()")
        return f"http://{_HOST}:{self._running.port}{PREFIX}"

    def start(self) -> Self:
        """Listen, and serve in a thread. Does nothing if the sandbox is running."""
        if self._running is None:
            self._running = _Running(self.app, self._connections, self._port)
        return self

    def stop(self) -> None:
        """Close all connections, finished or not, and end the thread. Does nothing if the sandbox is not running."""
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
        config = uvicorn.Config(
            app,
            http=_tracking(connections),
            ws="none",
            lifespan="off",
            loop="asyncio",
            timeout_keep_alive=75,  # longer than clients keep a connection, so that they never meet a closing one
            # Logging is configured by the host application.
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._server = _Server(config, connections)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="stepplan-sandbox", daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_POLL)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Closes its connections when it stops: waiting for answers that stall would take for ever."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)  # connections that were just accepted register in this step
        self._connections.abort_all()
        await super().shutdown(sockets)


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
