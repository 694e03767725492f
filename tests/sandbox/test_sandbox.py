"""Using the sandbox: start and stop, scripts, recorded requests, the command."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any, get_args, get_type_hints

import httpx
import pytest

import stepplan.sandbox
from stepplan.sandbox import Dialect, Fault, RecordedRequest, Sandbox, ToolCall, Turn, Usage
from stepplan.sandbox.__main__ import main
from tests.sandbox.commands import served
from tests.support.wire import CHAT, MESSAGES, ask, auth, body_for, chat, messages, post


def test_it_starts_quickly_and_stops_cleanly() -> None:
    threads = threading.active_count()
    durations: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        with Sandbox() as plan:
            durations.append(time.perf_counter() - started)
            assert plan.base_url.startswith("http://127.0.0.1:")
            assert plan.base_url.endswith("/step_plan")
            assert post(plan, CHAT, chat()).status_code == 200
            port = httpx.URL(plan.base_url).port
        assert port is not None
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert threading.active_count() == threads
    # A busy machine may be late once.
    assert min(durations) < 0.3


def test_a_second_request_on_a_connection_is_answered_as_quickly_as_the_first() -> None:
    durations: list[float] = []
    with Sandbox() as plan, httpx.Client(trust_env=False, headers=auth()) as client:
        for _ in range(8):
            started = time.perf_counter()
            assert client.post(plan.base_url + CHAT, json=chat()).status_code == 200
            durations.append(time.perf_counter() - started)
    assert min(durations[1:]) < 0.03  # a delayed acknowledgement takes 40 ms


STALLS = {
    "silent": Fault(stall_after=1),
    "pinging": Fault(stall_after=1, pings=True, ping_interval=0.01),
    "slow": Fault(delay=60),
}


@pytest.mark.guarantees("sandbox-stops")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", STALLS.values(), ids=STALLS)
def test_it_stops_within_a_second_while_answers_stall(fault: Fault, stream: bool) -> None:
    with httpx.Client(trust_env=False, headers=auth()) as client:
        with Sandbox([Turn(text="4", fault=fault)] * 6) as plan:
            requests = [
                client.build_request("POST", plan.base_url + path, json=body_for(path, stream=stream))
                for path in (CHAT, MESSAGES)
            ]
            responses = [client.send(request, stream=True) for request in requests * 3]
            assert plan.open_requests == 6
            started = time.perf_counter()
        assert time.perf_counter() - started < 1
        for response in responses:
            with pytest.raises(httpx.TransportError):
                response.read()
    assert plan.open_requests == 0


@pytest.mark.guarantees("sandbox-stops")
@pytest.mark.parametrize(
    "sent", [b"", b"POST /step_plan/v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
)
def test_it_stops_within_a_second_while_a_client_sends_nothing(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox() as plan:
        client = socket.create_connection(("127.0.0.1", httpx.URL(plan.base_url).port or 0))
        client.sendall(sent)
        time.sleep(0.05)  # until the server has read it
        started = time.perf_counter()
    assert time.perf_counter() - started < 1
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    assert not caplog.records


def test_it_can_be_started_again() -> None:
    plan = Sandbox()
    with pytest.raises(RuntimeError, match="not running"):
        _ = plan.base_url
    for _ in range(2):
        assert plan.start() is plan
        assert plan.start() is plan
        assert post(plan, CHAT, chat()).status_code == 200
        plan.stop()
        plan.stop()


def test_several_live_side_by_side() -> None:
    with Sandbox([Turn(text="one")]) as one, Sandbox([Turn(text="two")]) as two:
        assert "two" in post(two, CHAT, chat()).text
        assert "one" in post(one, CHAT, chat()).text
        assert len(one.requests) == len(two.requests) == 1


def test_connections_are_kept(plan: Sandbox) -> None:
    with httpx.Client(trust_env=False, headers=auth()) as client:
        streams = [
            client.post(plan.base_url + CHAT, json=chat(stream=True)).extensions["network_stream"] for _ in range(3)
        ]
    assert len(set(map(id, streams))) == 1


def test_a_taken_port_is_an_error() -> None:
    with Sandbox() as plan, pytest.raises(OSError, match="in use"):
        Sandbox(port=httpx.URL(plan.base_url).port or 0).start()


async def test_a_script_is_followed_and_then_answers_are_derived() -> None:
    plan = Sandbox([Turn(reasoning="Hm.", text="One.", usage=Usage(5, 6))])
    plan.script(Turn(tool_calls=[ToolCall("f", '{"a": ')]), Turn(finish_reason="stop"))
    assert [turn.text for turn in plan.pending] == ["One.", "", ""]
    said = (await ask(plan, CHAT, chat())).json()
    assert said["choices"][0]["message"]["content"] == "One."
    assert said["usage"]["total_tokens"] == 11
    [call] = (await ask(plan, CHAT, chat())).json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"a": '
    empty = (await ask(plan, CHAT, chat())).json()["choices"][0]
    assert (empty["message"]["content"], empty["finish_reason"]) == ("", "stop")
    assert not plan.pending
    assert "Hello there." in (await ask(plan, CHAT, chat())).json()["choices"][0]["message"]["content"]


async def test_a_script_is_followed_to_the_letter() -> None:
    plan = Sandbox([Turn(text="One two three.")])
    assert "One two three." in (await ask(plan, CHAT, chat(max_tokens=1, stop=["two"]))).text


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        (CHAT, "model messages max_tokens temperature top_p n stream stop frequency_penalty response_format"),
        (CHAT, "reasoning_effort reasoning_format tools tool_choice"),
        (MESSAGES, "model messages max_tokens stream system temperature top_p top_k stop_sequences tools"),
        (MESSAGES, "output_config"),
    ],
)
async def test_what_is_documented_is_not_unlisted(path: str, listed: str) -> None:
    plan = Sandbox()
    await ask(plan, path, dict.fromkeys(listed.split()))
    assert plan.requests[0].unlisted == ()


async def test_requests_are_recorded() -> None:
    plan = Sandbox()
    await ask(plan, CHAT, chat(seed=3, store=False))
    await ask(plan, MESSAGES, messages(tool_choice={"type": "any"}, output_config={"effort": "low", "format": {}}))
    await ask(plan, "/v1/nowhere", {"a": 1}, key="other")
    one, two, three = plan.requests
    assert isinstance(one, RecordedRequest)
    assert (one.method, one.path, one.protocol) == ("POST", "/step_plan/v1/chat/completions", "openai")
    assert one.headers["authorization"] == "Bearer sk-sandbox"
    assert one.body == chat(seed=3, store=False)
    assert one.unlisted == ("seed", "store")
    assert (two.protocol, two.unlisted) == ("anthropic", ("output_config.format", "tool_choice"))
    assert (three.path, three.protocol, three.body) == ("/step_plan/v1/nowhere", None, {"a": 1})
    plan.script(Turn(text="never"))
    plan.reset()
    assert (plan.requests, plan.pending) == ([], ())


async def test_ids_start_again_after_a_reset() -> None:
    plan = Sandbox()
    first = (await ask(plan, CHAT, chat())).json()["id"]
    assert (await ask(plan, CHAT, chat())).json()["id"] != first
    plan.reset()
    assert (await ask(plan, CHAT, chat())).json()["id"] == first


async def test_another_key_and_other_models() -> None:
    plan = Sandbox(api_key="sk-mine", models=["step-9"])
    assert plan.api_key == "sk-mine"
    assert (await ask(plan, CHAT, chat(model="step-9"), key="sk-mine")).status_code == 200


def test_values_can_be_compared() -> None:
    assert Turn(tool_calls=[ToolCall("f")]) == Turn(tool_calls=(ToolCall("f"),))
    assert Turn(text="a") != Turn(text="b")
    assert Dialect() == Dialect()


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sandbag'"):
        getattr(stepplan.sandbox, "Sandbag")  # noqa: B009 - checkers know that it is not there


PROFILES = [
    (f"{protocol}_profile", profile)
    for protocol in ("chat", "messages")
    for profile in get_args(get_type_hints(Dialect)[f"{protocol}_profile"])
]


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_the_command_offers_every_profile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, profile: str
) -> None:
    path, body = (CHAT, chat(stream=True)) if name == "chat_profile" else (MESSAGES, messages(stream=True))
    answers: list[str] = []

    def ask_once() -> None:
        url = capsys.readouterr().out.partition("\n")[0].split()[-1]
        with httpx.Client(trust_env=False, headers=auth()) as client:
            answers.append(client.post(f"{url}{path}", json=body).text)

    monkeypatch.setattr("stepplan.sandbox.__main__._wait_for_signal", ask_once)
    main([f"--{name.replace('_', '-')}", profile])
    fields: Any = {name: profile}
    with Sandbox(dialect=Dialect(**fields)) as plan:
        assert answers == [post(plan, path, body).text]


@pytest.mark.interpreter
@pytest.mark.parametrize(("profile", "prefix"), [("live", "chatcmpl-"), ("docs", "msg_")])
def test_the_command_serves_until_it_is_interrupted(profile: str, prefix: str) -> None:
    with served("--messages-profile", profile) as printed, httpx.Client(trust_env=False, headers=auth()) as client:
        url = printed.partition("\n")[0].split()[-1]
        assert client.post(f"{url}{MESSAGES}", json=messages()).json()["id"].startswith(prefix)


PASTED = """
from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import Client, Message, Request

request = Request(messages=(Message.user("Hello"),))
for protocol in ("openai", "anthropic"):
    print(Client(protocol=protocol).send(request).text)
    print(ChatStepPlan(model="step-3.7-flash", protocol=protocol).invoke("Hello").text)
    print(StepPlan(model="step-3.7-flash", protocol=protocol).complete("Hello").text)
"""


@pytest.mark.interpreter
def test_pasting_what_the_command_prints_uses_the_sandbox_everywhere() -> None:
    elsewhere = {
        "STEP_BASE_URL": "https://api.stepfun.ai/v1",
        "STEP_API_KEY": "sk-elsewhere",
        "STEPFUN_API_KEY": "sk-elsewhere",
    }
    with served() as printed:
        script = f'{printed}\n"$0" -c "$1"'
        done = subprocess.run(
            ["sh", "-c", script, sys.executable, PASTED],
            env=os.environ | elsewhere,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [done.stdout.partition("\n")[0]] * 6
    assert "the sandbox has no model" in done.stdout
    assert not done.stderr
