"""Anthropic's own client completes the main job with the sandbox: text, stream, tool call, tool result."""

from collections.abc import Iterator
from typing import Any

import pytest

from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage

anthropic = pytest.importorskip("anthropic")

QUESTION: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris and Rome?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ASKED: dict[str, Any] = {"model": "step-3.7-flash", "max_tokens": 1000}
TOOLS = [{"name": "get_weather", "input_schema": SCHEMA}]
ANSWER = Turn(reasoning="想一想.", text="你好 🎉.", usage=Usage(12, 7))
CALLS = Turn(
    reasoning="Both.",
    text="Let me see.",
    tool_calls=[
        ToolCall("get_weather", {"city": "Paris"}, "call_1"),
        ToolCall("get_weather", {"city": "罗马"}, "call_2"),
    ],
)


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


@pytest.fixture
def client(plan: Sandbox) -> Iterator[Any]:
    with anthropic.Anthropic(api_key=plan.api_key, base_url=plan.base_url, max_retries=0) as client:
        yield client


def ask(client: Any, streamed: bool, **fields: Any) -> Any:
    if not streamed:
        return client.messages.create(**ASKED, **fields)
    with client.messages.stream(**ASKED, **fields) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("streamed", [False, True])
def test_text(plan: Sandbox, client: Any, streamed: bool) -> None:
    plan.script(ANSWER)
    message = ask(client, streamed, messages=QUESTION)
    assert message.stop_reason == "end_turn"
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "想一想."
    assert len(message.content[0].signature) == 32
    assert message.content[1].text == "你好 🎉."
    assert (message.usage.input_tokens, message.usage.output_tokens) == (12, 7)


def test_a_stream(plan: Sandbox, client: Any) -> None:
    plan.script(ANSWER)
    with client.messages.stream(**ASKED, messages=QUESTION) as stream:
        assert "".join(stream.text_stream) == "你好 🎉."


@pytest.mark.parametrize("streamed", [False, True])
def test_tool_calls_and_their_results(plan: Sandbox, client: Any, streamed: bool) -> None:
    plan.script(CALLS)
    message = ask(client, streamed, messages=QUESTION, tools=TOOLS)
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    calls = [(block.id, block.name, block.input) for block in message.content[2:]]
    assert calls == [("call_1", "get_weather", {"city": "Paris"}), ("call_2", "get_weather", {"city": "罗马"})]

    said = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}
    results = [
        {"type": "tool_result", "tool_use_id": id, "content": f"Sunny in {args['city']}"} for id, _, args in calls
    ]
    history = [*QUESTION, said, {"role": "user", "content": results}]
    final = ask(client, streamed, messages=history, tools=TOOLS)
    assert final.stop_reason == "end_turn"
    assert "Sunny in Paris" in final.content[-1].text
    assert "Sunny in 罗马" in final.content[-1].text


def test_counts_and_refusals(plan: Sandbox, client: Any) -> None:
    assert client.messages.count_tokens(model=ASKED["model"], messages=QUESTION).input_tokens > 3
    with pytest.raises(anthropic.AuthenticationError, match="Incorrect API key"):
        ask(client.with_options(api_key="wrong"), streamed=False, messages=QUESTION)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="step-9", max_tokens=10, messages=QUESTION)
