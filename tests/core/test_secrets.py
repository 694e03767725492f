"""The key goes into one header, and nowhere else."""

import logging
import pickle
import traceback
from dataclasses import replace

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

CANARY = "sk-canary-0123456789"
REQUEST = Request(messages=(Message.user("Hello"),))


def everything_about(error: BaseException) -> str:
    """All that a log, a tracer or a debugger would show of an error, variables of its frames included."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    attributes = {name: value for name, value in vars(error).items() if not name.startswith("__")}
    return "".join(shown.format()) + repr(error) + str(error) + repr(attributes) + repr(error.args)


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
        settings = settings_for(plan, timeout=0.2, stream_timeout=0.2, max_retries=1)
        with pytest.raises(StepPlanError) as caught:
            Asker(way, settings, protocol).whole_or_streamed(REQUEST, streamed=streamed)
        assert plan.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    assert CANARY not in everything_about(caught.value)
    assert CANARY not in caplog.text
    assert CANARY.encode() not in pickle.dumps(caught.value)
    assert caplog.records


def test_a_key_of_the_environment_is_not_shown_either(way: Way, plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_API_KEY", CANARY)
    with pytest.raises(AuthenticationError, match="The key came from STEP_API_KEY") as caught:
        Asker(way, replace(settings_for(plan), api_key=None)).send(REQUEST)
    assert CANARY not in everything_about(caught.value)


def test_a_wrong_key_is_named_by_its_source_and_not_shown(plan: Sandbox, way: Way) -> None:
    with pytest.raises(AuthenticationError, match="The key came from api_key") as caught:
        Asker(way, replace(settings_for(plan), api_key=SecretStr(CANARY))).send(REQUEST)
    assert CANARY not in everything_about(caught.value)


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
