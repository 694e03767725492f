"""What the tracers of OpenTelemetry see: model, tokens, cached and reasoning ones too, finish reason, and no key."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.ways.llama_index import WAYS

ROOT = Path(__file__).parents[2]
USAGE = Usage(input_tokens=20, output_tokens=10, cached_tokens=8, reasoning_tokens=4)
TURN = Turn(reasoning="Hm.", text="Hello.", tool_calls=[ToolCall("look", {"x": 1})], usage=USAGE)


def traced(tracer: str, plan: Sandbox) -> list[tuple[int, dict[str, Any]]]:
    """The spans of the four ways to ask, on each protocol, with the number of prompt tokens.

    On Messages the server counts what the cache gave apart, and it is part of the prompt all the same.
    """
    pytest.importorskip(tracer.rpartition(".")[0])
    plan.script(*[TURN] * 8)
    account = {"base_url": plan.base_url, "api_key": plan.api_key}
    models = [{**account, "protocol": protocol, "temperature": 0.5} for protocol in ("openai", "anthropic")]
    # The namespace that is installed with us; one of the tracers imports it.
    folders = os.pathsep.join(map(str, (ROOT, ROOT / "distributions" / "llama-index-llms-stepplan")))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.programs.traced", tracer, json.dumps(models)],
        env={**os.environ, "PYTHONPATH": folders},
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    spans: list[dict[str, Any]] = json.loads(done.stdout)
    assert plan.api_key not in done.stdout
    return list(zip([20] * 4 + [28] * 4, spans, strict=True))


@pytest.mark.guarantees("llama-index-events")
@pytest.mark.interpreter
def test_openinference_sees_all_of_it(plan: Sandbox) -> None:
    spans = traced("openinference.instrumentation.llama_index", plan)

    assert [span["name"].partition("StepPlan.")[2] for _, span in spans] == [*WAYS, *WAYS]
    for prompt, span in spans:
        expected = {
            "openinference.span.kind": "LLM",
            "llm.model_name": "step-3.7-flash",
            "llm.finish_reason": "tool_calls",
            "llm.token_count.prompt": prompt,
            "llm.token_count.prompt_details.cache_read": 8,
            "llm.token_count.completion": 10,
            "llm.token_count.completion_details.reasoning": 4 if prompt == 20 else 0,
            "llm.token_count.total": prompt + 10,
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"x": 1}',
            "output.value": "assistant: Hello.",
        }
        assert {name: span.get(name) for name in expected} == expected


@pytest.mark.guarantees("llama-index-events")
@pytest.mark.interpreter
def test_openllmetry_sees_all_that_it_has_words_for(plan: Sandbox) -> None:
    """It has none for reasoning, and none for the number of its tokens."""
    for prompt, span in traced("opentelemetry.instrumentation.llamaindex", plan):
        expected = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "stepplan",
            "gen_ai.request.model": "step-3.7-flash",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": "step-3.7-flash",
            "gen_ai.usage.input_tokens": prompt,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.total_tokens": prompt + 10,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "gen_ai.response.finish_reasons": ["tool_call"],
        }
        assert {name: span.get(name) for name in expected} == expected
        assert "look" in span["gen_ai.output.messages"]
