"""OpenAI's own client completes the main job with the sandbox: text, stream, tool call, tool result."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage

openai = pytest.importorskip("openai")

MODEL = "step-3.7-flash"
QUESTION: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris and Rome?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
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
    with openai.OpenAI(api_key=plan.api_key, base_url=f"{plan.base_url}/v1", max_retries=0) as client:
        yield client


def test_text(plan: Sandbox, client: Any) -> None:
    plan.script(ANSWER)
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION)
    [choice] = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content == "你好 🎉."
    assert choice.message.reasoning == choice.message.reasoning_content == "想一想."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 7, 19)


def test_a_stream(plan: Sandbox, client: Any) -> None:
    plan.script(ANSWER)
    chunks = list(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "你好 🎉."
    assert "".join(getattr(delta, "reasoning", None) or "" for delta in deltas) == "想一想."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.total_tokens == 19


@pytest.mark.parametrize("streamed", [False, True])
def test_tool_calls_and_their_results(plan: Sandbox, client: Any, streamed: bool) -> None:
    plan.script(CALLS)
    if streamed:
        with client.chat.completions.stream(model=MODEL, messages=QUESTION, tools=TOOLS) as stream:
            [choice] = stream.get_final_completion().choices
    else:
        [choice] = client.chat.completions.create(model=MODEL, messages=QUESTION, tools=TOOLS).choices
    assert choice.finish_reason == "tool_calls"
    calls = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert calls == [("call_1", "get_weather", {"city": "Paris"}), ("call_2", "get_weather", {"city": "罗马"})]

    # The SDK adds up what every chunk holds, the role too, which the plan repeats.
    said = {"role": "assistant", **choice.message.model_dump(include={"content", "tool_calls"}, exclude_none=True)}
    results = [{"role": "tool", "tool_call_id": id, "content": f"Sunny in {args['city']}"} for id, _, args in calls]
    final = client.chat.completions.create(model=MODEL, messages=[*QUESTION, said, *results], tools=TOOLS)
    assert final.choices[0].finish_reason == "stop"
    assert "Sunny in Paris" in final.choices[0].message.content
    assert "Sunny in 罗马" in final.choices[0].message.content


def test_models_and_refusals(plan: Sandbox, client: Any) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        client.with_options(api_key="wrong").chat.completions.create(model=MODEL, messages=QUESTION)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="step-9", messages=QUESTION)
