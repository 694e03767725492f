"""What tracers see of `ChatStepPlan`: model, provider, tokens, cached and reasoning ones too, finish reason, calls, and
no key.

Where a convention has no attribute for one of these, or a tracer knows no value for it, the test names it.
"""

import json
from collections import Counter
from typing import Any

import pytest

from stepplan.sandbox import Sandbox
from tests.support.tracing import answers, of, prompt_tokens, reasoning_tokens, traced

pytestmark = pytest.mark.guarantees("tracers-see-it", "tracers-see-no-key")

OPENINFERENCE = "openinference.instrumentation.langchain:LangChainInstrumentor"
OPENLLMETRY = "opentelemetry.instrumentation.langchain:LangchainInstrumentor"
OPENTELEMETRY = "opentelemetry.instrumentation.genai.langchain:LangChainInstrumentor"
# Without it, these spans hold no messages.
CONTENT = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}


def calls(parts: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(part["name"], part["arguments"]) for part in parts if part["type"] == "tool_call"]


def usage_metadata(protocol: str) -> dict[str, Any]:
    reasoning = reasoning_tokens(protocol)
    return {
        "input_tokens": prompt_tokens(protocol),
        "output_tokens": 10,
        "total_tokens": prompt_tokens(protocol) + 10,
        "input_token_details": {"cache_read": 8},
        **({"output_token_details": {"reasoning": reasoning}} if reasoning else {}),
    }


@pytest.mark.interpreter
def test_opentelemetrys_own_sees_all_of_it(plan: Sandbox) -> None:
    for number, (protocol, span) in enumerate(answers(traced(plan, "langchain", OPENTELEMETRY, environment=CONTENT))):
        expected = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "stepplan",
            "gen_ai.request.model": "step-3.7-flash",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 99,
            "gen_ai.request.stream": True if number % 2 else None,
            "gen_ai.response.model": "step-3.7-flash",
            "gen_ai.response.finish_reasons": ["tool_calls"],
            "gen_ai.usage.input_tokens": prompt_tokens(protocol),
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.usage.reasoning.output_tokens": reasoning_tokens(protocol) or None,
        }
        assert of(span, expected) == expected
        assert ("gen_ai.response.time_to_first_chunk" in span) == bool(number % 2)
        assert span["gen_ai.response.id"]
        [message] = json.loads(span["gen_ai.output.messages"])
        assert calls(message["parts"]) == [("look", {"x": 1})]
        assert json.loads(span["gen_ai.tool.definitions"])[0]["name"] == "look"


@pytest.mark.interpreter
def test_opentelemetrys_own_sees_an_agent_as_a_tree(plan: Sandbox) -> None:
    spans = traced(plan, "langchain", OPENTELEMETRY, agent=True)
    seen = Counter(span.get("gen_ai.operation.name") for span in spans)
    assert (seen["chat"], seen["execute_tool"]) == (4, 2)


@pytest.mark.interpreter
def test_openinference_sees_all_of_it(plan: Sandbox) -> None:
    for protocol, span in answers(traced(plan, "langchain", OPENINFERENCE)):
        expected = {
            "openinference.span.kind": "LLM",
            "llm.provider": "stepplan",
            "llm.model_name": "step-3.7-flash",
            "llm.finish_reason": "tool_calls",
            "llm.token_count.prompt": prompt_tokens(protocol),
            "llm.token_count.prompt_details.cache_read": 8,
            "llm.token_count.completion": 10,
            "llm.token_count.completion_details.reasoning": reasoning_tokens(protocol) or None,
            "llm.token_count.total": prompt_tokens(protocol) + 10,
            "llm.output_messages.0.message.content": "Hello.",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"x": 1}',
        }
        assert of(span, expected) == expected


@pytest.mark.interpreter
def test_openllmetry_sees_all_but_provider_and_reasoning_tokens(plan: Sandbox) -> None:
    """It knows the providers of its own list, by their classes' names, and has no attribute for reasoning tokens."""
    for protocol, span in answers(traced(plan, "langchain", OPENLLMETRY)):
        expected = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "langchain",
            "traceloop.association.properties.ls_provider": "stepplan",
            "gen_ai.request.model": "step-3.7-flash",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 99,
            "gen_ai.response.model": "step-3.7-flash",
            "gen_ai.response.finish_reasons": ["tool_call"],
            "gen_ai.usage.input_tokens": prompt_tokens(protocol),
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.total_tokens": prompt_tokens(protocol) + 10,
            "gen_ai.usage.cache_read.input_tokens": 8,
        }
        assert of(span, expected) == expected
        [message] = json.loads(span["gen_ai.output.messages"])
        assert calls(message["parts"]) == [("look", {"x": 1})]
        assert not [name for name in span if "reasoning" in name]


@pytest.mark.interpreter
def test_langsmiths_spans_hold_all_but_say_langchain_for_the_system(plan: Sandbox) -> None:
    """It guesses the system from the model's name, and has the finish reason and the calls only within the message."""
    switches = {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_TRACING_MODE": "otel",
        "LANGSMITH_API_KEY": "lsv2-1",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
    }
    for protocol, span in answers(traced(plan, "langchain", "langsmith", environment=switches)):
        expected = {
            "langsmith.span.kind": "llm",
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "langchain",
            "langsmith.metadata.ls_provider": "stepplan",
            "gen_ai.request.model": "step-3.7-flash",
            "gen_ai.usage.input_tokens": prompt_tokens(protocol),
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.total_tokens": prompt_tokens(protocol) + 10,
        }
        assert of(span, expected) == expected
        assert json.loads(span["langsmith.metadata.usage_metadata"]) == usage_metadata(protocol)
        [[generation]] = json.loads(span["gen_ai.completion"])["generations"]
        assert generation["generation_info"]["finish_reason"] == "tool_calls"
        assert generation["message"]["kwargs"]["tool_calls"][0]["args"] == {"x": 1}
        assert "lsv2-1" not in span["whole"]


@pytest.mark.interpreter
def test_langfuse_sees_all_but_the_finish_reason(plan: Sandbox) -> None:
    """Of an answer it keeps content, tool calls and reasoning."""
    for protocol, span in answers(traced(plan, "langchain", "langfuse")):
        assert span["langfuse.observation.type"] == "generation"
        assert span["langfuse.observation.model.name"] == "step-3.7-flash"
        assert json.loads(span["langfuse.observation.metadata.ls_provider"]) == "stepplan"
        assert json.loads(span["langfuse.observation.model.parameters"]) == {"temperature": 0.5, "max_tokens": 99}
        reasoning = reasoning_tokens(protocol)
        assert json.loads(span["langfuse.observation.usage_details"]) == {
            "input": prompt_tokens(protocol) - 8,
            "input_cache_read": 8,
            "output": 10 - reasoning,
            **({"output_reasoning": reasoning} if reasoning else {}),
            "total": prompt_tokens(protocol) + 10,
        }
        output = json.loads(span["langfuse.observation.output"])
        assert (output["content"], output["tool_calls"][0]["args"]) == ("Hello.", {"x": 1})
        assert output["additional_kwargs"]["reasoning_content"] == "Hm."
        assert "finish_reason" not in span["whole"]
