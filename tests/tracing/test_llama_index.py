"""What tracers see of `StepPlan`: model, tokens, cached and reasoning ones too, finish reason, calls, and no key.

Where a convention has no attribute for one of these, or a tracer knows no value for it, the test names it.
"""

import json
from collections import Counter

import pytest

from stepplan.sandbox import Sandbox
from tests.support.tracing import answers, of, prompt_tokens, reasoning_tokens, traced
from tests.support.ways.llama_index import WAYS

pytestmark = pytest.mark.guarantees("tracers-see-it", "tracers-see-no-key")

OPENINFERENCE = "openinference.instrumentation.llama_index:LlamaIndexInstrumentor"
OPENLLMETRY = "opentelemetry.instrumentation.llamaindex:LlamaIndexInstrumentor"
OPENTELEMETRY = "opentelemetry.instrumentation.genai.llama_index:LlamaIndexInstrumentor"


@pytest.mark.interpreter
@pytest.mark.parametrize("sink", [(), ("langfuse",)], ids=["openinference", "openinference-to-langfuse"])
def test_openinference_sees_all_but_the_provider(plan: Sandbox, sink: tuple[str, ...]) -> None:
    """It knows the providers of its own list, by their classes. Langfuse takes its spans as they are."""
    spans = answers(traced(plan, "llama_index", *sink, OPENINFERENCE))

    assert [span["name"].partition("StepPlan.")[2] for _, span in spans] == [*WAYS, *WAYS]
    for protocol, span in spans:
        expected = {
            "openinference.span.kind": "LLM",
            "llm.model_name": "step-3.7-flash",
            "llm.finish_reason": "tool_calls",
            "llm.token_count.prompt": prompt_tokens(protocol),
            "llm.token_count.prompt_details.cache_read": 8,
            "llm.token_count.completion": 10,
            "llm.token_count.completion_details.reasoning": reasoning_tokens(protocol),
            "llm.token_count.total": prompt_tokens(protocol) + 10,
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"x": 1}',
            "output.value": "assistant: Hello.",
        }
        assert of(span, expected) == expected
        assert "llm.provider" not in span


@pytest.mark.interpreter
def test_openllmetry_sees_all_but_the_reasoning_tokens(plan: Sandbox) -> None:
    """It has no attribute for them. It never ends the span of a call that failed."""
    for protocol, span in answers(traced(plan, "llama_index", OPENLLMETRY), refusals=False):
        expected = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "stepplan",
            "gen_ai.request.model": "step-3.7-flash",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": "step-3.7-flash",
            "gen_ai.usage.input_tokens": prompt_tokens(protocol),
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.total_tokens": prompt_tokens(protocol) + 10,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.response.finish_reasons": ["tool_call"],
        }
        assert of(span, expected) == expected
        [message] = json.loads(span["gen_ai.output.messages"])
        assert [(part["name"], part["arguments"]) for part in message["parts"] if part["type"] == "tool_call"] == [
            ("look", {"x": 1})
        ]
        assert not [name for name in span if "reasoning" in name]


@pytest.mark.interpreter
def test_opentelemetrys_own_sees_the_agent_and_its_tools(plan: Sandbox) -> None:
    """It leaves the calls of a model to the instrumentation of the SDK underneath, and there is none here."""
    spans = traced(plan, "llama_index", OPENTELEMETRY, agent=True)
    assert Counter(span.get("gen_ai.operation.name") for span in spans) == {"invoke_agent": 2, "execute_tool": 2}
