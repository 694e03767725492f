"""Connections: shared, given back, never stale, never left behind, and never anybody else's to close."""

import asyncio
import gzip
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from stepplan import (
    APIConnectionError,
    APIStatusError,
    AsyncClient,
    Client,
    Message,
    Request,
    Settings,
    fold,
    transport,
)
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import Asker, Way, settings_for
from tests.support.fixtures import STREAM, WHOLE
from tests.support.servers import (
    STREAM_HEAD,
    RawServer,
    answer_all,
    chunked,
    hung_up,
    raw_server,
    response,
    within_a_while,
)

REQUEST = Request(messages=(Message.user("Hello"),))
LONG = Turn(text="word " * 40, fault=Fault(delay=0.01))


@pytest.mark.guarantees("shared-connections")
@pytest.mark.usefixtures("fresh_pools")
def test_equal_clients_share_one_connection_whatever_their_key() -> None:
    with raw_server(answer_all) as server:
        for at in range(3):
            settings = replace(server.settings(), headers={"x-team": str(at)}, max_retries=at)
            Client(settings, protocol="openai").send(REQUEST)
            assert fold(Client(settings).stream(REQUEST)).text == "Hello there."
        transport.reset()
    assert len(server.requests) == 6
    assert server.connections == 1


@pytest.mark.guarantees("shared-connections")
async def test_equal_async_clients_share_one_connection_in_a_loop() -> None:
    with raw_server(answer_all) as server:
        for _ in range(3):
            await AsyncClient(server.settings()).send(REQUEST)
            assert fold([event async for event in AsyncClient(server.settings()).stream(REQUEST)]).text
        await AsyncClient(server.settings()).aclose()
    assert len(server.requests) == 6
    assert server.connections == 1


@pytest.mark.guarantees("stale-connections")
@pytest.mark.usefixtures("fresh_pools")
def test_a_kept_connection_that_the_server_drops_is_replaced(way: Way) -> None:
    def drop_the_second_request(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(response(WHOLE))
        server.read_request(connection)  # and no answer: closed

    async def twice(client: AsyncClient) -> list[str]:
        try:
            return [(await client.send(REQUEST)).text for _ in range(2)]
        finally:
            await client.aclose()

    with raw_server(drop_the_second_request) as server:
        if way == "sync":
            with Client(server.settings()) as client:
                texts = [client.send(REQUEST).text for _ in range(2)]
        else:
            texts = asyncio.run(twice(AsyncClient(server.settings())))
    assert texts == ["Hello there."] * 2
    assert len(server.requests) == 3


@pytest.mark.guarantees("abandoned-streams")
def test_ten_abandoned_streams_leave_a_pool_of_one_free(plan: Sandbox) -> None:
    with httpx.Client(limits=httpx.Limits(max_connections=1), trust_env=False) as http:
        client = Client(settings_for(plan), http_client=http)
        for at in range(10):
            plan.script(LONG)
            for _ in client.stream(REQUEST):
                break
            if at % 2:
                with pytest.raises(ZeroDivisionError):
                    abandon_by_an_error(client, plan)
        assert client.send(REQUEST).text
    assert hung_up(plan)


def abandon_by_an_error(client: Client, plan: Sandbox) -> None:
    plan.script(LONG)
    for _ in client.stream(REQUEST):
        _ = 1 / 0


@pytest.mark.guarantees("abandoned-streams")
async def test_ten_abandoned_async_streams_leave_a_pool_of_one_free(plan: Sandbox) -> None:
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), trust_env=False) as http:
        client = AsyncClient(settings_for(plan), http_client=http)
        for _ in range(10):
            plan.script(LONG)
            async for _ in client.stream(REQUEST):
                break
        async with asyncio.timeout(5):
            assert (await client.send(REQUEST)).text
    assert await asyncio.to_thread(hung_up, plan)


BEGINNING = b"\n\n".join([*STREAM.split(b"\n\n")[:2], b""])
FAILURE = b'data: {"error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'


@pytest.mark.usefixtures("fresh_pools")
def test_an_error_that_is_kept_keeps_no_connection(way: Way) -> None:
    ended = threading.Event()

    def fail_and_stay(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(STREAM_HEAD + chunked(BEGINNING + FAILURE))
        if connection.recv(1) == b"":
            ended.set()

    async def ask(settings: Settings) -> APIStatusError:
        with pytest.raises(APIStatusError) as caught:
            async for _ in AsyncClient(settings).stream(REQUEST):
                pass
        assert await asyncio.to_thread(ended.wait, 3), "before the loop ends, which would close it anyway"
        return caught.value

    with raw_server(fail_and_stay) as server:
        if way == "async":
            error = asyncio.run(ask(server.settings()))
        else:
            with pytest.raises(APIStatusError) as caught:
                list(Client(server.settings()).stream(REQUEST))
            error = caught.value
        assert ended.wait(3)
        assert error.partial is not None


@pytest.mark.usefixtures("fresh_pools")
def test_a_try_that_failed_is_hung_up_before_the_next(way: Way) -> None:
    ended, order = threading.Event(), list[bool]()

    def fail_first_and_stay(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        order.append(ended.wait(3) if number else False)
        connection.sendall(STREAM_HEAD + (chunked(STREAM) + chunked(b"") if number else chunked(FAILURE)))
        if connection.recv(1) == b"":
            ended.set()

    with raw_server(fail_first_and_stay) as server:
        assert fold(Asker(way, server.settings()).stream(REQUEST)).text == "Hello there."
        transport.reset()
    assert order == [False, True]


async def test_closing_a_stream_hangs_up_at_once(plan: Sandbox) -> None:
    plan.script(LONG)
    events = AsyncClient(settings_for(plan)).stream(REQUEST)
    await anext(events)
    assert plan.open_requests == 1
    await events.aclose()
    assert await asyncio.to_thread(hung_up, plan)


@pytest.mark.guarantees("cancelling")
@pytest.mark.parametrize("pings", [True, False], ids=["pings", "silence"])
@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "send"])
async def test_cancelling_a_task_that_waits_hangs_up_at_once(plan: Sandbox, pings: bool, streamed: bool) -> None:
    plan.script(Turn(text="x " * 20, fault=Fault(stall_after=3, pings=pings)))
    client = AsyncClient(settings_for(plan))

    async def ask() -> None:
        if streamed:
            async for _ in client.stream(REQUEST):
                pass
        else:
            await client.send(REQUEST)

    task = asyncio.create_task(ask())
    assert await asyncio.to_thread(within_a_while, lambda: plan.open_requests == 1)
    await asyncio.sleep(0.1)  # until it waits for what does not come
    before = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - before < 1
    assert await asyncio.to_thread(hung_up, plan)
    assert len(plan.requests) == 1


async def test_a_timeout_around_a_call_is_the_callers_own(plan: Sandbox) -> None:
    plan.script(Turn(text="x " * 20, fault=Fault(stall_after=3)))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await AsyncClient(settings_for(plan)).send(REQUEST)
    assert await asyncio.to_thread(hung_up, plan)


@pytest.mark.guarantees("hundreds-at-once")
async def test_many_calls_at_once_all_succeed() -> None:
    with Sandbox([replace(LONG, fault=Fault(delay=0.005))] * 300, max_concurrency=1000) as plan:
        client = AsyncClient(settings_for(plan, connect_timeout=30.0))
        answers = await asyncio.gather(*(client.send(REQUEST) for _ in range(300)))
        await client.aclose()
    assert {answer.text for answer in answers} == {LONG.text}


def test_threads_share_a_client(plan: Sandbox) -> None:
    client, texts = Client(settings_for(plan)), list[str]()
    threads = [threading.Thread(target=lambda: texts.append(client.send(REQUEST).text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 8
    assert len(set(texts)) == 1


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}


@pytest.mark.guarantees("compressed")
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.usefixtures("fresh_pools")
def test_compressed_answers_are_decoded_once(way: Way, encoding: str) -> None:
    compress = ENCODINGS[encoding]

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        more = f"Content-Encoding: {encoding}\r\n"
        while request := server.read_request(connection):
            if b'"stream":true' not in request:
                connection.sendall(response(compress(WHOLE), more=more))
                continue
            connection.sendall(STREAM_HEAD.replace(b"\r\n\r\n", b"\r\n" + more.encode() + b"\r\n"))
            data = compress(STREAM)
            for at in range(0, len(data), 50):
                connection.sendall(chunked(data[at : at + 50]))
            connection.sendall(chunked(b""))

    with raw_server(serve) as server:
        asker = Asker(way, server.settings())
        assert asker.send(REQUEST).text == "Hello there."
        assert fold(asker.stream(REQUEST)).text == "Hello there."
        transport.reset()


@pytest.mark.usefixtures("fresh_pools")
def test_a_body_that_is_not_what_its_header_says_is_a_connection_error(way: Way) -> None:
    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(response(b"not gzip at all", more="Content-Encoding: gzip\r\n"))

    with raw_server(serve) as server:
        with pytest.raises(APIConnectionError, match="DecodingError"):
            Asker(way, server.settings(max_retries=0)).send(REQUEST)
        transport.reset()


@pytest.mark.guarantees("cookies")
@pytest.mark.usefixtures("fresh_pools")
def test_cookies_of_one_account_are_not_sent_with_another(way: Way) -> None:
    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(response(WHOLE, more="Set-Cookie: session=theirs; Path=/\r\n"))

    async def twice(settings: Settings) -> None:
        async with AsyncClient(settings) as client:
            await client.send(REQUEST)
            await client.send(REQUEST)

    with raw_server(serve) as server:
        if way == "async":
            asyncio.run(twice(server.settings()))
        else:
            with Client(server.settings()) as client:
                client.send(REQUEST)
                client.send(REQUEST)
    assert len(server.requests) == 2
    assert not any(b"cookie" in request.lower() for request in server.requests)


class _Unclosable(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection cannot be closed in order."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    def close(self) -> None:
        raise OSError("already gone")

    async def aclose(self) -> None:
        raise OSError("already gone")


def test_an_answer_is_not_lost_because_its_connection_cannot_be_closed(way: Way) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Unclosable(STREAM))

    client: Any = httpx.Client if way == "sync" else httpx.AsyncClient
    settings = Settings(api_key="k", base_url="http://127.0.0.1:9", max_retries=0)
    asker = Asker(way, settings, http_client=client(transport=httpx.MockTransport(answer)))
    assert fold(asker.stream(REQUEST)).text == "Hello there."
