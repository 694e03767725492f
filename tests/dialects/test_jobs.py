"""The jobs that an integration is used for, on servers with other dialects of the two protocols."""

from collections.abc import Generator
from typing import Any

import pytest

from stepplan import Message, ProtocolName, Request
from tests.dialects import servers
from tests.dialects.servers import Dialect
from tests.recorded.tools import TIME, WEATHER
from tests.support.clients import PROTOCOLS
from tests.support.jobs import JOBS, Job, Place, llama_index_query_engine
from tests.support.marks import agents_use_old_pydantic
from tests.support.ways.core import WAYS, Way, ask

pytestmark = [pytest.mark.live, agents_use_old_pydantic]


SERVERS = (servers.litellm, servers.aimock, servers.llmock)


@pytest.fixture(scope="module", params=SERVERS, ids=[start.__name__ for start in SERVERS])
def dialect(request: pytest.FixtureRequest) -> Generator[Dialect]:
    start: Any = request.param
    with start() as running:
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("job", "way"), JOBS, ids=[f"{job.__name__}-{way}" for job, way in JOBS])
async def test_the_job_is_done(dialect: Dialect, protocol: ProtocolName, job: Job, way: Way) -> None:
    outcome = await job(Place(dialect.settings(protocol), protocol), way)
    assert outcome.text.strip()
    assert set(outcome.asked) == ({dialect.city} if job.__name__.endswith("agent") else set())
    assert bool(outcome.reasoning) == (dialect.thinks and job is not llama_index_query_engine)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("way", WAYS)
def test_two_tools_are_called_in_one_turn(dialect: Dialect, protocol: ProtocolName, way: Way) -> None:
    question = "Use get_weather and get_time for Paris. Call both tools."
    request = Request(messages=(Message.user(question),), tools=(WEATHER, TIME), temperature=0, max_tokens=400)
    answer = ask(way, dialect.settings(protocol), protocol, request)
    assert answer.finish_reason == "tool_calls"
    called = [parsed.call.name for parsed in answer.tool_calls]
    assert called == (["get_weather"] if dialect.name == "llmock" else ["get_weather", "get_time"]), "llmock calls one"
    assert all(parsed.arguments and parsed.arguments["city"] == dialect.city for parsed in answer.tool_calls)
    assert answer.reasoning or not dialect.thinks
