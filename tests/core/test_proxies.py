"""Proxies, certificates and the environment: followed, shared, and named when they cannot be used."""

import contextlib
import socket
import sys
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from stepplan import APIConnectionError, AsyncClient, Client, InvalidRequestError, Message, Request, Settings, transport
from tests.support.clients import WAYS, Asker, Way
from tests.support.cpu import cpu_seconds
from tests.support.fixtures import COMPOSED
from tests.support.servers import RawServer, raw_server, response

REQUEST = Request(messages=(Message.user("Hello"),))
WHOLE = next(answer.data for answer in COMPOSED if answer.path.name == "text.openai.json")
VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy")

pytestmark = [
    pytest.mark.usefixtures("fresh_pools"),
    pytest.mark.filterwarnings("ignore:.* is not encrypted:stepplan.StepPlanWarning"),
]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def serve(server: RawServer, connection: socket.socket, number: int) -> None:
    while server.read_request(connection):
        connection.sendall(response(WHOLE))


def elsewhere(**fields: Any) -> Settings:
    return Settings(api_key=SecretStr("sk-x"), base_url="http://plan.invalid", max_retries=0, **fields)


@pytest.mark.guarantees("proxies")
def test_a_proxy_of_the_settings_is_used(way: Way) -> None:
    with raw_server(serve) as server:
        settings = elsewhere(proxy=f"http://127.0.0.1:{server.port}")
        assert Asker(way, settings).send(REQUEST).text == "Hello there."
        transport.reset()
    assert server.requests[0].startswith(b"POST http://plan.invalid/v1/chat/completions HTTP/1.1")


@pytest.mark.guarantees("proxies")
def test_a_proxy_of_the_environment_is_used(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(serve) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        assert Asker(way, elsewhere()).send(REQUEST).text == "Hello there."
        transport.reset()
    assert server.requests[0].startswith(b"POST http://plan.invalid/")


@pytest.mark.guarantees("proxies", "no-password")
@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("ALL_PROXY", "socks5://me:secret@127.0.0.1:1080"),
        ("all_proxy", "socks://me:secret@127.0.0.1:1080"),
        ("HTTPS_PROXY", "socks4://me:sec=secret@127.0.0.1"),
        ("HTTP_PROXY", "http://me:secret@127.0.0.1:port"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_at_the_first_call_without_its_password(
    way: Way, variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed, wherever this runs
    monkeypatch.setenv(variable, url)
    asker = Asker(way, elsewhere())
    with pytest.raises(InvalidRequestError) as caught:
        asker.send(REQUEST)
    said = str(caught.value)
    assert f"{variable}={url.partition('//')[0]}//***@127.0.0.1" in said
    assert "httpx[socks]" in said
    assert "secret" not in said
    assert "secret" not in str(caught.value.__cause__)
    monkeypatch.delenv(variable)
    with pytest.raises(APIConnectionError):
        asker.send(REQUEST)


def test_a_proxy_of_the_settings_that_cannot_be_used_is_named(way: Way) -> None:
    with pytest.raises(InvalidRequestError, match=r"proxy=gopher://\*\*\*@127"):
        Asker(way, elsewhere(proxy="gopher://me:secret@127.0.0.1:70")).send(REQUEST)


@pytest.mark.parametrize("verify", ["/nowhere/authorities.pem", __file__])
def test_a_file_of_authorities_that_is_none_is_named(way: Way, verify: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"verify='{verify}'"):
        Asker(way, elsewhere(verify=verify)).send(REQUEST)


@pytest.mark.guarantees("quick-construction")
def test_there_is_one_tls_context_for_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = httpx.create_ssl_context

    def noted(**options: Any) -> Any:
        made.append(options)
        return make(**options)

    monkeypatch.setattr(httpx, "create_ssl_context", noted)
    transport.reset()
    with raw_server(serve) as server:
        for proxy in (None, "http://127.0.0.1:1"):
            for verify in (True, False):
                settings = server.settings(verify=verify, proxy=proxy, max_retries=0)
                for way in WAYS:
                    with contextlib.nullcontext() if proxy is None else pytest.raises(APIConnectionError):
                        Asker(way, settings).send(REQUEST)
                Client(settings).close()
    assert made == [{"verify": True}, {"verify": False}]


@pytest.mark.guarantees("quick-construction")
@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_making_a_client_costs_next_to_nothing(cls: type[Client] | type[AsyncClient]) -> None:
    ours = cpu_seconds(lambda: cls(Settings(api_key=SecretStr("sk-x")), protocol="anthropic"), times=20)
    assert ours < cpu_seconds(httpx.Client) / 20
