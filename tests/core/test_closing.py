"""Closing a client ends what is its own, and touches nothing of another's."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from stepplan import APIConnectionError, AsyncClient, Client, Message, ProtocolName, Request, Settings, fold, transport
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import PROTOCOLS, Asker, Way, settings_for
from tests.support.fixtures import WHOLE
from tests.support.servers import RawServer, answer_all, hung_up, raw_server, response, within_a_while

REQUEST = Request(messages=(Message.user("Hello"),))
LONG = Turn(text="word " * 40, fault=Fault(delay=0.01))

pytestmark = pytest.mark.usefixtures("fresh_pools")


@contextmanager
def repeated(action: Callable[[], object]) -> Iterator[None]:
    """Do something over and over in another thread, with pauses in which the other threads can run."""
    over = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while not over.wait(0.001):
                action()
        except BaseException as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert errors == []


def use_and_close(settings: Settings, protocol: ProtocolName) -> None:
    with Client(settings, protocol=protocol) as client:
        client.send(REQUEST)
    Client(settings, protocol=protocol).close()


@pytest.mark.guarantees("close-mine")
def test_threads_that_call_do_not_notice_a_thread_that_closes() -> None:
    texts: list[str] = []

    def call(settings: Settings, protocol: ProtocolName) -> None:
        client = Client(settings, protocol=protocol)
        for _ in range(25):
            texts.append(client.send(REQUEST).text)
            texts.append(fold(client.stream(REQUEST)).text)

    with Sandbox(max_concurrency=100) as plan:
        settings = settings_for(plan, max_retries=0)
        threads = [threading.Thread(target=call, args=(settings, protocol)) for protocol in PROTOCOLS for _ in range(4)]
        with repeated(lambda: use_and_close(settings, "openai")):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
    assert len(texts) == 8 * 50
    assert len(set(texts)) == 1


@pytest.mark.guarantees("close-mine")
def test_threads_that_call_do_not_notice_that_the_calls_of_another_client_are_ended() -> None:
    with raw_server(answer_all) as server:
        ours, others = (Client(server.settings(max_retries=0)) for _ in range(2))

        def call(client: Client) -> str:
            try:
                return fold(client.stream(REQUEST)).text
            except APIConnectionError:
                if client is ours:
                    raise
                return ""  # it was closed

        with repeated(others.close), ThreadPoolExecutor(16) as threads:
            texts = list(threads.map(call, [ours, others] * 300))
        ours.close()
    assert set(texts[::2]) == {"Hello there."}


@pytest.mark.guarantees("close-mine")
async def test_tasks_that_call_do_not_notice_a_task_that_closes() -> None:
    async def call(settings: Settings, protocol: ProtocolName) -> list[str]:
        client, texts = AsyncClient(settings, protocol=protocol), list[str]()
        for _ in range(20):
            texts.append((await client.send(REQUEST)).text)
            texts.append(fold([event async for event in client.stream(REQUEST)]).text)
        return texts

    async def close(settings: Settings) -> None:
        while True:
            async with AsyncClient(settings) as client:
                await client.send(REQUEST)
            await AsyncClient(settings).aclose()
            await asyncio.sleep(0)

    with Sandbox(max_concurrency=100) as plan:
        settings = settings_for(plan, max_retries=0)
        closing = asyncio.create_task(close(settings))
        answers = await asyncio.gather(*(call(settings, protocol) for protocol in PROTOCOLS for _ in range(4)))
        assert not closing.done()
        closing.cancel()
    assert [len(texts) for texts in answers] == [40] * 8
    assert len({text for texts in answers for text in texts}) == 1


@pytest.mark.guarantees("close-mine")
def test_closing_leaves_an_answer_that_another_client_reads(plan: Sandbox) -> None:
    plan.script(LONG)
    events = Client(settings_for(plan)).stream(REQUEST)
    start = next(events)
    Client(settings_for(plan)).close()
    assert fold([start, *events]).text == LONG.text


@pytest.mark.guarantees("close-mine")
async def test_closing_leaves_an_answer_that_another_async_client_reads(plan: Sandbox) -> None:
    plan.script(LONG)
    events = AsyncClient(settings_for(plan)).stream(REQUEST)
    start = await anext(events)
    await AsyncClient(settings_for(plan)).aclose()
    assert fold([start, *[event async for event in events]]).text == LONG.text


@pytest.mark.guarantees("close-ends-own")
def test_closing_ends_the_answer_that_the_client_reads(plan: Sandbox) -> None:
    plan.script(LONG)
    with Client(settings_for(plan)) as client:
        events = client.stream(REQUEST)
        next(events)
    assert hung_up(plan)
    with pytest.raises(APIConnectionError) as caught:
        list(events)
    assert caught.value.partial is not None


@pytest.mark.guarantees("close-ends-own")
async def test_closing_ends_the_answer_that_the_async_client_reads(plan: Sandbox) -> None:
    plan.script(LONG)
    async with AsyncClient(settings_for(plan)) as client:
        events = client.stream(REQUEST)
        await anext(events)
    assert await asyncio.to_thread(hung_up, plan)
    with pytest.raises(APIConnectionError) as caught:
        [event async for event in events]
    assert caught.value.partial is not None


STALLED = Turn(text="x " * 20, fault=Fault(stall_after=5))


@pytest.mark.guarantees("close-ends-own")
def test_closing_ends_a_read_that_waits_in_another_thread(plan: Sandbox) -> None:
    plan.script(STALLED)
    client, errors = Client(settings_for(plan)), list[BaseException]()

    def read() -> None:
        with pytest.raises(APIConnectionError) as caught:
            list(client.stream(REQUEST))
        errors.append(caught.value)

    thread = threading.Thread(target=read)
    thread.start()
    assert within_a_while(lambda: plan.open_requests == 1)
    time.sleep(0.1)  # until it waits for what does not come
    client.close()
    thread.join(5)
    assert len(errors) == 1
    assert hung_up(plan)


@pytest.mark.guarantees("close-ends-own")
async def test_closing_ends_a_read_that_waits_in_another_task(plan: Sandbox) -> None:
    plan.script(STALLED)
    client = AsyncClient(settings_for(plan))

    async def read() -> None:
        [event async for event in client.stream(REQUEST)]

    task = asyncio.create_task(read())
    assert await asyncio.to_thread(within_a_while, lambda: plan.open_requests == 1)
    await asyncio.sleep(0.1)  # until it waits for what does not come
    await client.aclose()
    with pytest.raises(APIConnectionError):
        await asyncio.wait_for(task, 5)
    assert await asyncio.to_thread(hung_up, plan)


@pytest.mark.guarantees("close-ends-own")
def test_the_last_client_to_close_closes_the_connections() -> None:
    with raw_server(answer_all) as server:
        with Client(server.settings()) as client:
            client.send(REQUEST)
        assert within_a_while(lambda: server.hung_up == 1)
        assert client.send(REQUEST).text == "Hello there."
        assert server.connections == 2
        client.close()


@pytest.mark.guarantees("close-ends-own")
async def test_the_last_async_client_to_close_closes_the_connections() -> None:
    with raw_server(answer_all) as server:
        async with AsyncClient(server.settings()) as client:
            await client.send(REQUEST)
        assert await asyncio.to_thread(within_a_while, lambda: server.hung_up == 1)
        assert (await client.send(REQUEST)).text == "Hello there."
        assert server.connections == 2
        await client.aclose()


@pytest.mark.guarantees("close-ends-own")
async def test_a_close_that_is_cancelled_closes_all_connections() -> None:
    together = threading.Barrier(4)

    def answer_together(server: RawServer, connection: socket.socket, number: int) -> None:
        if server.read_request(connection):
            together.wait(5)
            connection.sendall(response(WHOLE))
            answer_all(server, connection, number)

    with raw_server(answer_together) as server:
        client = AsyncClient(server.settings())
        await asyncio.gather(*(client.send(REQUEST) for _ in range(4)))
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        assert await asyncio.to_thread(within_a_while, lambda: server.hung_up == 4)


@pytest.mark.guarantees("cancelling")
@pytest.mark.parametrize("turns", range(1, 17))
async def test_a_call_that_is_cancelled_leaves_no_connection_open_that_the_server_ended(turns: int) -> None:
    together = threading.Barrier(4)

    def answer_and_end(server: RawServer, connection: socket.socket, number: int) -> None:
        if number < 4 and server.read_request(connection):
            together.wait(5)
            connection.sendall(response(WHOLE))
            time.sleep(0.05)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
            server.hung_up += 1

    with raw_server(answer_and_end) as server:
        client = AsyncClient(server.settings(max_retries=0))
        await asyncio.gather(*(client.send(REQUEST) for _ in range(4)))
        time.sleep(0.1)  # noqa: ASYNC251 - the event loop is busy while the ends arrive
        call = asyncio.create_task(client.send(REQUEST))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        assert await asyncio.to_thread(within_a_while, lambda: server.hung_up == 4)
        await client.aclose()


def test_closing_frees_the_slot_of_an_answer_that_nobody_reads_on(plan: Sandbox) -> None:
    plan.script(LONG, LONG)
    settings = settings_for(plan, max_concurrency=1)
    client = Client(settings)
    events = client.stream(REQUEST)
    next(events)
    client.close()
    assert Client(settings).send(REQUEST).text
    events.close()


def test_tests_can_forget_all_connections(way: Way) -> None:
    with raw_server(answer_all) as server:
        Asker(way, server.settings()).send(REQUEST)
        transport.reset()
        assert within_a_while(lambda: server.hung_up == 1)
        Asker(way, server.settings()).send(REQUEST)
        transport.reset()
        gc.collect()
    assert server.connections == 2


@pytest.mark.guarantees("own-client")
def test_a_client_that_is_handed_in_stays_open_and_only_its_answers_end(plan: Sandbox) -> None:
    plan.script(LONG)
    http: Any = httpx.Client(trust_env=False)
    with Client(settings_for(plan), http_client=http) as client:
        events = client.stream(REQUEST)
        next(events)
    assert hung_up(plan)
    with pytest.raises(APIConnectionError):
        list(events)
    assert Client(settings_for(plan), http_client=http).send(REQUEST).text
    http.close()
