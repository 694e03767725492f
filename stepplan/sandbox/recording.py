"""Records what a real server answers, and replays it."""

import asyncio
import contextlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from stepplan.sandbox.cassette import Cassette, Exchange
from stepplan.sandbox.delivery import END, Connections
from stepplan.sandbox.http_errors import json_response, not_found
from stepplan.sandbox.local_server import LocalServer
from stepplan.sandbox.protocol import PREFIX

# The plan ends a request after ten minutes.
_TIMEOUT = httpx.Timeout(600, connect=10)
# These belong to one connection, or change on the way.
_NOT_FORWARDED = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}
)
_STEPFUN = frozenset({"api.stepfun.ai", "api.stepfun.com"})


class Recorder(LocalServer):
    """A local server that forwards requests to a real server and keeps its answers in a file.

    Each request is forwarded with its own key. The file contains the conversations, but no keys, cookies or trace ids.
    An answer is recorded once it is complete.

    ```python
    with Recorder("answers.yaml", "https://api.stepfun.ai/step_plan") as server:
        Client(Settings(base_url=server.base_url)).send(...)
    ```

    Args:
        path: The file to write; vcrpy can read it too.
        upstream: The real server's address, with or without `/v1`.
        port: The port to listen on; 0 chooses a free one.

    Raises:
        FileExistsError: The file exists already.
        ValueError: The address is not an HTTP URL, or bills the balance and not the plan.
    """

    def __init__(self, path: str | Path, upstream: str, *, port: int = 0) -> None:
        if Path(path).exists():
            raise FileExistsError(f"{path} exists already: remove it or choose another file")
        connections = Connections()
        forwarding = _Forwarding(Cassette(Path(path)), _checked(upstream), connections)
        super().__init__(_app(forwarding), connections, port)


class Replay(LocalServer):
    """A local server that answers with what a `Recorder` wrote, and refuses every other request.

    Requests match by method, path and JSON body; the key does not matter. A request that was recorded several times
    gets its answers in that order, then the last one again.

    Args:
        path: The recorded file.
        port: The port to listen on; 0 chooses a free one.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not a recording.
    """

    def __init__(self, path: str | Path, *, port: int = 0) -> None:
        super().__init__(_app(_Playing(Cassette.load(Path(path)))), Connections(), port)


def _app(endpoint: "_Forwarding | _Playing") -> Starlette:
    async def unknown_path(_: Request, error: Exception) -> Response:  # noqa: ARG001 - the interface's
        return not_found()

    routes = [Route(f"{PREFIX}{{path:path}}", endpoint)]
    return Starlette(routes=routes, exception_handlers={404: unknown_path})


class _Forwarding:
    """The endpoint of a recorder."""

    def __init__(self, cassette: Cassette, upstream: str, connections: Connections) -> None:
        self._cassette = cassette
        self._upstream = upstream
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and its answer back, unless the client disconnects."""
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        forwarding = asyncio.ensure_future(self._forward(request, body, send))
        disconnected = asyncio.ensure_future(receive())
        await asyncio.wait({forwarding, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        disconnected.cancel()
        forwarding.cancel()  # does nothing if it is done
        with contextlib.suppress(asyncio.CancelledError):
            await forwarding

    async def _forward(self, request: Request, body: bytes, send: Send) -> None:
        path = str(request.path_params["path"])
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_FORWARDED}
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            url = f"{self._upstream}{path}"
            outgoing = client.build_request(request.method, url, headers=headers, content=body)
            try:
                answer = await client.send(outgoing, stream=True)
            except httpx.TransportError as error:
                message = f"{_origin(self._upstream)} cannot be reached: {str(error) or type(error).__name__}"
                failure = json_response({"error": {"message": message, "type": "upstream_error"}}, 502)
                await failure(request.scope, request.receive, send)
                return
            try:
                received = await _relay(answer, send)
            except httpx.TransportError:
                # The client shall see the same: an answer that breaks off.
                self._connections.close(request.scope.get("client"))
                return
        exchange = Exchange(
            method=request.method,
            path=path,
            request_headers=dict(request.headers),
            request_body=body,
            status=answer.status_code,
            headers=dict(answer.headers),
            body=received,
        )
        self._cassette.record(exchange, _origin(self._upstream))
        await send(END)


class _Playing:
    """The endpoint of a replay."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request from the cassette, or refuse it."""
        request = Request(scope, receive)
        path = str(request.path_params["path"])
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        played = self._cassette.play(request.method, path, body)
        if played is None:
            reason = self._cassette.difference(request.method, path, body)
            message = f"{request.method} {path} is not in {self._cassette.path.name} with this body: {reason}"
            response = json_response({"error": {"message": message, "type": "not_recorded"}}, 400)
        else:
            status, headers, content = played
            response = Response(content, status, headers)
        await response(scope, receive, send)


async def _relay(answer: httpx.Response, send: Send) -> bytes:
    """Send an answer as it arrives, but for its end; returns its body."""
    headers = [(name, value) for name, value in answer.headers.raw if name.decode().lower() not in _NOT_FORWARDED]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    pieces: list[bytes] = []
    async for piece in answer.aiter_bytes():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        pieces.append(piece)
    return b"".join(pieces)


def _checked(upstream: str) -> str:
    """The address without `/v1`."""
    parts = urlsplit(upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"upstream={_origin(upstream)!r} is not an HTTP URL, such as https://api.stepfun.ai/step_plan")
    address = upstream.rstrip("/").removesuffix("/v1")
    if parts.hostname in _STEPFUN and not address.endswith(PREFIX):
        raise ValueError(
            f"upstream={_origin(upstream)!r} bills the balance, not the plan: use https://{parts.hostname}{PREFIX}"
        )
    return address


def _origin(upstream: str) -> str:
    """The address without user and password, as it may be written down."""
    return re.sub(r"//[^/]*@", "//", upstream)
