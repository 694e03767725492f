"""Conversations that LangChain's other chat models began go on with this one, over both protocols.

The messages are what those models really make of the sandbox's answers. They are installed by
`make peers` only.
"""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_stepplan import ChatStepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.peers.candidates import Candidate, installed
from tests.peers.features import Bench
from tests.support.ways.langchain import body_of, total

pytest.importorskip("langchain_openai", reason="LangChain's own are not installed: see `make peers`")

PEERS = [candidate for candidate in installed("langchain") if not candidate.is_ours]
SAID = Turn(reasoning="SECRET", text="Let me look.", tool_calls=[ToolCall("look", {"place": "北京"}, "call_1")])


def look(place: str) -> str:
    """Look at a place."""
    return place


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_another_model_gave_goes_on_here_without_its_reasoning(
    peer: Candidate, plan: Sandbox, model: ChatStepPlan, streamed: bool, version: str
) -> None:
    plan.script(SAID)
    other: Any = Bench(peer, plan).llm(output_version=version).bind_tools([look])
    said: AIMessage = total(list(other.stream("go"))) if streamed else other.invoke("go")
    body = body_of(model, [HumanMessage("go"), said, ToolMessage("晴", tool_call_id="call_1")])
    assert "SECRET" not in json.dumps(body)
    turn, result = body["messages"][1:]
    if model.protocol == "openai":
        assert turn["content"] == "Let me look."
        assert json.loads(turn["tool_calls"][0]["function"]["arguments"]) == {"place": "北京"}
        assert turn["tool_calls"][0]["id"] == result["tool_call_id"] == "call_1"
    else:
        call = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "北京"}}
        assert turn["content"] == [{"type": "text", "text": "Let me look."}, call]
        assert result["content"][0]["tool_use_id"] == "call_1"
