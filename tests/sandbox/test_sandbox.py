"""The sandbox as a thing to use: starting, stopping, scripts, records, the command."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

import stepplan.sandbox
from stepplan.sandbox import Dialect, Fault, RecordedRequest, Sandbox, ToolCall, Turn, Usage
from tests.support.wire import CHAT, MESSAGES, ask, auth, chat, messages, post


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


def test_it_stops_while_answers_stall() -> None:
    with Sandbox([Turn(text="4", fault=Fault(stall_after=1))]) as plan:
        client = httpx.Client(trust_env=False, headers=auth())
        request = client.build_request("POST", plan.base_url + CHAT, json=chat(stream=True))
        response = client.send(request, stream=True)
        started = time.perf_counter()
    assert time.perf_counter() - started < 5
    with pytest.raises(httpx.RemoteProtocolError):
        response.read()
    client.close()


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


def test_the_command_says_how_to_reach_it(tmp_path: Path) -> None:
    arguments = [sys.executable, "-W", "error", "-m", "stepplan.sandbox", "--protocol-profile", "docs"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            with httpx.Client(trust_env=False, headers=auth()) as client:
                answer = client.post(f"{url}{MESSAGES}", json=messages()).json()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
            rest = process.stdout.read()
        finally:
            process.kill()
    assert answer["id"].startswith("msg_")
    assert "export STEP_API_KEY=sk-sandbox" in rest
    assert f"export ANTHROPIC_BASE_URL={url} " in rest
    assert process.returncode == 0
