"""Coding agents complete a tool loop on the sandbox: they are the strictest readers of both protocols that there are.

Each has a home of its own, sees nothing of the environment but the path, and can reach nothing but loopback. Run by
`make extra WHAT=clients`.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.dialects.installs import npm_package

pytestmark = pytest.mark.live

CLAUDE_CODE = "@anthropic-ai/claude-code@2.1.330"
OPENCODE = "opencode-ai@1.18.33"
QUESTION = "What word is in note.txt?"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an agent works."""

    home: Path
    note: Path

    def run(self, program: Path, *arguments: str, **environment: str) -> str:
        """What the agent printed."""
        # A proxy where nothing listens keeps everything else from getting out.
        nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = subprocess.run(
            [program, *arguments],
            env=own | nowhere | environment,
            cwd=self.note.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "note.txt").write_text("the word is marzipan\n")
    return Desk(home, work / "note.txt")


def _loop(tool: str, arguments: Mapping[str, str]) -> tuple[Turn, Turn]:
    """The agent is told to read, and then what to say."""
    call = ToolCall(tool, arguments)
    return Turn(reasoning="I read it.", tool_calls=[call]), Turn(reasoning="I know.", text="It is marzipan.")


def _assert_the_note_was_read(plan: Sandbox) -> None:
    assert not plan.pending
    assert "the word is marzipan" in json.dumps(plan.requests[-1].body["messages"][-1])


def test_claude_code(desk: Desk) -> None:
    program = npm_package("claude-code", CLAUDE_CODE) / ".bin" / "claude"
    with Sandbox(_loop("Read", {"file_path": str(desk.note)})) as plan:
        said = desk.run(
            program,
            *("-p", QUESTION, "--allowedTools", "Read"),
            ANTHROPIC_BASE_URL=plan.base_url,
            ANTHROPIC_AUTH_TOKEN=plan.api_key,
            ANTHROPIC_MODEL="step-3.7-flash",
            ANTHROPIC_DEFAULT_HAIKU_MODEL="step-3.7-flash",
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            DISABLE_AUTOUPDATER="1",
        )
    assert "It is marzipan." in said
    _assert_the_note_was_read(plan)


@pytest.mark.parametrize("package", ["@ai-sdk/anthropic", "@ai-sdk/openai-compatible"], ids=["messages", "chat"])
def test_opencode(desk: Desk, package: str) -> None:
    program = npm_package("opencode", OPENCODE) / ".bin" / "opencode"
    with Sandbox(_loop("read", {"filePath": str(desk.note)})) as plan:
        place = {"baseURL": f"{plan.base_url}/v1", "apiKey": plan.api_key}
        config = {
            "provider": {"plan": {"npm": package, "options": place, "models": {"step-3.7-flash": {}}}},
            "model": "plan/step-3.7-flash",
            "small_model": "plan/step-3.7-flash",
            "agent": {"title": {"disable": True}},
            "autoupdate": False,
            "share": "disabled",
        }
        said = desk.run(
            program,
            *("run", QUESTION),
            OPENCODE_CONFIG_CONTENT=json.dumps(config),
            OPENCODE_DISABLE_AUTOUPDATE="1",
            OPENCODE_DISABLE_LSP_DOWNLOAD="1",
            OPENCODE_DISABLE_MODELS_FETCH="1",
        )
    assert "It is marzipan." in said
    _assert_the_note_was_read(plan)
