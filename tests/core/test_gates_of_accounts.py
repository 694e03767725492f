"""Which requests share a gate, and how many it lets run."""

import os
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from pydantic import SecretStr

from stepplan import Settings, gate
from stepplan.gate import gate_for


@pytest.fixture
def forgotten() -> Generator[None]:
    gate.reset()
    yield
    gate.reset()


@pytest.mark.usefixtures("forgotten")
def test_there_is_one_gate_for_a_host_and_a_key() -> None:
    def settings(key: str = "sk-secret-1", **fields: Any) -> Settings:
        return Settings(api_key=SecretStr(key), **fields)

    one = gate_for(settings())
    assert gate_for(settings(timeout=5.0, max_concurrency=3)) is one
    assert gate_for(settings("sk-secret-2")) is not one
    assert gate_for(settings(region="china")) is not one
    assert "sk-secret" not in repr(gate._gates)
    assert not any(b"sk-secret" in key for key in gate._gates)


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, 8),
        ({"region": "china"}, 8),
        ({"base_url": "http://127.0.0.1:9/step_plan/v1/"}, 8),
        ({"base_url": "http://127.0.0.1:9"}, float("inf")),
        ({"base_url": "http://127.0.0.1:9/proxy/step_plan"}, float("inf")),
        ({"base_url": "http://127.0.0.1:9", "max_concurrency": 3}, 3),
        ({"max_concurrency": 30}, 30),
    ],
)
def test_a_plan_has_a_limit_and_other_servers_have_none(fields: dict[str, Any], limit: float) -> None:
    assert Settings(**fields).concurrency == limit


@pytest.mark.guarantees("forks")
@pytest.mark.usefixtures("forgotten")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_forked_child_starts_with_an_open_gate() -> None:
    settings = Settings(api_key=SecretStr("sk-x"))
    slots = [gate_for(settings).acquire(8) for _ in range(8)]
    child = _forked(lambda: gate_for(settings).acquire(8, deadline=time.monotonic() + 5) is not None)
    assert child == 0
    assert len(slots) == 8


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def _forked(check: Callable[[], bool]) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
