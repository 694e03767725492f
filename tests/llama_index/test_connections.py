"""How the server is reached: proxies, certificates, clients of the caller's, timeouts."""

import socket
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage

from llama_index_stepplan import StepPlan
from stepplan import APIConnectionError, InvalidRequestError, ProtocolName, transport
from stepplan.sandbox import Sandbox
from tests.support.fixtures import COMPOSED
from tests.support.servers import RawServer, raw_server, response
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask

HI = [ChatMessage("Hi")]

pytestmark = pytest.mark.filterwarnings("ignore:.* is not encrypted:stepplan.StepPlanWarning")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def elsewhere(protocol: ProtocolName, **fields: Any) -> StepPlan:
    """A model of a server that only a proxy could reach."""
    return StepPlan(protocol=protocol, api_key="sk-x", base_url="http://plan.invalid", max_retries=0, **fields)


def text(protocol: ProtocolName, way: Way) -> bytes:
    """What a server says that answers "Hello there."."""
    name = f"text.{protocol}.{'sse' if way in STREAMS else 'json'}"
    return next(answer.data for answer in COMPOSED if answer.path.name == name)


def media_type(way: Way) -> str:
    return "text/event-stream" if way in STREAMS else "application/json"


@pytest.mark.guarantees("proxies")
@pytest.mark.parametrize("way", WAYS)
async def test_a_proxy_is_used(protocol: ProtocolName, way: Way) -> None:
    def serve(server: RawServer, connection: socket.socket, _: int) -> None:
        if server.read_request(connection):
            connection.sendall(response(text(protocol, way), media_type(way), more="Connection: close\r\n"))

    with raw_server(serve) as proxy:
        chunks = await ask(elsewhere(protocol, proxy=f"http://127.0.0.1:{proxy.port}"), way, HI)

    assert chunks[-1].message.content == "Hello there."
    assert proxy.requests[0].startswith(b"POST http://plan.invalid/v1/")


@pytest.mark.guarantees("proxies")
@pytest.mark.parametrize("way", WAYS)
async def test_a_proxy_that_cannot_be_used_is_named_without_its_password(protocol: ProtocolName, way: Way) -> None:
    llm = elsewhere(protocol, proxy="gopher://me:secret@127.0.0.1:70")
    with pytest.raises(InvalidRequestError, match=r"proxy=gopher://\*\*\*@127") as caught:
        await ask(llm, way, HI)

    assert "secret" not in str(caught.value)
    for shown in (repr(llm), llm.to_json(), str(llm.to_payload())):
        assert "secret" not in shown


@pytest.mark.parametrize("way", WAYS)
async def test_a_file_of_authorities_is_used(protocol: ProtocolName, way: Way) -> None:
    with pytest.raises(InvalidRequestError, match=r"verify='/nowhere/authorities\.pem'"):
        await ask(elsewhere(protocol, verify="/nowhere/authorities.pem"), way, HI)


@pytest.mark.parametrize("way", WAYS)
async def test_certificates_may_be_left_unchecked(
    protocol: ProtocolName, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    make = httpx.create_ssl_context

    def noted(**options: Any) -> Any:
        asked.append(options)
        return make(**options)

    monkeypatch.setattr(httpx, "create_ssl_context", noted)
    transport.reset()  # what an earlier test made
    llm = StepPlan(protocol=protocol, api_key="sk-x", base_url="https://127.0.0.1:1", verify=False, max_retries=0)
    with pytest.raises(APIConnectionError):
        await ask(llm, way, HI)

    assert asked == [{"verify": False}]


@pytest.mark.guarantees("own-client")
@pytest.mark.parametrize("way", WAYS)
async def test_a_transport_may_be_given_in_a_client(protocol: ProtocolName, way: Way) -> None:
    headers = {"content-type": media_type(way)}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=text(protocol, way), headers=headers))
    with httpx.Client(transport=transport) as client:
        async with httpx.AsyncClient(transport=transport) as async_client:
            llm = elsewhere(protocol, http_client=client, async_http_client=async_client)
            chunks = await ask(llm, way, HI)

            assert chunks[-1].message.content == "Hello there."
            assert not client.is_closed
            assert not async_client.is_closed


@pytest.mark.parametrize("way", WAYS)
async def test_a_timeout_of_nothing_is_refused_and_not_taken_for_none(plan: Sandbox, llm: StepPlan, way: Way) -> None:
    with pytest.raises(InvalidRequestError, match=r"timeout=0 is out of range"):
        await ask(llm, way, HI, timeout=0)
    llm.additional_kwargs = {"timeout": 0}
    with pytest.raises(InvalidRequestError, match=r"timeout=0 is out of range"):
        await ask(llm, way, HI, timeout=None)

    assert plan.requests == []


def answer_all(server: RawServer, connection: socket.socket, _: int) -> None:
    while server.read_request(connection):
        connection.sendall(response(text("openai", "chat"), "application/json"))


@pytest.mark.guarantees("shared-connections")
def test_two_hundred_models_share_one_connection() -> None:
    with raw_server(answer_all) as server:
        fields: dict[str, Any] = {"api_key": "sk-x", "base_url": f"http://127.0.0.1:{server.port}"}
        for _ in range(200):
            assert StepPlan(**fields).chat(HI).message.content == "Hello there."
        StepPlan(**fields)._call((), {})[0].close()

    assert server.connections == 1


@pytest.mark.guarantees("shared-connections")
async def test_two_hundred_models_share_one_connection_of_the_event_loop() -> None:
    with raw_server(answer_all) as server:
        fields: dict[str, Any] = {"api_key": "sk-x", "base_url": f"http://127.0.0.1:{server.port}"}
        for _ in range(200):
            assert (await StepPlan(**fields).achat(HI)).message.content == "Hello there."
        await StepPlan(**fields)._async_call((), {})[0].aclose()

    assert server.connections == 1
