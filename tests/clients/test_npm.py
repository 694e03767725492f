"""The vendors' own JavaScript clients complete the main job with the sandbox. Run by `make extra WHAT=clients`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.dialects.installs import npm_package

pytestmark = pytest.mark.live

ROUND = (
    Turn(reasoning="想.", text="你好 🎉.", usage=Usage(12, 7)),
    Turn(reasoning="Look it up.", text="Let me see.", tool_calls=[ToolCall("get_weather", {"city": "Paris"})]),
    Turn(reasoning="It is known.", text="Sunny."),
)


@pytest.mark.parametrize(
    ("package", "script", "path", "finish"),
    [
        ("openai@7.57.0", "openai_loop.cjs", "/v1", "tool_calls"),
        ("@anthropic-ai/sdk@1.12.0", "anthropic_loop.cjs", "", "tool_use"),
    ],
    ids=["openai", "anthropic"],
)
def test_the_client_completes_a_tool_loop(
    stepplan_sandbox: Sandbox, package: str, script: str, path: str, finish: str
) -> None:
    stepplan_sandbox.script(*ROUND, *ROUND)
    modules = npm_package(Path(script).stem, package)
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_PATH": str(modules),
        "BASE_URL": stepplan_sandbox.base_url + path,
        "API_KEY": stepplan_sandbox.api_key,
    }
    done = subprocess.run(
        ["node", Path(__file__).with_name(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"text": "你好 🎉.", "tokens": 7, "finish": finish, "answer": "Sunny."}] * 2
    assert not stepplan_sandbox.pending
    assert "sunny in Paris" in json.dumps(stepplan_sandbox.requests[-1].body)
