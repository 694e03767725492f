"""`stepplan doctor` names the fault and the fix."""

import functools
import json
import socket
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from stepplan.sandbox import Sandbox
from tests.support.cli import run
from tests.support.servers import RawServer, raw_server, response


def findings(*arguments: str) -> dict[str, dict[str, str]]:
    return {found["name"]: found for found in json.loads(run("doctor", "--json", *arguments).stdout)}


class Rerouted(httpx.HTTPTransport):
    """Takes requests for one of StepFun's hosts to a sandbox."""

    def __init__(self, plan: Sandbox) -> None:
        super().__init__()
        self._port = httpx.URL(plan.base_url).port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return super().handle_request(request)


def test_doctor_finds_nothing_wrong_with_a_plan_that_works(plan: Sandbox) -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert result.stdout.count("✓") == 6
    found = findings()
    assert list(found) == ["key", "address", "models", "clock", "openai", "anthropic", "credits"]
    assert {one["status"] for name, one in found.items() if name != "credits"} == {"ok"}
    assert found["credits"]["status"] == "skipped"
    assert "not in the API" in found["credits"]["detail"]


@pytest.mark.parametrize(
    ("terms", "arguments", "environment", "name", "detail", "fix"),
    [
        ({}, [], {"STEP_API_KEY": ""}, "key", "no usable key", "STEP_API_KEY"),
        ({}, [], {"STEP_API_KEY": "wrong"}, "models", "status 401", "The key from STEP_API_KEY"),
        (
            {},
            ["--region", "global"],
            {"STEP_API_KEY": "wrong"},
            "models",
            "status 401",
            "The key from STEP_API_KEY",
        ),
        (
            {},
            ["--region", "global"],
            {"STEP_API_KEY": "sk-china"},
            "models",
            "status 401",
            "accepts this key: set region='china'",
        ),
        ({}, ["--region", "china"], {}, "models", "status 401", "accepts this key: set region='global'"),
        (
            {},
            ["--base-url", "https://api.stepfun.com"],
            {},
            "models",
            "status 401",
            "base_url='https://api.stepfun.ai/step_plan'",
        ),
        (
            {},
            [],
            {"STEP_BASE_URL": "api.stepfun.ai"},
            "address",
            "no usable address",
            "STEP_BASE_URL is not a base URL",
        ),
        ({}, ["--region", "moon"], {}, "address", "no usable address", "region='moon'"),
        ({}, [], {"ALL_PROXY": "gopher://x"}, "proxy", "set by ALL_PROXY", "The proxy settings cannot be used"),
        ({"subscription": False}, [], {}, "models", "status 400", "Subscribe to a Step Plan"),
        ({"quota": False}, [], {}, "openai", "status 402", "Credits are used up"),
        ({}, ["--model", "none-such"], {}, "models", "none-such is not listed", "step-3.7-flash"),
        ({}, ["--model", "none-such"], {}, "openai", "status 404", "none-such"),
        ({}, ["--base-url", "http://127.0.0.1:9/step_plan"], {}, "models", "no connection", "Check the network"),
        (
            {},
            ["--base-url", "http://127.0.0.2:9/step_plan"],
            {"HTTP_PROXY": "http://127.0.0.1:9"},
            "models",
            "no connection",
            "the proxy set by HTTP_PROXY",
        ),
    ],
)
def test_doctor_names_the_fault_and_the_fix(  # noqa: PLR0917 - a row of the table
    monkeypatch: pytest.MonkeyPatch,
    terms: dict[str, Any],
    arguments: list[str],
    environment: dict[str, str],
    name: str,
    detail: str,
    fix: str,
) -> None:
    with Sandbox(**terms) as plan, Sandbox(api_key="sk-china") as china:
        hosts = {"https://api.stepfun.ai": Rerouted(plan), "https://api.stepfun.com": Rerouted(china)}
        client = functools.partial(httpx.Client, mounts=hosts)
        monkeypatch.setattr("stepplan.cli.diagnosis.httpx", SimpleNamespace(Client=client))
        for variable, value in {
            "STEP_API_KEY": plan.api_key,
            "STEP_BASE_URL": plan.base_url,
            **environment,
        }.items():
            monkeypatch.setenv(variable, value)
        found = findings(*arguments)[name]
        assert run("doctor", *arguments).exit_code == (0 if found["status"] == "warning" and name != "models" else 1)
    assert found["status"] in {"failed", "warning"}
    assert detail in found["detail"]
    assert fix in found["fix"]


@pytest.mark.filterwarnings("ignore::stepplan.StepPlanWarning")
def test_doctor_names_the_pay_as_you_go_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEP_API_KEY", raising=False)
    found = findings("--base-url", "https://api.stepfun.ai/v1")["address"]
    assert found["status"] == "warning"
    assert "bill the balance" in found["detail"]


@pytest.mark.parametrize(("minutes", "relation"), [(90, "ahead of"), (-90, "behind")])
def test_doctor_names_a_wrong_clock(monkeypatch: pytest.MonkeyPatch, minutes: int, relation: str) -> None:
    now = 1_800_000_000.0
    ours = SimpleNamespace(time=lambda: now + minutes * 60, monotonic=time.monotonic)
    monkeypatch.setattr("stepplan.cli.diagnosis.time", ours)
    monkeypatch.setenv("STEP_API_KEY", "sk-raw")
    reply = response(b'{"data": []}', more=f"Date: {formatdate(now, usegmt=True)}\r\n")

    def serve(server: RawServer, connection: socket.socket, _: int) -> None:
        while server.read_request(connection):
            connection.sendall(reply)

    with raw_server(serve) as server:
        found = findings("--base-url", f"http://127.0.0.1:{server.port}")["clock"]
    assert (found["status"], found["detail"]) == ("warning", f"90 minutes {relation} the server's")
