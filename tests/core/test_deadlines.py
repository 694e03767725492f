"""A deadline covers the whole of a reply, its head included, however slowly the server trickles: on real sockets."""

import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from stepplan import APITimeoutError, Client, Message, ProtocolName, Request, transport
from stepplan.guard import guard
from tests.support.clients import PROTOCOLS, Asker, Way
from tests.support.servers import STREAM_HEAD, RawServer, answer_all, chunked, raw_server, response

REQUEST = Request(messages=(Message.user("Hello"),))
TIMEOUT = 0.5
PATIENCE = 5
"""Seconds in which a call that may take half a second has to end on a busy machine: the servers here trickle for 12."""

pytestmark = pytest.mark.usefixtures("fresh_pools")

ANSWERS = {
    "openai": b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}',
    "anthropic": b'{"content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}',
}


def letters(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


TRICKLES = {
    "informational heads": [b"HTTP/1.1 102 Processing\r\n\r\n"] * 60,
    "a head by letters": letters(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"),
    "a body by letters": [response(b"{" + b" " * 60)[:-60], *[b" "] * 60],
    "a refusal by letters": [response(b"x" * 60, status="403 Forbidden")[:-60], *[b"x"] * 60],
}


@pytest.mark.guarantees("whole-deadline")
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("trickle", TRICKLES)
@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "kept connection"])
def test_a_server_that_trickles_does_not_outlast_the_timeout(
    way: Way, protocol: ProtocolName, trickle: str, reused: bool
) -> None:
    over = threading.Event()

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        if reused and number == 0:
            server.read_request(connection)
            connection.sendall(response(ANSWERS[protocol]))
        server.read_request(connection)
        for piece in TRICKLES[trickle]:
            connection.sendall(piece)
            if over.wait(0.2):
                return

    with raw_server(serve) as server:
        asker = Asker(way, server.settings(timeout=TIMEOUT, max_retries=0), protocol)
        if reused:
            assert asker.send(REQUEST).text == "Hello"
        before = time.monotonic()
        try:
            with pytest.raises(Exception) as caught:  # noqa: PT011 - looked at below
                asker.send(REQUEST)
            took = time.monotonic() - before
        finally:
            over.set()
    assert took < PATIENCE
    if trickle == "a refusal by letters":
        assert getattr(caught.value, "status_code", None) == 403, "its status is known without its body"
    else:
        assert isinstance(caught.value, APITimeoutError)
        assert "timeout" in str(caught.value)


@pytest.mark.guarantees("whole-deadline")
def test_a_stream_whose_head_does_not_end_is_given_up(way: Way) -> None:
    over = threading.Event()

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        while not over.wait(0.2):
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")

    with raw_server(serve) as server:
        asker = Asker(way, server.settings(stream_timeout=TIMEOUT, max_retries=0))
        before = time.monotonic()
        try:
            _, error = asker.stream_until_error(REQUEST)
            took = time.monotonic() - before
        finally:
            over.set()
    assert isinstance(error, APITimeoutError)
    assert took < PATIENCE


@pytest.mark.guarantees("whole-deadline")
def test_the_time_a_head_took_counts_for_the_first_event_of_a_stream(way: Way) -> None:
    over = threading.Event()

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        over.wait(1.5)
        connection.sendall(STREAM_HEAD)
        while not over.wait(0.05):
            connection.sendall(chunked(b": ping\n\n"))

    with raw_server(serve) as server:
        asker = Asker(way, server.settings(stream_timeout=2, max_retries=0))
        before = time.monotonic()
        try:
            _, error = asker.stream_until_error(REQUEST)
            took = time.monotonic() - before
        finally:
            over.set()
    assert isinstance(error, APITimeoutError)
    assert took < 3.3, "1.5 s for the head and 2 s for the first event would be too long"


def test_informational_heads_in_time_do_no_harm(way: Way) -> None:
    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        for _ in range(3):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            time.sleep(0.02)
        connection.sendall(response(ANSWERS["openai"]))

    with raw_server(serve) as server:
        assert Asker(way, server.settings(timeout=10.0, max_retries=0)).send(REQUEST).text == "Hello"


def test_a_request_is_listened_to_only_until_it_has_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpcore has ten events to report of each request, and reporting them costs time."""
    heard: list[str] = []

    def listen(event: str, info: Mapping[str, Any]) -> None:
        heard.append(event)
        guard(event, info)

    sending = ["http11.send_request_headers.started", "http11.send_request_headers.complete"]
    monkeypatch.setattr("stepplan.driver.guard", listen)
    with raw_server(answer_all) as server:
        Client(server.settings()).send(REQUEST)
        assert heard == ["connection.connect_tcp.started", "connection.connect_tcp.complete", *sending]
        Client(server.settings()).send(REQUEST)
        transport.reset()
    assert heard[4:] == sending
