"""llmock breaks its answers in every way it knows, sees how our client takes it, and gives its verdict.

Where an answer breaks off after a part of it was handed on, our client raises and the application decides: here it asks
again, as `_until_whole` shows.
"""

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from stepplan import (
    APIConnectionError,
    APIStatusError,
    IncompleteStreamError,
    Message,
    ProtocolName,
    Request,
    Response,
    ResponseDecodeError,
    Settings,
)
from tests.dialects import servers
from tests.dialects.servers import Dialect
from tests.recorded.tools import WEATHER
from tests.support.clients import PROTOCOLS
from tests.support.ways.core import WAYS, Way, ask

pytestmark = [pytest.mark.live, pytest.mark.parametrize("protocol", PROTOCOLS)]
every_way = pytest.mark.parametrize("way", WAYS)
streamed = pytest.mark.parametrize("way", [way for way in WAYS if "stream" in way])

QUESTION = Request(messages=(Message.user("Name a fruit."),), max_tokens=500)


@pytest.fixture(scope="module")
def server() -> Generator[Dialect]:
    with servers.llmock() as running:
        yield running


class Judge:
    """llmock's control: which faults come next, and what it says of the client."""

    def __init__(self, url: str, say: Any) -> None:
        self._url = f"{url}/_llmock"
        self._say = say
        httpx.post(f"{self._url}/reset").raise_for_status()

    def will(self, **behavior: Any) -> None:
        """Do this to the next request."""
        httpx.post(f"{self._url}/scenario", json={"behaviors": [behavior]}).raise_for_status()

    def finds_nothing(self, *, attempts: int, faults: int = 0) -> None:
        """In so many requests, so many of them broken, the client did nothing wrong."""
        verdict = httpx.get(f"{self._url}/verdict").json()
        self._say(httpx.get(f"{self._url}/verdict", params={"format": "text"}).text)
        assert verdict["findings"] == []
        assert (verdict["attempts"], verdict["faults_injected"]) == (attempts, faults)


@pytest.fixture
def judge(server: Dialect, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Judge:
    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {text.strip()}")  # noqa: T201 - for whoever runs it

    return Judge(server.url, say)


@pytest.fixture
def settings(server: Dialect, protocol: ProtocolName) -> Settings:
    return replace(server.settings(protocol), stream_timeout=1.0)


def _until_whole(way: Way, settings: Settings, protocol: ProtocolName, request: Request) -> Response:
    """What an application does that wants a whole answer: it asks again, once."""
    try:
        return ask(way, settings, protocol, request)
    except (IncompleteStreamError, ResponseDecodeError, APIConnectionError):
        time.sleep(0.3)
        return ask(way, settings, protocol, request)


@every_way
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(
    settings: Settings, judge: Judge, protocol: ProtocolName, way: Way, status: int
) -> None:
    judge.will(type="fail", status=status)
    assert ask(way, settings, protocol, QUESTION).text
    judge.finds_nothing(attempts=2, faults=1)


@every_way
def test_the_wait_that_is_asked_for_is_kept(settings: Settings, judge: Judge, protocol: ProtocolName, way: Way) -> None:
    judge.will(type="fail", status=429, retry_after=1.5, times=2)
    assert ask(way, settings, protocol, QUESTION).text
    judge.finds_nothing(attempts=3, faults=2)


@every_way
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_cannot_pass_is_not_tried_again(
    settings: Settings, judge: Judge, protocol: ProtocolName, way: Way, status: int
) -> None:
    judge.will(type="fail", status=status)
    with pytest.raises(APIStatusError) as caught:
        ask(way, settings, protocol, QUESTION)
    assert caught.value.status_code == status
    judge.finds_nothing(attempts=1, faults=1)


@every_way
def test_a_late_answer_is_waited_for(settings: Settings, judge: Judge, protocol: ProtocolName, way: Way) -> None:
    judge.will(type="delay", seconds=0.5)
    assert ask(way, settings, protocol, QUESTION).text
    judge.finds_nothing(attempts=1)


@streamed
def test_a_late_first_event_is_waited_for(settings: Settings, judge: Judge, protocol: ProtocolName, way: Way) -> None:
    judge.will(type="slow_first_token", seconds=0.5)
    assert ask(way, settings, protocol, QUESTION).text
    judge.finds_nothing(attempts=1)


@streamed
@pytest.mark.parametrize("after_chunks", [0, 1, 2, 4])
@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed", "stall"])
def test_a_broken_stream_is_never_taken_for_an_answer(
    settings: Settings, judge: Judge, protocol: ProtocolName, way: Way, *, kind: str, after_chunks: int
) -> None:
    judge.will(type="stream_fault", kind=kind, after_chunks=after_chunks, stall_seconds=3)
    assert _until_whole(way, settings, protocol, QUESTION).finish_reason == "stop"
    judge.finds_nothing(attempts=2, faults=1)


@every_way
def test_arguments_that_are_no_json_are_never_run(
    settings: Settings, judge: Judge, protocol: ProtocolName, way: Way
) -> None:
    if protocol == "anthropic" and "stream" not in way:
        pytest.skip("a whole Messages answer holds the arguments as an object, which cannot be broken")
    judge.will(type="tool_fault", kind="malformed_arguments")
    [parsed] = ask(way, settings, protocol, replace(QUESTION, tools=(WEATHER,))).tool_calls
    assert parsed.arguments is None
    assert parsed.error
    judge.finds_nothing(attempts=1)


@every_way
def test_a_tool_that_was_not_offered_is_shown_as_called(
    settings: Settings, judge: Judge, protocol: ProtocolName, way: Way
) -> None:
    judge.will(type="tool_fault", kind="unknown_tool")
    [parsed] = ask(way, settings, protocol, replace(QUESTION, tools=(WEATHER,))).tool_calls
    assert parsed.call.name != WEATHER.name
    judge.finds_nothing(attempts=1)
