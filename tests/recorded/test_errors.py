"""What the core makes of a real server's refusals, on both protocols, whole and streamed."""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from stepplan import (
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    Message,
    NotFoundError,
    ProtocolName,
    Request,
    Settings,
)
from tests.support.clients import PROTOCOLS
from tests.support.ways.core import Way, ask

pytestmark = [
    pytest.mark.vcr,
    pytest.mark.parametrize("protocol", PROTOCOLS),
    pytest.mark.parametrize("way", ["send", "stream"]),
]

REQUEST = Request(messages=(Message.user("Name a fruit."),), temperature=0)


@pytest.fixture
def strict(settings: Settings) -> Settings:
    """No second try: a refusal is what is asked for."""
    return replace(settings, max_retries=0)


@pytest.mark.guarantees("wrong-key-advice")
def test_a_wrong_key_is_named_and_not_shown(strict: Settings, protocol: ProtocolName, way: Way) -> None:
    wrong = replace(strict, api_key=SecretStr("not-a-key-of-anyone"))
    with pytest.raises(AuthenticationError) as caught:
        ask(way, wrong, protocol, REQUEST)
    assert caught.value.status_code == 401
    assert "api_key" in str(caught.value)
    assert "not-a-key-of-anyone" not in repr(caught.value.__dict__) + str(caught.value)


def test_a_wrong_path_is_not_found(strict: Settings, protocol: ProtocolName, way: Way) -> None:
    with pytest.raises(NotFoundError) as caught:
        ask(way, replace(strict, base_url=f"{strict.root}/nowhere"), protocol, REQUEST)
    assert caught.value.status_code == 404


def test_what_the_server_cannot_read_is_refused(strict: Settings, protocol: ProtocolName, way: Way) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(way, strict, protocol, replace(REQUEST, extra_body={"messages": [{"role": "user"}]}))
    assert caught.value.status_code == 400
    assert caught.value.body["error"]["message"]
    assert caught.value.response is not None


@pytest.mark.guarantees("context-overflow")
@pytest.mark.not_on_the_plan("its window is too large to fill in a test")
def test_more_input_than_the_window_is_an_overflow(strict: Settings, protocol: ProtocolName, way: Way) -> None:
    with pytest.raises(ContextOverflowError):
        ask(way, strict, protocol, Request(messages=(Message.user("0123456789" * 1000),)))
