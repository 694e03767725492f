"""The soak in small, with every kind of fault; `make extra WHAT=soak` makes 20,000 calls."""

from collections.abc import Iterator

import pytest

from stepplan import gate, transport
from tests.load.calls import planned
from tests.load.faults import KINDS
from tests.load.lanes import open_lanes
from tests.load.server import local_server
from tests.load.soak import AT_A_TIME, miscounted, settings_for


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    transport.reset()
    yield
    gate.reset()


def test_every_call_ends_as_it_has_to() -> None:
    calls = planned(8 * len(KINDS), 0.5, seed=1)
    assert {call.kind for call in calls} == {"", *KINDS}
    with local_server(AT_A_TIME) as server:
        with open_lanes(settings_for(server, timeout=3, stream_timeout=1.5)) as lanes:
            problems = lanes.run(calls)
        assert problems == []
        assert miscounted(calls, server.counts().by_prompt) == []
