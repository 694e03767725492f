"""The recordings themselves: no secrets, no hosts, a known origin; and a replay that notices what has changed."""

import importlib
import itertools
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import SocketBlockedError

from stepplan import Message, Request, Settings
from tests.live.target import Target
from tests.recorded.cassettes import (
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    Serializer,
    load,
    match_body,
    numbered,
    scrub_request,
    scrub_response,
)
from tests.recorded.compare import lasting
from tests.recorded.conftest import FOLDER
from tests.recorded.record import STREAMS, raw_streams
from tests.support.ways.core import ask

# Without types; named here once.
VCR: Any = importlib.import_module("vcr").VCR
HTTPRequest: Any = importlib.import_module("vcr.request").Request
NotRecorded: type[Exception] = importlib.import_module("vcr.errors").CannotOverwriteExistingCassetteException

CASSETTES = sorted(FOLDER.rglob("*.yaml"))
RECORDED = [*CASSETTES, *sorted(STREAMS.rglob("*.sse"))]
ONE = FOLDER / "core" / "test_a_question_is_thought_about_and_answered[stream-openai].yaml"

# ------------------------------------------------------------------------------------------------------------ secrets

# A header that carries one, keys with a known start, tokens, and keys of no known shape: any long word of hexadecimal
# digits, or that mixes cases and digits. Ids that servers mint are shorter, and models are called `step-5-preview`.
_SECRETS = re.compile(
    r"(?i:authorization|x-api-key|cookie|bearer )\s*:?"
    r"|\b(?:sk|pk|ak)-[A-Za-z0-9_-]{8,}"
    r"|\bstep-(?:(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{8,}|[a-z0-9]{12,})"
    r"|\b(?=[0-9]*[a-f])[0-9a-f]{40,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\."
    r"|\b(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{44,}"
)


def _secrets(text: str) -> list[str]:
    return _SECRETS.findall(text)


@pytest.mark.guarantees("fixtures-without-keys")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_no_recording_holds_a_key(path: Path) -> None:
    assert not _secrets(path.read_text())


@pytest.mark.guarantees("fixtures-without-keys")
@pytest.mark.parametrize(
    "planted",
    [
        "sk-proj-4f9aK2m81LpQ",
        "step-Zx81LpQ4f9aK2m81LpQ",
        "step-4f9a2c81d0e74b6a",
        "4f9a2c81d0e74b6a4f9a2c81d0e74b6a4f9a2c81d0e74b6a",
        "authorization:\n      - hidden",
        "X-Api-Key: hidden",
        "set-cookie: session=1",
        "Bearer abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "3QbX7cV0nM5aS8dF1gH4jK7lP2oI6uY9tR3eW0qZxC5v",
    ],
)
def test_a_planted_key_is_found(planted: str) -> None:
    cassette = ONE.read_text()
    assert not _secrets(cassette)
    assert _secrets(cassette.replace("application/json", planted))


@pytest.mark.parametrize("said", ["step-router-v1", "step-5-preview", "step-3.5-flash-2603", "chatcmpl-0d3f"])
def test_what_servers_say_of_themselves_is_no_key(said: str) -> None:
    assert not _secrets(said)


def _interactions() -> Iterator[dict[str, Any]]:
    for path in CASSETTES:
        yield from load(path.read_text())["interactions"]


@pytest.mark.guarantees("fixtures-without-keys")
def test_only_the_allowed_headers_are_kept_and_no_host_is() -> None:
    for interaction in _interactions():
        request = interaction["request"]
        assert request["uri"].startswith("/")
        assert {name.lower() for name in request["headers"]} <= REQUEST_HEADERS
        assert {name.lower() for name in interaction["response"]["headers"]} <= RESPONSE_HEADERS


def test_every_other_header_is_dropped_while_recording() -> None:
    sent = HTTPRequest(
        "POST",
        "https://api.stepfun.ai/step_plan/v1/messages",
        b"{}",
        {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Api-Key": "secret", "Content-Type": "application/json"},
    )
    kept = scrub_request(sent)
    assert (kept.uri, dict(kept.headers)) == ("/step_plan/v1/messages", {"Content-Type": "application/json"})
    assert sent.headers["Authorization"] == "Bearer secret", "what goes out is left alone"
    answered = {"Set-Cookie": ["a=b"], "X-Trace-Id": ["t"], "Content-Type": ["text/event-stream"], "Retry-After": ["1"]}
    kept_headers = scrub_response({"headers": answered, "body": {}})["headers"]
    assert set(kept_headers) == {"Content-Type", "Retry-After"}


# ------------------------------------------------------------------------------------------------------------- origin


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.name)
def test_every_cassette_says_what_it_was_recorded_from(path: Path) -> None:
    origin = load(path.read_text())["recorded_from"]
    assert origin["server"] in {"llama.cpp", "Step Plan"}
    assert origin["version"]
    assert origin["model"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", origin["date"])


def test_the_raw_streams_are_those_of_the_cassettes() -> None:
    assert {path: path.read_bytes() for path in STREAMS.rglob("*.sse")} == dict(raw_streams())


# ------------------------------------------------------------------------------------------------------------- replay


def _replay(config: dict[str, Any], settings: Settings, cassette: Path, request: Request) -> str:
    vcr = VCR(record_mode="none")
    vcr.register_serializer("yaml", _serializer())
    vcr.register_matcher("question", match_body)
    with vcr.use_cassette(str(cassette), **config):
        return ask("stream", settings, "openai", request).text


def test_a_changed_request_is_not_answered(vcr_config: dict[str, Any], settings: Settings) -> None:
    recorded = Request(messages=(Message.user("Name a fruit."),), temperature=0)
    assert _replay(vcr_config, settings, ONE, recorded)
    for changed, said in (
        (replace(recorded, temperature=0.1), "body.temperature: asked 0.1, recorded 0"),
        (
            replace(recorded, messages=(Message.user("Name a fruit!"),)),
            'body.messages[0].content, from character 0: asked "Name a fruit!", recorded "Name a fruit."',
        ),
        (replace(recorded, extra_body={"seed": 1}), "body.seed: asked 1, recorded nothing"),
    ):
        with pytest.raises(NotRecorded) as caught:
            _replay(vcr_config, settings, ONE, changed)
        assert said in str(caught.value)


def test_an_answer_that_was_not_recorded_is_missing(vcr_config: dict[str, Any], settings: Settings) -> None:
    missing = FOLDER / "core" / "no_such_test.yaml"
    with pytest.raises(NotRecorded):
        _replay(vcr_config, settings, missing, Request(messages=(Message.user("Name a fruit."),)))
    assert not missing.exists()


def test_nothing_can_be_reached_while_replaying() -> None:
    with pytest.raises((SocketBlockedError, UserWarning), match="tried to use socket"):
        socket.create_connection(("127.0.0.1", 9))


def _chat(first: str, second: str, *, city: str = "Paris", answers: str = "") -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": f'{{"city":"{city}"}}'}
    calls = [{"id": id, "type": "function", "function": function} for id in (first, second)]
    result = {"role": "tool", "tool_call_id": answers or first, "content": "sunny"}
    return {"messages": [{"role": "assistant", "content": "", "tool_calls": calls}, result]}


def _body(content: dict[str, Any]) -> Any:
    return HTTPRequest("POST", "/v1/chat/completions", json.dumps(content), {})


def test_minted_ids_and_the_order_of_fields_make_no_difference() -> None:
    match_body(_body(_chat("a", "b")), _body(_chat("x", "y")))
    match_body(_body({"model": "m", "messages": []}), _body({"messages": [], "model": "m"}))
    match_body(_body({"description": "Adds.\n\n    Twice."}), _body({"description": "Adds.\n\nTwice. "}))
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {"id": "mine"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "sunny"}
    messages = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    [assistant, user] = numbered({"messages": messages})["messages"]
    assert assistant["content"][0]["id"] == user["content"][0]["tool_use_id"] == "call 1"
    assert assistant["content"][0]["input"] == {"id": "mine"}, "an argument of that name is no minted id"


def test_what_is_asked_and_which_call_is_answered_do() -> None:
    for other in (_chat("a", "b", city="Rome"), _chat("a", "b", answers="b")):
        with pytest.raises(AssertionError):
            match_body(_body(_chat("a", "b")), _body(other))


@pytest.mark.parametrize(
    ("asked", "recorded", "said"),
    [
        ({"n": 1}, {"n": 2}, "body.n: asked 1, recorded 2"),
        ({"n": None}, {}, "body.n: asked null, recorded nothing"),
        ({}, {"signature": ""}, 'body.signature: asked nothing, recorded ""'),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, "c"]}, 'body.a[1]: asked nothing, recorded "c"'),
        ({"a": {"b": []}}, {"a": {"b": {}}}, "body.a.b: asked [], recorded {}"),
        (
            {"p": "x" * 90 + "!"},
            {"p": "x" * 90},
            f'body.p, from character 70: asked "{"x" * 20}!", recorded "{"x" * 20}"',
        ),
        ({"p": 1}, {"p": "x" * 999}, f'body.p: asked 1, recorded "{"x" * 99}…'),
    ],
)
def test_where_two_requests_differ_is_said(asked: dict[str, Any], recorded: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        match_body(_body(asked), _body(recorded))
    assert str(caught.value).splitlines() == [said, "If that is meant, record anew: make record"]


# -------------------------------------------------------------------------------------------------------- file format


@pytest.mark.parametrize(
    "text", ["a\r\n\r\nb\n", "data: {}\n\n", " lead\n", "trail \n\n", "汉字\u2028\x85\n", "", "\n"]
)
def test_any_body_survives_the_file(text: str) -> None:
    body = {"interactions": [{"request": {"body": ""}, "response": {"body": {"string": text}}}]}
    written = _serializer().serialize(body)
    assert load(written)["interactions"] == body["interactions"]


def test_requests_that_are_sent_at_once_are_kept_in_an_order_of_their_own() -> None:
    texts = [json.dumps(body) for body in ({"a": 1}, {"b": 2}, _chat("x", "y"))]
    interactions = [{"request": {"body": text}} for text in texts]
    for order in itertools.permutations(interactions):
        written = _serializer().serialize({"interactions": list(order)})
        assert load(written)["interactions"] == interactions


def _serializer() -> Serializer:
    return Serializer(Target.of_recordings())


def test_a_second_recording_is_the_same_but_for_ids_and_times() -> None:
    text = ONE.read_text()
    again = re.sub(r"chatcmpl-\w+", "chatcmpl-other", re.sub(r'"created":\d+', '"created":1', text))
    again = re.sub(r"date: .*", "date: '2030-01-01'", again)
    assert again != text
    assert lasting(again) == lasting(text)
    assert lasting(text.replace("fruit", "sport")) != lasting(text)
