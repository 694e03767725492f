"""What calls cost, added up by a callback handler: each endpoint, both protocols, from threads, tasks and agents."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from llama_index_stepplan import CostHandler
from stepplan import Cost, ProtocolName
from stepplan import Usage as CoreUsage
from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.marks import agents_use_old_pydantic
from tests.support.ways.llama_index import WAYS, Way, ask, make_llm

TURN = Turn(reasoning="Hm.", text="Yes.", usage=Usage(1000, 100, cached_tokens=600))


def counts(protocol: ProtocolName) -> CoreUsage:
    """What `TURN` counts as: on Messages, input from the cache comes on top of `input_tokens`."""
    return CoreUsage(1000 if protocol == "openai" else 1600, 100, cache_read_tokens=600)


@pytest.fixture
def costs() -> CostHandler:
    return CostHandler()


@pytest.mark.parametrize("way", WAYS)
async def test_each_chat_endpoint_is_counted_once(
    plan: Sandbox, protocol: ProtocolName, costs: CostHandler, way: Way
) -> None:
    plan.script(TURN, TURN, TURN)
    llm = make_llm(plan, protocol, callback_manager=CallbackManager([costs]))
    await ask(llm, way, "Hi")
    await ask(llm, way, "Hi")
    await ask(make_llm(plan, protocol), way, "Not counted.")
    assert costs.usage == {"step-3.7-flash": (twice := counts(protocol) + counts(protocol))}
    assert costs.cost == twice.cost("step-3.7-flash")


async def test_each_completion_endpoint_is_counted_once(
    plan: Sandbox, protocol: ProtocolName, costs: CostHandler
) -> None:
    plan.script(*[TURN] * 4)
    llm = make_llm(plan, protocol, callback_manager=CallbackManager([costs]))
    llm.complete("Hi")
    list(llm.stream_complete("Hi"))
    await llm.acomplete("Hi")
    assert [chunk async for chunk in await llm.astream_complete("Hi")]
    assert costs.usage["step-3.7-flash"].output_tokens == 400


class City(BaseModel):
    """A city."""

    name: str


@pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")
def test_objects_are_counted_once(plan: Sandbox, protocol: ProtocolName, costs: CostHandler) -> None:
    arguments, usage = {"name": "Paris"}, Usage(10, 1)
    as_text, as_call = (
        Turn(text=json.dumps(arguments), usage=usage),
        Turn(tool_calls=[ToolCall("City", arguments)], usage=usage),
    )
    plan.script(*[as_text if protocol == "openai" else as_call] * 3)
    llm = make_llm(plan, protocol, callback_manager=CallbackManager([costs]))
    structured = llm.as_structured_llm(City)
    structured.callback_manager = llm.callback_manager
    assert structured.complete("Paris.").raw == City(name="Paris")
    llm.structured_predict(City, PromptTemplate("Paris."))
    list(llm.stream_structured_predict(City, PromptTemplate("Paris.")))
    assert costs.usage == {"step-3.7-flash": CoreUsage(30, 3)}


def test_threads_add_to_one_handler(plan: Sandbox, protocol: ProtocolName, costs: CostHandler) -> None:
    plan.script(*[TURN] * 20)
    llm = make_llm(plan, protocol, callback_manager=CallbackManager([costs]))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: llm.complete("Hi"), range(20)))
    assert costs.usage["step-3.7-flash"].output_tokens == 2000


async def test_tasks_with_handlers_of_their_own_do_not_mix(plan: Sandbox, protocol: ProtocolName) -> None:
    plan.script(*[TURN] * 6)

    async def counted(calls: int) -> int:
        costs = CostHandler()
        llm = make_llm(plan, protocol, callback_manager=CallbackManager([costs]))
        for _ in range(calls):
            await llm.acomplete("Hi")
        return costs.usage["step-3.7-flash"].output_tokens

    assert await asyncio.gather(*(counted(calls) for calls in (1, 2, 3))) == [100, 200, 300]


@agents_use_old_pydantic
async def test_an_agents_calls_are_counted(plan: Sandbox, protocol: ProtocolName, costs: CostHandler) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look")], usage=Usage(10, 1)), Turn(text="Done.", usage=Usage(20, 2)))

    def look() -> str:
        """Look."""
        return "seen"

    llm = make_llm(plan, protocol, callback_manager=CallbackManager([costs]))
    await FunctionAgent(tools=[look], llm=llm).run("Look.")
    assert costs.usage == {"step-3.7-flash": CoreUsage(30, 3)}


@pytest.mark.parametrize(
    "answer",
    [
        ChatResponse(message=ChatMessage("Hi"), raw={"usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
        ChatResponse(message=ChatMessage("Hi"), raw={"usage": None}),
        ChatResponse(message=ChatMessage("Hi"), raw=None),
        CompletionResponse(text="Hi", raw={}),
        None,
    ],
)
def test_other_librarys_answers_are_left_out(costs: CostHandler, answer: object) -> None:
    manager = CallbackManager([costs])
    manager.on_event_end(CBEventType.LLM, payload={EventPayload.RESPONSE: answer})
    manager.on_event_end(CBEventType.LLM, payload={EventPayload.EXCEPTION: ValueError()})
    assert (costs.usage, costs.cost) == ({}, Cost(0.0))
