"""Coding agents complete a tool loop on the sandbox: they are the strictest readers of both protocols that there are.

Each is set up by the lines of docs/how-to/coding-agents.md, has a home of its own, sees nothing of the environment but
the path, and can reach nothing but loopback. Run by `make extra WHAT=clients`.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.dialects.installs import npm_package, python_package

pytestmark = pytest.mark.live

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "coding-agents.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8787/step_plan"
BLOCK = re.compile(r'```(?:json|yaml|sh)(?: title="~/(.*?)")?\n(.*?)```', re.DOTALL)

ENVIRONMENT = {
    # A proxy where nothing listens keeps everything else from getting out.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
    "NODE_USE_ENV_PROXY": "1",
    # What would be tried in vain.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}

Protocol = Literal["Chat Completions", "Messages"]
PATHS: dict[Protocol, str] = {
    "Chat Completions": "/step_plan/v1/chat/completions",
    "Messages": "/step_plan/v1/messages",
}
both_protocols = pytest.mark.parametrize("protocol", ["Chat Completions", "Messages"], ids=["chat", "messages"])


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an agent works."""

    home: Path
    note: Path

    def assert_the_note_is_read(
        self, agent: str, protocol: Protocol, tool: str, argument: str, *programs: Path
    ) -> None:
        """The agent is told to call its tool, and then what to say."""
        call = ToolCall(tool, {argument: str(self.note)})
        script = [Turn(reasoning="I read it.", tool_calls=[call]), Turn(reasoning="I know.", text="It is marzipan.")]
        with Sandbox(script) as plan:
            printed = self._follow(_recipe(agent, protocol).replace(ADDRESS, plan.base_url), programs)
        assert "It is marzipan." in printed
        assert not plan.pending
        asked = [request for request in plan.requests if request.body]
        assert {request.path for request in asked} == {PATHS[protocol]}
        assert any("the word is marzipan" in json.dumps(request.body["messages"]) for request in asked)

    def _follow(self, recipe: str, programs: tuple[Path, ...]) -> str:
        """What the agent printed."""
        commands = []
        for file, text in BLOCK.findall(recipe):
            if file:
                (self.home / file).parent.mkdir(parents=True)
                (self.home / file).write_text(text)
            else:
                commands.append(text)
        path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-e", "-c", "\n".join(commands)],
            env=ENVIRONMENT | {"PATH": path, "HOME": str(self.home)},
            cwd=self.note.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _recipe(agent: str, protocol: Protocol) -> str:
    """What the page says below these two headings."""
    text = PAGE
    for heading in (f"## {agent}", f"### {protocol}"):
        level = heading.split()[0]
        _, found, rest = text.partition(f"\n{heading}\n")
        assert found, f"the page has no {heading!r}"
        text = rest.partition(f"\n{level} ")[0]
    return text


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "note.txt").write_text("the word is marzipan\n")
    return Desk(home, work / "note.txt")


def test_claude_code(desk: Desk) -> None:
    programs = npm_package("claude-code", "@anthropic-ai/claude-code@2.1.330") / ".bin"
    desk.assert_the_note_is_read("Claude Code", "Messages", "Read", "file_path", programs)


@both_protocols
def test_opencode(desk: Desk, protocol: Protocol) -> None:
    programs = npm_package("opencode", "opencode-ai@1.18.33") / ".bin"
    desk.assert_the_note_is_read("opencode", protocol, "read", "filePath", programs)


@both_protocols
def test_openclaw(desk: Desk, protocol: Protocol) -> None:
    node = npm_package("node", "node@24.21.0") / ".bin"
    programs = npm_package("openclaw", "openclaw@2026.9.6", node=node) / ".bin"
    desk.assert_the_note_is_read("OpenClaw", protocol, "read", "path", programs, node)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="hermes-agent 0.19 needs a Python below 3.14")
@both_protocols
def test_hermes_agent(desk: Desk, protocol: Protocol) -> None:
    programs = python_package("hermes", "hermes-agent[anthropic]==0.19.0")
    desk.assert_the_note_is_read("Hermes Agent", protocol, "read_file", "path", programs)
