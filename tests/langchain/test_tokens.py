"""Token counts: exact ones from the plan, and estimates that need nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages

from langchain_stepplan import AuthenticationError, ChatStepPlan
from stepplan.sandbox import Sandbox
from tests.support.ways.langchain import Models

MODEL = ChatStepPlan()

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of the city"},
                "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
                "days": {"type": "integer", "minimum": 1, "maximum": 14},
            },
            "required": ["city"],
        },
    },
}

SAMPLES = json.loads((Path(__file__).parent / "token_samples.json").read_text("utf-8"))["samples"]


@pytest.mark.guarantees("langchain-token-estimate")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_an_estimate_is_within_thirty_percent_of_two_tokenizers(sample: dict[str, Any]) -> None:
    average = (sample["deepseek"] + sample["mistral"]) / 2
    assert 0.7 <= MODEL.get_num_tokens(sample["text"]) / average <= 1.3


def test_estimates_of_messages_count_words_calls_results_pictures_and_tools() -> None:
    hello = MODEL.get_num_tokens_from_messages([HumanMessage("hello")])
    assert hello == MODEL.get_num_tokens("hello") + 4
    image = {"type": "image", "url": "https://example.org/a.png"}
    assert MODEL.get_num_tokens_from_messages([HumanMessage(["hello", image])]) == hello + 1000
    assert MODEL.get_num_tokens_from_messages([HumanMessage("hello")], tools=[TOOL]) > hello + 50
    call = {"type": "tool_call", "id": "a", "name": "look", "args": {"place": "Paris"}}
    called: list[BaseMessage] = [
        HumanMessage("hello"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("sunny", tool_call_id="a"),
    ]
    assert MODEL.get_num_tokens_from_messages(called) > hello + 10


def test_a_longer_conversation_never_counts_less() -> None:
    messages: list[BaseMessage] = [HumanMessage("One 一 1 !") for _ in range(5)]
    counts = [MODEL.get_num_tokens_from_messages(messages[:length]) for length in range(6)]
    assert counts == sorted(set(counts))


def test_messages_can_be_trimmed_to_a_number_of_tokens() -> None:
    messages = [SystemMessage("Be brief."), *(HumanMessage(f"Question number {number}?") for number in range(100))]
    kept = trim_messages(messages, max_tokens=100, token_counter=MODEL, strategy="last", include_system=True)
    assert kept[0] == messages[0]
    assert kept[-1] == messages[-1]
    assert 5 < len(kept) < 20
    assert MODEL.get_num_tokens_from_messages(kept) <= 100


def test_ones_own_tokenizer_is_used() -> None:
    model = ChatStepPlan(custom_get_token_ids=lambda text: [1] * len(text))
    assert model.get_num_tokens("four") == 4
    assert model.get_token_ids("four") == [1, 1, 1, 1]
    with pytest.raises(NotImplementedError, match="count_tokens"):
        MODEL.get_token_ids("four")


@pytest.mark.guarantees("langchain-token-estimate")
@pytest.mark.interpreter
def test_estimates_import_no_tokenizer() -> None:
    program = (
        "import sys; from langchain_stepplan import ChatStepPlan; print(ChatStepPlan().get_num_tokens('hello'));"
        "assert not {'transformers', 'tiktoken', 'torch', 'openai', 'anthropic', 'llama_index'} & set(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr


@pytest.mark.guarantees("langchain-token-estimate")
async def test_the_plan_counts_exactly(model: ChatStepPlan, plan: Sandbox) -> None:
    messages = [SystemMessage("Be brief."), HumanMessage("hello")]
    counted = model.count_tokens(messages, tools=[TOOL])
    assert counted == await model.acount_tokens(messages, tools=[TOOL]) > model.count_tokens("hello")
    first = plan.requests[0]
    assert first.path.endswith("/v1/messages/count_tokens")
    assert first.body["system"] == "Be brief."
    assert [tool["name"] for tool in first.body["tools"]] == ["get_weather"]
    assert model.count_tokens(messages) == usage_of(model, messages)


def usage_of(model: ChatStepPlan, messages: Any) -> int:
    usage = model.invoke(messages).usage_metadata
    assert usage is not None
    return usage["input_tokens"]


async def test_a_count_that_fails_is_an_error_of_both_families(model_for: Models) -> None:
    model = model_for("openai", api_key="wrong")
    with pytest.raises(AuthenticationError):
        model.count_tokens("hello")
    with pytest.raises(AuthenticationError):
        await model.acount_tokens("hello")
