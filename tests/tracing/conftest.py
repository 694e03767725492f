"""The sandbox, under the name that other tests use."""

import pytest

from stepplan.sandbox import Sandbox


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox
