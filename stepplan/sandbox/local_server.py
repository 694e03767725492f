"""Serves an ASGI application on 127.0.0.1, in a thread."""

import asyncio
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from stepplan.sandbox.delivery import Connections
from stepplan.sandbox.protocol import PREFIX

_HOST = "127.0.0.1"
_LAST_PORT = 65535
_POLL = 0.002


class LocalServer:
    """A server to use in a `with` statement, or with `start()` and `stop()`.

    Args:
        app: The application.
        connections: The open connections; all are closed at the end.
        port: The port to listen on; 0 chooses a free one.

    Raises:
        ValueError: There is no such port.

    Attributes:
        app: The application, for use without a server.
    """

    app: ASGIApp

    def __init__(self, app: ASGIApp, connections: Connections, port: int) -> None:
        if not 0 <= port <= _LAST_PORT:
            raise ValueError(f"port={port} is out of range: it must be from 0 to {_LAST_PORT}")
        self.app = app
        self._connections = connections
        self._port = port
        self._running: _Running | None = None

    @property
    def base_url(self) -> str:
        """The server's address, with the plan's path.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._running is None:
            raise RuntimeError("The sandbox is not running: use it in a `with` statement, or call start()")
        return f"http://{_HOST}:{self._running.port}{PREFIX}"

    def start(self) -> Self:
        """Listen, and serve in a thread. Does nothing if the server is running.

        Raises:
            OSError: The port is in use, or needs more rights.
        """
        if self._running is None:
            self._running = _Running(self.app, self._connections, self._port)
        return self

    def stop(self) -> None:
        """Close all connections, finished or not, and end the thread. Does nothing if the server is not running."""
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
        try:
            self._socket = socket.create_server((_HOST, port), backlog=128)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(error.errno, f"Port {port} cannot be used: {reason}") from error
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
            # asyncio does so itself only for sockets that name their protocol, and those of `create_server` do not.
            # Otherwise the body, a write of its own, waits 40 ms for the client to acknowledge the head.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections.add(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.remove(self.transport)
            super().connection_lost(exc)

    return Tracked
