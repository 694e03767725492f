"""A sandbox, and a model of it, once per protocol."""

from collections.abc import Generator

import pytest
from llama_index_instrumentation import root_dispatcher

from llama_index_stepplan import StepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox
from tests.support.clients import PROTOCOLS
from tests.support.instrumentation import Recorder
from tests.support.ways.llama_index import make_llm


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> ProtocolName:
    value: ProtocolName = request.param
    return value


@pytest.fixture
def llm(plan: Sandbox, protocol: ProtocolName) -> StepPlan:
    return make_llm(plan, protocol)


@pytest.fixture
def recorder() -> Generator[Recorder]:
    handler = Recorder()
    root_dispatcher.add_event_handler(handler)
    yield handler
    root_dispatcher.event_handlers.remove(handler)
