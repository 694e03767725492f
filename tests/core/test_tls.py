"""Over TLS, directly and through a proxy's tunnel, all is as without: answers, deadlines, closing."""

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme

from stepplan import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    Client,
    Message,
    Request,
    Settings,
    StepPlanError,
    fold,
    transport,
)
from tests.support.clients import Asker, Way
from tests.support.fixtures import STREAM, WHOLE
from tests.support.servers import STREAM_HEAD, RawServer, answer_all, chunked, raw_server, response, within_a_while

REQUEST = Request(messages=(Message.user("Hello"),))
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"

Route = Literal["direct", "tunnel"]

pytestmark = pytest.mark.usefixtures("fresh_pools")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def verify(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "plan.test").configure_cert(context)
    return context


@contextmanager
def plan_behind(route: Route, tls: ssl.SSLContext, serve: Any, **fields: Any) -> Iterator[tuple[RawServer, Settings]]:
    """A server that speaks TLS, with the settings to reach it; for a tunnel, it is its own proxy."""

    def tunnelled(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(TUNNEL)
        with tls.wrap_socket(connection, server_side=True) as inside:
            serve(server, inside, number)

    fields = {"api_key": "sk-x", "max_retries": 0, **fields}
    if route == "direct":
        with raw_server(serve, tls) as server:
            yield server, Settings(base_url=f"https://127.0.0.1:{server.port}", **fields)
    else:
        with raw_server(tunnelled) as server:
            yield server, Settings(base_url="https://plan.test", proxy=f"http://127.0.0.1:{server.port}", **fields)


@pytest.fixture(params=["direct", "tunnel"])
def route(request: pytest.FixtureRequest) -> Route:
    name: Route = request.param
    return name


@pytest.mark.guarantees("tls")
def test_answers_arrive_whole_and_streamed(way: Way, route: Route, tls: ssl.SSLContext, verify: Path) -> None:
    with plan_behind(route, tls, answer_all, verify=verify) as (server, settings):
        asker = Asker(way, settings)
        assert asker.send(REQUEST).text == "Hello there."
        assert fold(asker.stream(REQUEST)).text == "Hello there."
        transport.reset()
    assert server.requests[0].startswith(b"POST" if route == "direct" else b"CONNECT plan.test:443 ")
    assert b"authorization" not in server.requests[0].lower() or route == "direct", "the proxy need not know the key"


@pytest.mark.guarantees("tls")
def test_sync_calls_share_a_connection(route: Route, tls: ssl.SSLContext, verify: Path) -> None:
    with plan_behind(route, tls, answer_all, verify=verify) as (server, settings):
        for _ in range(3):
            assert Client(settings).send(REQUEST).text == "Hello there."
        transport.reset()
    assert server.connections == 1


@pytest.mark.guarantees("tls", "whole-deadline")
@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "kept connection"])
def test_a_server_that_trickles_does_not_outlast_the_timeout(
    way: Way, route: Route, reused: bool, tls: ssl.SSLContext, verify: Path
) -> None:
    over = threading.Event()

    def trickle(server: RawServer, connection: socket.socket, number: int) -> None:
        if reused:
            server.read_request(connection)
            connection.sendall(response(WHOLE))
        server.read_request(connection)
        while not over.wait(0.2):
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")

    with plan_behind(route, tls, trickle, verify=verify, timeout=0.5) as (server, settings):
        try:
            error, seconds = last_of(way, settings, calls=2 if reused else 1)
        finally:
            over.set()
            transport.reset()
    assert isinstance(error, APITimeoutError)
    assert seconds < 5
    assert server.connections == 1


def last_of(way: Way, settings: Settings, *, calls: int) -> tuple[BaseException | None, float]:
    """The error of the last of several calls over one connection, and the seconds it took."""

    async def ask() -> tuple[BaseException | None, float]:
        for _ in range(calls - 1):
            await AsyncClient(settings).send(REQUEST)
        before = time.monotonic()
        [error] = await asyncio.gather(AsyncClient(settings).send(REQUEST), return_exceptions=True)
        return (error if isinstance(error, BaseException) else None), time.monotonic() - before

    if way == "async":
        return asyncio.run(ask())
    for _ in range(calls - 1):
        Client(settings).send(REQUEST)
    before = time.monotonic()
    with pytest.raises(APITimeoutError) as caught:
        Client(settings).send(REQUEST)
    return caught.value, time.monotonic() - before


@pytest.mark.guarantees("tls", "close-ends-own")
def test_closing_a_client_ends_the_answer_that_another_thread_reads(
    route: Route, tls: ssl.SSLContext, verify: Path
) -> None:
    over = threading.Event()

    def stall(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(STREAM_HEAD + chunked(STREAM.split(b"\n\n")[0] + b"\n\n"))
        over.wait(20)

    def read(client: Client) -> None:
        try:
            list(client.stream(REQUEST))
        except StepPlanError as error:
            errors.append(error)

    errors: list[StepPlanError] = []
    with plan_behind(route, tls, stall, verify=verify) as (server, settings):
        client = Client(settings)
        reader = threading.Thread(target=read, args=(client,))
        reader.start()
        assert within_a_while(lambda: len(server.requests) == (1 if route == "direct" else 2))
        time.sleep(0.2)  # until it waits for what does not come
        client.close()
        reader.join(10)
        hung = reader.is_alive()
        over.set()
        reader.join()
        transport.reset()
    assert not hung
    assert [type(error) for error in errors] == [APIConnectionError]


@pytest.mark.guarantees("tls", "abandoned-streams")
def test_a_stream_that_is_left_halfway_is_hung_up_at_once(
    way: Way, route: Route, tls: ssl.SSLContext, verify: Path
) -> None:
    hung_up = threading.Event()

    def begin(server: RawServer, connection: socket.socket, number: int) -> None:
        server.read_request(connection)
        connection.sendall(STREAM_HEAD + chunked(b"\n\n".join(STREAM.split(b"\n\n")[:3]) + b"\n\n"))
        with contextlib.suppress(ConnectionResetError):
            connection.recv(1)
        hung_up.set()

    async def leave(settings: Settings) -> None:
        events = AsyncClient(settings).stream(REQUEST)
        await anext(events)
        await events.aclose()
        assert await asyncio.to_thread(hung_up.wait, 5)

    with plan_behind(route, tls, begin, verify=verify) as (_, settings):
        if way == "async":
            asyncio.run(leave(settings))
        else:
            events = Client(settings).stream(REQUEST)
            next(events)
            events.close()
            assert hung_up.wait(5)
    gc.collect()  # warns of what was left open


@pytest.mark.guarantees("tls")
def test_a_certificate_of_an_unknown_authority_is_refused_unless_verify_is_false(
    way: Way, route: Route, tls: ssl.SSLContext
) -> None:
    with plan_behind(route, tls, answer_all) as (server, settings):
        with pytest.raises(APIConnectionError, match="certificate verify failed"):
            Asker(way, settings).send(REQUEST)
        assert Asker(way, replace(settings, verify=False)).send(REQUEST).text == "Hello there."
        transport.reset()
    assert not any(b"POST" in request for request in server.requests[:-1])
