"""The end of an answer: its last event ends it, whatever the server does with the connection."""

import asyncio
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from stepplan import AsyncClient, Client, InvalidRequestError, Message, Request, Settings, driver, fold
from stepplan.sandbox import Sandbox
from tests.support.clients import QUICK, Asker, Way, settings_for
from tests.support.fixtures import COMPOSED, STREAM
from tests.support.servers import STREAM_HEAD, RawServer, chunked, raw_server, response, within_a_while

REQUEST = Request(messages=(Message.user("Hello"),))

pytestmark = pytest.mark.usefixtures("fresh_pools")


@pytest.mark.guarantees("ends-at-once")
@pytest.mark.parametrize("more", [b"", b": ping\n\n", STREAM], ids=["silence", "ping", "another answer"])
def test_an_answer_ends_although_the_body_stays_open(way: Way, more: bytes) -> None:
    over = threading.Event()

    def stay_open(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(STREAM_HEAD + chunked(STREAM))
        if more:
            connection.sendall(chunked(more))
        over.wait(10)

    with raw_server(stay_open) as server:
        asker = Asker(way, server.settings())
        before = time.monotonic()
        for _ in range(2):
            assert fold(asker.stream(REQUEST)).text == "Hello there."
        assert time.monotonic() - before < 3
        assert server.connections == 2
        over.set()


WHOLE = response(b'{"choices": [{"message": {"content": "the next"}, "finish_reason": "stop"}]}')
LEFT_OVER = response(b'{"choices": [{"message": {"content": "left over"}, "finish_reason": "stop"}]}')


@pytest.mark.guarantees("left-over-bytes", "both-transports")
@pytest.mark.parametrize("first", [STREAM_HEAD + chunked(STREAM) + chunked(b""), WHOLE], ids=["streamed", "whole"])
@pytest.mark.parametrize("kind", ["sync", "async", "async over httpx alone"])
def test_bytes_left_over_from_one_answer_are_not_taken_for_the_next(first: bytes, kind: str) -> None:
    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(WHOLE if number else first + LEFT_OVER)
        while server.read_request(connection):
            connection.sendall(WHOLE)

    async def ask_async(settings: Settings) -> list[str]:
        plain = httpx.AsyncClient() if kind.endswith("alone") else None
        client = AsyncClient(settings, http_client=plain)
        found = [fold([event async for event in client.stream(REQUEST)])] if first != WHOLE else []
        found += [await client.send(REQUEST) for _ in range(3)]
        await client.aclose()
        if plain is not None:
            await plain.aclose()
        return [answer.text for answer in found]

    def ask(settings: Settings) -> list[str]:
        with Client(settings) as client:
            found = [fold(client.stream(REQUEST))] if first != WHOLE else []
            return [answer.text for answer in (*found, *(client.send(REQUEST) for _ in range(3)))]

    with raw_server(serve) as server:
        settings = server.settings(retry=QUICK)
        texts = ask(settings) if kind == "sync" else asyncio.run(ask_async(settings))
        assert "left over" not in texts
        assert texts[-3:] == ["the next"] * 3


@pytest.mark.guarantees("ends-at-once")
def test_a_messages_answer_ends_although_the_body_stays_open(way: Way) -> None:
    over = threading.Event()
    [answer] = [answer.data for answer in COMPOSED if answer.path.name == "text.anthropic.sse"]

    def stay_open(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(STREAM_HEAD + chunked(answer))
        over.wait(10)

    with raw_server(stay_open) as server:
        asker = Asker(way, server.settings(), "anthropic")
        before = time.monotonic()
        for _ in range(2):
            assert fold(asker.stream(REQUEST)).text == "Hello there."
        assert time.monotonic() - before < 3
        assert server.connections == 2
        over.set()


def test_a_connection_whose_body_ends_is_used_again() -> None:
    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(STREAM_HEAD + chunked(STREAM))
            time.sleep(0.005)
            connection.sendall(chunked(b""))

    async def stream(client: AsyncClient) -> None:
        for _ in range(3):
            assert fold([event async for event in client.stream(REQUEST)]).text == "Hello there."
        await client.aclose()

    with raw_server(serve) as server:
        with Client(server.settings()) as client:
            for _ in range(3):
                assert fold(client.stream(REQUEST)).text == "Hello there."
        assert server.connections == 1
        asyncio.run(stream(AsyncClient(server.settings())))
        assert server.connections == 2


def end_late(server: RawServer, connection: socket.socket, number: int) -> None:
    """Send an answer whose body ends at about the time at which waiting for its end is given up."""
    try:
        while server.read_request(connection):
            connection.sendall(STREAM_HEAD)
            time.sleep(0.02)
            connection.sendall(chunked(STREAM))
            time.sleep(random.uniform(0.9, 1.12) * driver._GRACE)
            connection.sendall(chunked(b""))
    finally:
        server.hung_up += 1


def test_a_body_that_ends_late_costs_no_other_call_its_connection() -> None:
    with raw_server(end_late) as server:
        client = Client(server.settings(max_retries=0))
        with ThreadPoolExecutor(32) as threads:
            texts = threads.map(lambda _: fold(client.stream(REQUEST)).text, range(1000))
        assert set(texts) == {"Hello there."}
        client.close()


async def test_a_body_that_ends_late_leaves_no_connection_open_for_good() -> None:
    async def stream(client: AsyncClient) -> None:
        for _ in range(25):
            assert fold([event async for event in client.stream(REQUEST)]).text == "Hello there."
            time.sleep(0.001)  # noqa: ASYNC251 - a busy event loop notices the body's end and the deadline at once

    with raw_server(end_late) as server:
        client = AsyncClient(server.settings(max_retries=0))
        await asyncio.gather(*(stream(client) for _ in range(32)))
        assert await asyncio.to_thread(within_a_while, lambda: server.connections - server.hung_up <= 32)
        await client.aclose()


@pytest.mark.guarantees("loop-goes-on")
@pytest.mark.filterwarnings("ignore:asynchronous generator .* was scheduled after:ResourceWarning")
async def test_calls_work_after_a_loop_has_shut_its_async_generators_down(plan: Sandbox) -> None:
    client = AsyncClient(settings_for(plan))
    await client.send(REQUEST)
    await asyncio.get_running_loop().shutdown_asyncgens()
    assert (await client.send(REQUEST)).text
    assert fold([event async for event in client.stream(REQUEST)]).text


def test_without_an_asyncio_loop_there_is_one_sentence(plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="No asyncio event loop is running"):
        AsyncClient(settings_for(plan)).send(REQUEST).send(None)
