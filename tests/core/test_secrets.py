"""The key goes into one header, and nowhere else."""

import json
import logging
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from stepplan import (
    AsyncClient,
    AuthenticationError,
    Client,
    InvalidRequestError,
    Message,
    ProtocolName,
    Request,
    Settings,
    StepPlanError,
)
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import PROTOCOLS, Asker, Way, settings_for
from tests.support.secrets import everything_about, variables_with
from tests.support.servers import STREAM_HEAD, RawServer, chunked, raw_server, response

CANARY = "sk-canary-0123456789"
REQUEST = Request(messages=(Message.user("Hello"),))


@pytest.mark.guarantees("key-not-shown", "no-key-in-frames", "both-transports")
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=401, times=9),
        Fault(status=500, times=9),
        Fault(reset=True, times=9),
        Fault(error_after=3),
        Fault(cut_at=100, abrupt=True),
        Fault(stall_after=2),
    ],
    ids=["401", "500", "reset", "error frame", "cut", "stall"],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("streamed", [False, True])
def test_no_error_and_no_log_shows_the_key(
    way: Way, fault: Fault, protocol: ProtocolName, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Sandbox([Turn(text="Some words of an answer.", fault=fault)] * 3, api_key=CANARY) as plan:
        seconds = 10 if fault.stall_after is None else 0.5
        settings = settings_for(plan, timeout=seconds, stream_timeout=seconds, max_retries=1)
        with pytest.raises(StepPlanError) as caught:
            Asker(way, settings, protocol).whole_or_streamed(REQUEST, streamed=streamed)
        assert plan.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in everything_about(caught.value)
    assert not variables_with(CANARY, caught.value)
    assert CANARY not in caplog.text
    assert CANARY.encode() not in pickle.dumps(caught.value)
    assert caplog.records


@pytest.mark.guarantees("key-not-shown")
def test_a_key_of_the_environment_is_not_shown_either(way: Way, plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_API_KEY", CANARY)
    with pytest.raises(AuthenticationError, match="The key from STEP_API_KEY") as caught:
        Asker(way, replace(settings_for(plan), api_key=None)).send(REQUEST)
    assert CANARY not in everything_about(caught.value)


def test_a_wrong_key_is_named_by_its_source_and_not_shown(plan: Sandbox, way: Way) -> None:
    with pytest.raises(AuthenticationError, match="The key from api_key") as caught:
        Asker(way, replace(settings_for(plan), api_key=SecretStr(CANARY))).send(REQUEST)
    assert CANARY not in everything_about(caught.value)


@pytest.mark.guarantees("key-not-shown")
def test_nothing_that_can_be_looked_at_shows_a_secret() -> None:
    settings = Settings(
        api_key=SecretStr(CANARY),
        headers={"authorization": f"Bearer {CANARY}-2"},
        proxy=f"http://me:{CANARY}-3@proxy.example.com",
    )
    for value in (settings, Client(settings), AsyncClient(settings), vars(Client(settings))):
        assert CANARY not in repr(value)
        assert CANARY not in str(value)


def test_a_key_that_cannot_be_sent_is_not_shown() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Settings(api_key=SecretStr(f"{CANARY}ü"))
    assert CANARY not in str(caught.value)


# ------------------------------------------------------------------------------------------- refused before it is sent

deep: dict[str, Any] = {}
for _ in range(100_000):
    deep = {"deeper": deep}

REFUSED: dict[str, Callable[[], Request]] = {
    "no JSON form": lambda: replace(REQUEST, extra_body={"x": object()}),
    "NaN": lambda: replace(REQUEST, extra_body={"x": float("nan")}),
    "too deep": lambda: replace(REQUEST, extra_body=deep),
    "not of this protocol": lambda: replace(REQUEST, top_k=5, frequency_penalty=0.5),
    "illegal header name": lambda: replace(REQUEST, extra_headers={"x team": "a"}),
    "illegal header value": lambda: replace(REQUEST, extra_headers={"x-team": "a\nb"}),
    "header of the transport": lambda: replace(REQUEST, extra_headers={"Content-Length": "5"}),
    "no string": lambda: replace(REQUEST, extra_headers={"x": 1}),  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType] - wrong on purpose
}


@pytest.mark.guarantees("no-key-in-frames")
@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_request_that_is_refused_here_leaves_no_key_in_any_frame(
    way: Way, plan: Sandbox, make: Callable[[], Request], protocol: ProtocolName, streamed: bool
) -> None:
    settings = settings_for(plan, api_key=CANARY, headers={"x-key": CANARY})
    with pytest.raises(InvalidRequestError) as caught:
        Asker(way, settings, protocol).whole_or_streamed(make(), streamed=streamed)
    assert CANARY not in everything_about(caught.value)
    assert not variables_with(CANARY, caught.value)
    assert plan.requests == []


@pytest.mark.guarantees("no-key-in-frames")
@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 9},
        {"extra_headers": {"authorization": CANARY, "x y": "a"}},
        {"extra_headers": {"authorization": f"{CANARY}\n{CANARY}"}},
        {"extra_headers": {"content-length": CANARY}},
        {"extra_headers": [CANARY]},
        {"tool_choice": "required"},
        {"model": "step-3.5-flash", "reasoning_effort": "medium"},
        {"extra_body": deep},
    ],
)
def test_a_request_that_cannot_be_made_leaves_no_secret_header_in_any_frame(wrong: dict[str, Any]) -> None:
    given = {"messages": REQUEST.messages, "extra_headers": {"authorization": CANARY}, **wrong}
    makers: list[Callable[..., Request]] = [Request, partial(replace, REQUEST)]
    for make in makers:
        with pytest.raises(InvalidRequestError) as caught:
            make(**given)
        assert CANARY not in str(caught.value)
        assert not variables_with(CANARY, caught.value)


@pytest.mark.guarantees("illegal-headers")
@pytest.mark.parametrize(
    "name", ["", " ", "x team", "x:team", "x\nteam", "x\r\nInjected: 1", "Ключ", "x\x00", "(x)", 'x"', "x,y", "x\u200b"]
)
def test_an_illegal_header_name_is_refused_where_it_is_given(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="A name in headers is illegal"):
        Settings(headers={name: CANARY})
    with pytest.raises(InvalidRequestError, match="A name in extra_headers is illegal"):
        replace(REQUEST, extra_headers={name: CANARY})


@pytest.mark.guarantees("illegal-headers")
def test_a_header_that_was_put_into_the_name_is_not_shown() -> None:
    for name in (f"Authorization: Bearer {CANARY}", f"Bearer {CANARY}"):
        with pytest.raises(InvalidRequestError, match=r"illegal after '(Authorization|Bearer)'") as caught:
            Settings(headers={name: ""})
        assert CANARY not in str(caught.value)


WRONG: list[dict[str, Any]] = [
    {"api_key": f"{CANARY}ü"},
    {"api_key": f"{CANARY} {CANARY}"},
    {"timeout": 0},
    {"connect_timeout": "soon"},
    {"max_retries": -1},
    {"retry": 5},
    {"region": "mars"},
    {"base_url": "nonsense"},
    {"base_url": CANARY},
    {"base_url": f"https://me:{CANARY}@example.com"},
    {"base_url": f"https://example.com?key={CANARY}"},
    {"headers": {"x y": CANARY}},
    {"headers": {"x": f"{CANARY}\n{CANARY}"}},
    {"headers": [CANARY]},
    {"headers": {"x": [CANARY]}},
    {"proxy": 5},
    {"verify": 5},
]


@pytest.mark.guarantees("no-key-in-frames")
@pytest.mark.parametrize("wrong", WRONG)
def test_settings_that_are_refused_leave_no_secret_in_any_frame(wrong: dict[str, Any]) -> None:
    given = {"api_key": CANARY, "headers": {"x-key": CANARY}, "proxy": f"http://me:{CANARY}@proxy", **wrong}
    with pytest.raises(InvalidRequestError) as caught:
        Settings(**given)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    assert not variables_with(CANARY, caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.guarantees("no-key-in-frames")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STEP_API_KEY", f"{CANARY}ü"),
        ("STEP_API_KEY", f"{CANARY} x"),
        ("STEP_BASE_URL", f"https://me:{CANARY}@example.com"),
        ("STEP_BASE_URL", f"https://example.com?key={CANARY}"),
        ("STEP_BASE_URL", CANARY),
    ],
)
def test_a_variable_that_is_refused_leaves_no_secret_in_any_frame(
    way: Way, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEP_API_KEY", "sk-x")
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequestError, match=name) as caught:
        Asker(way, Settings()).send(REQUEST)
    assert CANARY not in everything_about(caught.value)
    assert not variables_with(CANARY, caught.value)


# -------------------------------------------------------------------------------------------- repeated by the server


def answering(*replies: bytes) -> Callable[[RawServer, socket.socket, int], None]:
    """Sends the replies one after the other, whatever it is asked."""

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        left = iter(replies)
        while server.read_request(connection):
            connection.sendall(next(left))

    return serve


def stream_of(*frames: bytes) -> bytes:
    return STREAM_HEAD + chunked(b"".join(b"data: " + frame + b"\n\n" for frame in frames)) + chunked(b"")


def error_of(text: str) -> bytes:
    return json.dumps({"error": {"message": text, "type": text, "param": {text: [text]}}}).encode()


ODD_KEY = 'sk-"canary"/\\0123456789+=%'
ECHO = "Incorrect API key provided: {}."
START = b'{"choices": [{"delta": {"content": "Hi"}}]}'


def echoes(key: str) -> dict[str, bytes]:
    text = ECHO.format(key)
    page = f"<html>{text}</html>".encode()
    return {
        "refusal": response(error_of(text), status="401 Unauthorized"),
        "refusal with headers": response(b"{}", status="400 Bad Request", more=f"X-Seen: Bearer {key}\r\n"),
        "page": response(page, "text/html", status="403 Forbidden"),
        "percent-encoded": response(quote(key, safe="").encode(), "text/plain", status="400 Bad Request"),
        "cut within the key": response(error_of("x" * 285 + key), status="400 Bad Request"),
        "an error with status 200": response(error_of(text)),
        "no answer": response(json.dumps({"choices": key}).encode()),
        "a page with status 200": response(page, "text/html"),
        "an error in a stream": stream_of(START, error_of(text)),
        "no event": stream_of(START, text.encode()),
        "an odd event": stream_of(START, json.dumps({"choices": {"0": key}}).encode()),
    }


@pytest.mark.guarantees("echoed-key")
@pytest.mark.parametrize("name", echoes(CANARY))
@pytest.mark.parametrize("key", [CANARY, ODD_KEY], ids=["plain", "odd"])
def test_a_key_that_the_server_repeats_does_not_get_into_the_error(
    way: Way, name: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_server(answering(echoes(key)[name])) as server:
        settings = server.settings(api_key=key, max_retries=0)
        with pytest.raises(StepPlanError) as caught:
            Asker(way, settings).whole_or_streamed(REQUEST, streamed="stream" in name or "event" in name)
        assert f"Bearer {key}".encode() in server.requests[0]
    error = caught.value
    beginning = key[:8]
    shown = [str(error), repr(error), repr(error.body), str(error.args), everything_about(error)]
    if error.response is not None:
        shown += [error.response.text, repr(error.response.headers)]
    assert [text for text in shown if beginning in text] == []
    assert [record for record in caplog.records if record.name == "stepplan" and beginning in record.message] == []
    assert beginning.encode() not in pickle.dumps(error)
    assert not variables_with(key, error)


@pytest.mark.guarantees("echoed-key")
def test_all_else_that_the_server_sent_stays_in_the_error(way: Way) -> None:
    reply = response(error_of(ECHO.format(CANARY)), status="401 Unauthorized")
    with raw_server(answering(reply)) as server, pytest.raises(AuthenticationError) as caught:
        Asker(way, server.settings(api_key=CANARY, max_retries=0)).send(REQUEST)
    text = "Incorrect API key provided: ***."
    assert caught.value.body == {"error": {"message": text, "type": text, "param": {text: [text]}}}
    assert caught.value.response is not None
    assert caught.value.response.json() == caught.value.body
    assert text in str(caught.value)


@pytest.mark.guarantees("echoed-key")
def test_the_shortest_key_is_taken_out_too(way: Way) -> None:
    reply = response(error_of("Incorrect: 12345678"), status="401 Unauthorized")
    with raw_server(answering(reply)) as server, pytest.raises(AuthenticationError, match=r"Incorrect: \*\*\*"):
        Asker(way, server.settings(api_key="12345678", max_retries=0)).send(REQUEST)


def test_a_placeholder_for_a_key_is_left_in_the_text(way: Way) -> None:
    reply = response(b"none of the models is free", "text/plain", status="400 Bad Request")
    with raw_server(answering(reply)) as server, pytest.raises(StepPlanError, match="none of the models is free"):
        Asker(way, server.settings(api_key="none", max_retries=0)).send(REQUEST)
