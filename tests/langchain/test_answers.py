"""An answer is the same message, whichever way it is asked for and whichever protocol it came over."""

from typing import Any

import pytest
from langchain_core.tools import tool

from langchain_stepplan import ChatStepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.ways.langchain import WAYS, Models, Way, essence, total


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


TURN = Turn(
    reasoning="They ask for two cities. 两个。",
    text="Let me look.",
    tool_calls=[
        ToolCall("get_weather", {"city": "北京"}, "call_1"),
        ToolCall("get_weather", {"city": "Köln"}, "call_2"),
    ],
    usage=Usage(20, 30, cached_tokens=5),
)


@pytest.mark.guarantees("langchain-content-is-text", "reasoning-arrives")
@pytest.mark.parametrize("way", WAYS)
async def test_reasoning_text_calls_and_usage_arrive(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(TURN)
    message = await way(model.bind_tools([get_weather]), "weather?")
    assert message.content == "Let me look."
    assert message.additional_kwargs["reasoning_content"] == "They ask for two cities. 两个。"
    assert [block["type"] for block in message.content_blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    assert message.content_blocks[0].get("reasoning") == "They ask for two cities. 两个。"
    assert message.tool_calls == [
        {"type": "tool_call", "id": "call_1", "name": "get_weather", "args": {"city": "北京"}},
        {"type": "tool_call", "id": "call_2", "name": "get_weather", "args": {"city": "Köln"}},
    ]
    assert message.response_metadata["model_name"] == "step-3.7-flash"
    assert message.response_metadata["model_provider"] == "stepplan"
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 30
    assert message.usage_metadata.get("input_token_details") == {"cache_read": 5}


@pytest.mark.guarantees("same-every-way")
async def test_every_way_gives_the_same_message(model_for: Models, plan: Sandbox, protocol: ProtocolName) -> None:
    model = model_for(protocol).bind_tools([get_weather])
    seen: list[dict[str, Any]] = []
    for way in WAYS:
        plan.script(TURN)
        seen.append(without_signature(essence(await way(model, "weather?"))))
    assert all(other == seen[0] for other in seen), seen


def without_signature(message: dict[str, Any]) -> dict[str, Any]:
    """The sandbox signs every answer anew."""
    for block in message["additional_kwargs"].get("stepplan_blocks", ()):
        block.pop("signature", None)
    for block in message["content_blocks"]:
        block.get("extras", {}).pop("signature", None)
    return message


@pytest.mark.guarantees("usage-always", "finish-and-model-once", "stream-options")
@pytest.mark.parametrize("counted", [True, False])
def test_no_metadata_is_repeated_in_a_stream(
    model_for: Models, plan: Sandbox, protocol: ProtocolName, counted: bool
) -> None:
    plan.script(TURN)
    chunks = list(model_for(protocol, stream_usage=counted).stream("hi"))
    assert [chunk for chunk in chunks if chunk.usage_metadata is not None] == chunks[-1:]
    assert chunks[-1].chunk_position == "last"
    message = total(chunks)
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.response_metadata["model_name"] == "step-3.7-flash"
