"""A long conversation survives its process, and goes on over the other protocol."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from stepplan import ProtocolName
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.programs.conversation import PIXEL, Report, go_on
from tests.support.ways.langchain import Models

pytestmark = pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")

TURNS = 60
LAST = range(TURNS - 1, TURNS + 1)


def turns(turn: int, protocol: ProtocolName) -> list[Turn]:
    """Two tools at once, then the report: in the text, or as the call that stands for it."""
    city = f"city {turn}"
    report = {"city": city, "sunny": True}
    names = ("get_weather", "get_view" if turn % 2 else "get_forecast")
    looks = [ToolCall(name, {"city": city}, f"{name}_{turn}") for name in names]
    if protocol == "openai":
        said = Turn(reasoning=f"Known {turn}.", text=json.dumps(report))
    else:
        said = Turn(reasoning=f"Known {turn}.", tool_calls=[ToolCall("Report", report, f"report_{turn}")])
    return [Turn(reasoning=f"Looking {turn}.", text="Let me see.", tool_calls=looks), said]


@pytest.mark.guarantees("reasoning-goes-back")
@pytest.mark.interpreter
def test_sixty_turns_go_on_in_a_new_process_over_the_other_protocol(
    model_for: Models, plan: Sandbox, protocol: ProtocolName, tmp_path: Path
) -> None:
    other: ProtocolName = "anthropic" if protocol == "openai" else "openai"
    database, copy = tmp_path / "journey.sqlite", tmp_path / "copy.sqlite"
    for turn in range(1, LAST[0]):
        plan.script(*turns(turn, protocol))
    *_, (report, messages) = go_on(model_for(protocol), database, range(1, LAST[0]))
    assert report == Report(city=f"city {LAST[0] - 1}", sunny=True)
    assert sum(isinstance(message, ToolMessage) for message in messages) >= 2 * (LAST[0] - 1)
    shutil.copy(database, copy)

    plan.script(*(item for turn in LAST for item in turns(turn, other)))
    resumed = in_a_new_process(database, other, plan)
    last_request = plan.requests[-1]
    plan.script(*(item for turn in LAST for item in turns(turn, protocol)))
    stayed = [report.model_dump() for report, _ in go_on(model_for(protocol), copy, LAST)]

    assert resumed == stayed == [{"city": f"city {turn}", "sunny": True} for turn in LAST]
    assert last_request.protocol == other
    assert_all_is_there(json.dumps(last_request.body))


def in_a_new_process(database: Path, protocol: ProtocolName, plan: Sandbox) -> Any:
    command = [
        sys.executable,
        "-m",
        "tests.support.programs.conversation",
        str(database),
        protocol,
        plan.base_url,
        plan.api_key,
    ]
    ended = subprocess.run(
        [*command, str(LAST[0]), str(LAST[-1])], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def assert_all_is_there(wire: str) -> None:
    """Every turn's question, pictures, thoughts, words, calls and results went out again with the last request."""
    for turn in range(1, TURNS + 1):
        for words in (f"How is it in city {turn}?", f"Looking {turn}.", f"sunny in city {turn}", f"get_weather_{turn}"):
            assert words in wire, words
        assert turn == TURNS or f"Known {turn}." in wire
    assert wire.count(PIXEL) == TURNS // 2 + TURNS // 7


def test_a_checkpoint_holds_messages_of_langchains_own_classes(
    model_for: Models, plan: Sandbox, protocol: ProtocolName, tmp_path: Path
) -> None:
    plan.script(*turns(1, protocol))
    [(_, messages)] = go_on(model_for(protocol, streaming=True), tmp_path / "journey.sqlite", range(1, 2))
    assert {type(message) for message in messages if message.type == "ai"} == {AIMessage}
