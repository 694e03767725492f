"""A sandbox, and a model of it, once per protocol."""

import pytest

from llama_index_stepplan import StepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox
from tests.llama_index.helpers import PROTOCOLS, make_llm


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
