"""Servers that answer what a test tells them to, byte for byte: on raw sockets, and in place of httpx's transport.

And waiting for what a server notices.
"""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from stepplan import Settings
from stepplan.sandbox import Sandbox
from tests.support.fixtures import STREAM, WHOLE


@dataclass
class RawServer:
    """Where it listens, and what it was sent, one request after the other."""

    port: int
    requests: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    hung_up: int = 0

    def settings(self, **fields: Any) -> Settings:
        return Settings(**{"api_key": "sk-raw", "base_url": f"http://127.0.0.1:{self.port}", **fields})

    def read_request(self, connection: socket.socket) -> bytes:
        """The next request on a connection, head and body; empty if there is none."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            if not (piece := connection.recv(65536)):
                return b""
            body += piece
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]


@contextlib.contextmanager
def raw_server(
    serve: Callable[[RawServer, socket.socket, int], None], tls: ssl.SSLContext | None = None
) -> Generator[RawServer]:
    """Serve each connection in a thread of its own; `serve` is told which it is, from 0."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(listener.getsockname()[1])
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def handle(connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(60)  # longer than a test: a call fails on a connection that just ended for idling
            serve(server, connection, number)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if tls is not None:  # the handshake is done in the connection's own thread
                    connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                connections.append(connection)
                threads.append(threading.Thread(target=handle, args=(connection, server.connections)))
                server.connections += 1
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for connection in connections:  # no more requests come: whoever waits for one need not wait on
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        for thread in threads:
            thread.join()


def response(body: bytes, content_type: str = "application/json", *, status: str = "200 OK", more: str = "") -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """One chunk of a streamed response; of nothing, the last."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def answer_all(server: RawServer, connection: socket.socket, _: int) -> None:
    """Serve a connection: answer "Hello there.", streamed if asked for, until the client hangs up."""
    while request := server.read_request(connection):
        if b'"stream":true' in request:
            connection.sendall(STREAM_HEAD + chunked(STREAM) + chunked(b""))
        else:
            connection.sendall(response(WHOLE))
    server.hung_up += 1


def within_a_while(condition: Callable[[], bool], seconds: float = 3) -> bool:
    """Whether the condition is met within some seconds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def hung_up(plan: Sandbox) -> bool:
    """Whether the sandbox notices, in a while, that nobody listens any more."""
    return within_a_while(lambda: plan.open_requests == 0)


@dataclass
class CannedServer:
    """Gives its answers in turn: an object as JSON, bytes as a stream."""

    answers: list[dict[str, Any] | bytes]
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=answer)

    def clients(self) -> dict[str, Any]:
        """The clients, by the name of a model's argument, that ask here."""
        transport = httpx.MockTransport(self.answer)
        return {
            "http_client": httpx.Client(transport=transport),
            "http_async_client": httpx.AsyncClient(transport=transport),
        }


def canned(*bodies: dict[str, Any]) -> tuple[httpx.Client, list[dict[str, Any]]]:
    """A client that gives these answers, in turn, and the bodies of the requests that it got."""
    answers, requests = iter(bodies), list[dict[str, Any]]()

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(json.loads(request.content))
        return httpx.Response(200, json=next(answers))

    return httpx.Client(transport=httpx.MockTransport(answer)), requests


def canned_stream(chunks: Sequence[dict[str, Any]]) -> httpx.Client:
    """A client that answers every request with these events."""
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    headers = {"content-type": "text/event-stream"}
    return httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text=text, headers=headers)),
    )
