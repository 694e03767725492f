"""A Step Plan on loopback, and models of it over both protocols."""

from collections.abc import Iterator
from typing import Any

import pytest

from langchain_stepplan import ChatStepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox
from tests.support.ways.langchain import Models


@pytest.fixture(scope="session")
def _server() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def plan(_server: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, with an empty script and no requests; a test that leaves turns unused has a wrong script."""
    _server.reset()
    yield _server
    unused = [turn for turn in _server.pending if not turn.is_blank]  # a refusal alone leaves a blank turn behind
    assert not unused, f"the script was not used up: {unused}"


@pytest.fixture(params=["openai", "anthropic"])
def protocol(request: pytest.FixtureRequest) -> ProtocolName:
    """Both protocols, one after the other."""
    name: ProtocolName = request.param
    return name


@pytest.fixture
def model_for(plan: Sandbox) -> Models:
    """Makes models that use the sandbox."""

    def make(protocol: ProtocolName, **fields: Any) -> ChatStepPlan:
        known: dict[str, Any] = {"base_url": plan.base_url, "api_key": plan.api_key, "max_retries": 0}
        return ChatStepPlan(protocol=protocol, **{**known, **fields})

    return make


@pytest.fixture
def model(model_for: Models, protocol: ProtocolName) -> ChatStepPlan:
    """A model that uses the sandbox over the protocol under test."""
    return model_for(protocol)
