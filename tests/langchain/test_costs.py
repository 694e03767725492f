"""What calls cost, added up by a callback: each way, both protocols, from threads, tasks and agents."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from langchain_stepplan import ChatStepPlan, CostCallbackHandler, get_cost_callback
from stepplan import Cost
from stepplan import Usage as CoreUsage
from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.agents.langchain import create_agent
from tests.support.ways.langchain import WAYS, Models, Way, v3

TURN = Turn(reasoning="Hm.", text="Yes.", usage=Usage(1000, 100, cached_tokens=600))


def counts(protocol: str) -> CoreUsage:
    """What `TURN` counts as: on Messages, input from the cache comes on top of `input_tokens`."""
    return CoreUsage(1000 if protocol == "openai" else 1600, 100, cache_read_tokens=600)


@pytest.mark.parametrize("way", [*WAYS, v3])
async def test_a_block_counts_every_way_to_call(model: ChatStepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(TURN, TURN, TURN)
    with get_cost_callback() as costs:
        await way(model, "Hi")
        await way(model, "Hi")
    await way(model, "Not counted.")
    assert costs.usage == {"step-3.7-flash": (twice := counts(model.protocol) + counts(model.protocol))}
    assert costs.cost == twice.cost("step-3.7-flash")


def test_every_count_is_kept() -> None:
    message = AIMessage(
        "Yes.",
        response_metadata={"model_provider": "stepplan", "model_name": "step-3.7-flash"},
        usage_metadata={
            "input_tokens": 1000,
            "output_tokens": 100,
            "total_tokens": 1100,
            "input_token_details": {"cache_read": 600, "cache_creation": 30},
            "output_token_details": {"reasoning": 70},
        },
    )
    costs = CostCallbackHandler()
    costs.on_llm_end(LLMResult(generations=[[ChatGeneration(message=message)]]))
    assert costs.usage == {"step-3.7-flash": CoreUsage(1000, 100, 600, 30, 70)}


@pytest.mark.parametrize("way", WAYS)
async def test_a_handler_counts_where_it_is_attached(model: ChatStepPlan, plan: Sandbox, way: Way) -> None:
    plan.script(TURN, TURN)
    costs = CostCallbackHandler()
    await way(model.with_config(callbacks=[costs]), "Hi")
    await way(model, "Not counted.")
    assert costs.costs == {"step-3.7-flash": counts(model.protocol).cost("step-3.7-flash")}


def test_models_are_told_apart_and_standard_blocks_count_too(model_for: Models, plan: Sandbox) -> None:
    plan.script(TURN, TURN)
    with get_cost_callback() as costs:
        model_for("openai", model="step-5-preview", output_version="v1").invoke("Hi")
        model_for("anthropic", model="step-3.5-flash", output_version="v1").invoke("Hi")
    assert costs.usage == {"step-5-preview": counts("openai"), "step-3.5-flash": counts("anthropic")}


def test_threads_and_batches_add_to_one_block(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(*[TURN] * 24)
    with get_cost_callback() as costs:
        model.batch(["Hi"] * 12)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.invoke("Hi", config={"callbacks": [costs]}), range(12)))
    assert costs.usage["step-3.7-flash"].output_tokens == 2400


async def test_blocks_of_concurrent_tasks_do_not_mix(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(*[TURN] * 6)

    async def counted(calls: int) -> int:
        with get_cost_callback() as costs:
            for _ in range(calls):
                await model.ainvoke("Hi")
        return costs.usage["step-3.7-flash"].output_tokens

    assert await asyncio.gather(*(counted(calls) for calls in (1, 2, 3))) == [100, 200, 300]


def test_an_agents_calls_are_counted(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look")], usage=Usage(10, 1)), Turn(text="Done.", usage=Usage(20, 2)))

    def look() -> str:
        """Look."""
        return "seen"

    with get_cost_callback() as costs:
        for _ in create_agent(model, [look]).stream({"messages": [("user", "Look.")]}, stream_mode="messages"):
            pass
    assert costs.usage == {"step-3.7-flash": CoreUsage(30, 3)}


def test_other_providers_are_left_out() -> None:
    with get_cost_callback() as costs:
        FakeListChatModel(responses=["Hi"]).invoke("Hi")
    assert (costs.usage, costs.cost) == ({}, Cost(0.0))
