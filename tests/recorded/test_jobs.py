"""The jobs that an integration is used for, on a real server, over both protocols."""

import pytest

from stepplan import ProtocolName, Settings
from tests.support.clients import PROTOCOLS
from tests.support.jobs import JOBS, Job, Place, llama_index_query_engine
from tests.support.marks import agents_use_old_pydantic
from tests.support.ways.core import Way

pytestmark = [pytest.mark.vcr, agents_use_old_pydantic]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("job", "way"), JOBS, ids=[f"{job.__name__}-{way}" for job, way in JOBS])
async def test_the_job_is_done(settings: Settings, protocol: ProtocolName, job: Job, way: Way) -> None:
    outcome = await job(Place(settings, protocol), way)
    assert outcome.text.strip()
    assert set(outcome.asked) == ({"Paris"} if job.__name__.endswith("agent") else set())
    assert bool(outcome.reasoning) == (job is not llama_index_query_engine), "an engine hands on no reasoning"
