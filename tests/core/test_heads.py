"""Heads of replies as servers and proxies write them, on real sockets: every transport takes the same ones."""

import socket

import pytest

from stepplan import APIConnectionError, Message, Request
from tests.support.clients import Asker, Way
from tests.support.servers import RawServer, raw_server

pytestmark = pytest.mark.usefixtures("fresh_pools")

REQUEST = Request(messages=(Message.user("Hello"),))
BODY = b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}'
LENGTH = b"Content-Length: %d" % len(BODY)

HEADS = {
    "a long header": [b"HTTP/1.1 200 OK", b"Content-Security-Policy: " + b"a" * 60_000, LENGTH],
    "long headers together": [b"HTTP/1.1 200 OK", *[b"X-%d: %s" % (at, b"a" * 7_000) for at in range(12)], LENGTH],
    "bytes that are no ASCII": [b"HTTP/1.1 200 OK", b"X-Gateway: caf\xe9 \xff", LENGTH],
    "a folded header": [b"HTTP/1.1 200 OK", b"X-Folded: one\r\n  two", LENGTH],
    "no reason": [b"HTTP/1.1 200", LENGTH],
    "no content type": [b"HTTP/1.1 200 OK", LENGTH],
    "interim heads": [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK", LENGTH],
    "a cookie": [b"HTTP/1.1 200 OK", b"Set-Cookie: a=b; Path=/", LENGTH],
    "an encoding that is none": [b"HTTP/1.1 200 OK", b"Content-Encoding: identity", LENGTH],
    "HTTP/1.0 until the connection ends": [b"HTTP/1.0 200 OK", b"Connection: close"],
}


def ask(way: Way, reply: bytes) -> str:
    def serve(server: RawServer, connection: socket.socket, _: int) -> None:
        server.read_request(connection)
        connection.sendall(reply)

    with raw_server(serve) as server:
        return Asker(way, server.settings(timeout=5, max_retries=0)).send(REQUEST).text


@pytest.mark.parametrize("head", HEADS)
def test_a_reply_is_taken_whatever_its_head_looks_like(way: Way, head: str) -> None:
    assert ask(way, b"\r\n".join([*HEADS[head], b"", BODY])) == "Hello"


def test_a_head_without_end_is_a_connection_error(way: Way) -> None:
    with pytest.raises(APIConnectionError):
        ask(way, b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 300_000)
