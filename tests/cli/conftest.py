"""The sandbox, as the command line finds it."""

import pytest

from stepplan.sandbox import Sandbox


@pytest.fixture
def plan(stepplan_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox, named by the variables that the commands read."""
    monkeypatch.setenv("STEP_API_KEY", stepplan_sandbox.api_key)
    monkeypatch.setenv("STEP_BASE_URL", stepplan_sandbox.base_url)
    return stepplan_sandbox
