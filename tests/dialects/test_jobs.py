"""The jobs that an integration is used for, on servers with other dialects of the two protocols."""

from collections.abc import Generator
from typing import Any

import pytest

from stepplan import ProtocolName
from tests.dialects import servers
from tests.dialects.servers import Dialect
from tests.llama_index.helpers import agents_use_old_pydantic
from tests.recorded.jobs import JOBS, Job, Place, llama_index_query_engine
from tests.recorded.ways import PROTOCOLS, Way

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
