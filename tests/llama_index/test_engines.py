"""Query and chat engines over real retrieval, on both protocols: what they make of the model's answers."""

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.response.schema import PydanticResponse
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.selectors import LLMSingleSelector, PydanticMultiSelector, PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.corpus import retriever
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for, leaves_loops_open

pytestmark = forced_choice_is_asked_for

QUESTION = "Where is the key read from, when it is unset and first needed?"


def test_the_passages_that_were_found_are_what_the_model_sees(llm: StepPlan, plan: Sandbox) -> None:
    answer = RetrieverQueryEngine.from_args(retriever(top_k=1), llm=llm).query(QUESTION)

    [node] = answer.source_nodes
    assert "STEP_API_KEY" in node.node.get_content()
    assert node.node.get_content() in str(plan.requests[0].body["messages"][-1]["content"])


class Finding(BaseModel):
    """What was found."""

    variable: str
    certain: bool


@pytest.mark.guarantees("llama-index-agents")
@pytest.mark.parametrize("mode", [ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE, ResponseMode.REFINE])
async def test_a_query_can_be_answered_with_an_object(llm: StepPlan, mode: ResponseMode) -> None:
    engine = RetrieverQueryEngine.from_args(retriever(1), llm=llm, response_mode=mode, output_cls=Finding)
    whole, awaited = engine.query(QUESTION), await engine.aquery(QUESTION)

    assert isinstance(whole, PydanticResponse)
    assert isinstance(whole.response, Finding)
    assert isinstance(awaited, PydanticResponse)
    assert awaited.response == whole.response


async def test_answers_can_be_filtered_by_what_the_model_thinks_of_them(llm: StepPlan) -> None:
    engine = RetrieverQueryEngine.from_args(
        retriever(), llm=llm, response_mode=ResponseMode.REFINE, structured_answer_filtering=True
    )

    assert str(engine.query(QUESTION))
    assert str(await engine.aquery(QUESTION))


def tools(llm: StepPlan) -> list[QueryEngineTool]:
    """Two engines to choose from."""
    engine = RetrieverQueryEngine.from_args(retriever(1), llm=llm)
    return [
        QueryEngineTool.from_defaults(engine, name="docs", description="About how the package is used."),
        QueryEngineTool.from_defaults(engine, name="rules", description="About how it is developed."),
    ]


@leaves_loops_open
@pytest.mark.parametrize("selector", [PydanticSingleSelector, PydanticMultiSelector])
async def test_a_router_chooses_with_a_tool_call(
    llm: StepPlan, plan: Sandbox, selector: type[PydanticSingleSelector | PydanticMultiSelector]
) -> None:
    choice = {"index": 2, "reason": "It is about rules."}
    single = selector is PydanticSingleSelector
    call = ToolCall("SingleSelection", choice) if single else ToolCall("MultiSelection", {"selections": [choice]})
    router = RouterQueryEngine.from_defaults(tools(llm), llm=llm, selector=selector.from_defaults(llm=llm))
    plan.script(Turn(tool_calls=[call]))
    whole: Any = router.query(QUESTION)
    plan.script(Turn(tool_calls=[call]))
    awaited: Any = await router.aquery(QUESTION)

    for answer in (whole, awaited):
        assert str(answer)
        assert answer.metadata["selector_result"].inds == [1]


async def test_a_router_chooses_by_text(llm: StepPlan, plan: Sandbox) -> None:
    router = RouterQueryEngine.from_defaults(tools(llm), llm=llm, selector=LLMSingleSelector.from_defaults(llm=llm))
    choice = Turn(reasoning="Rules.", text='[{"choice": 2, "reason": "It is about rules."}]')
    plan.script(choice)
    whole: Any = router.query(QUESTION)
    plan.script(choice)
    awaited: Any = await router.aquery(QUESTION)

    for answer in (whole, awaited):
        assert str(answer)
        assert answer.metadata["selector_result"].ind == 1


@leaves_loops_open
@pytest.mark.parametrize("use_async", [False, True])
async def test_sub_questions_are_asked_and_put_together(llm: StepPlan, plan: Sandbox, use_async: bool) -> None:
    questions = (
        '```json\n{"items": [{"sub_question": "Which variable?", "tool_name": "docs"}, '
        '{"sub_question": "Which checks?", "tool_name": "rules"}]}\n```'
    )
    engine = SubQuestionQueryEngine.from_defaults(
        tools(llm),
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
        use_async=use_async,
        verbose=False,
    )
    plan.script(Turn(text=questions))
    whole = engine.query(QUESTION)
    plan.script(Turn(text=questions))
    awaited = await engine.aquery(QUESTION)

    assert str(whole) == str(awaited)
    assert len(whole.source_nodes) >= 2
    assert "Which checks?" in str([request.body for request in plan.requests])


Make = Callable[[StepPlan], BaseChatEngine]
CHAT_ENGINES: dict[str, Make] = {
    "simple": lambda llm: SimpleChatEngine.from_defaults(
        llm=llm, system_prompt="Be brief.", memory=ChatMemoryBuffer.from_defaults(llm=llm)
    ),
    "context": lambda llm: ContextChatEngine.from_defaults(
        retriever(1), llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm)
    ),
    "condense question": lambda llm: CondenseQuestionChatEngine.from_defaults(
        RetrieverQueryEngine.from_args(retriever(1), llm=llm, streaming=True),
        llm=llm,
        memory=ChatMemoryBuffer.from_defaults(llm=llm),
    ),
    "condense plus context": lambda llm: CondensePlusContextChatEngine.from_defaults(
        retriever(1), llm=llm, memory=ChatMemoryBuffer.from_defaults(llm=llm)
    ),
}


@pytest.mark.guarantees("llama-index-agents")
@leaves_loops_open
@agents_use_old_pydantic
@pytest.mark.parametrize("make", CHAT_ENGINES.values(), ids=CHAT_ENGINES)
async def test_a_chat_engine_talks_in_all_four_ways_and_remembers(llm: StepPlan, plan: Sandbox, make: Make) -> None:
    engine = make(llm)
    engine.chat(QUESTION)
    await engine.achat("And in China?")
    streamed = engine.stream_chat("And on Mars?")
    text = "".join(streamed.response_gen)
    streamed_async = await engine.astream_chat("And on Venus?")
    text_async = "".join([token async for token in streamed_async.async_response_gen()])

    assert text == str(streamed)
    assert text_async == str(streamed_async)
    history = engine.chat_history
    assert [message.role.value for message in history] == ["user", "assistant"] * 4
    assert [message.content for message in history][::2] == [
        QUESTION,
        "And in China?",
        "And on Mars?",
        "And on Venus?",
    ]
    assert history[5].content == text
    assert history[7].content == text_async
    engine.reset()
    assert engine.chat_history == []
