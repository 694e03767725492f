"""Engines and agents run from a script and inside a running loop: whole, streamed and async, again and again.

A script has no event loop, and starts one for each thing that is async. In a notebook or a web server one is running
already, and LlamaIndex starts others in threads where sync code needs them.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.evaluation import FaithfulnessEvaluator
from llama_index.core.extractors import KeywordExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.postprocessor import StructuredLLMRerank
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.schema import Document, NodeWithScore, TextNode
from llama_index.core.selectors import PydanticSingleSelector
from llama_index.core.tools import QueryEngineTool
from llama_index.core.workflow import Context, JsonPickleSerializer

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.llama_index import run
from tests.support.corpus import retriever
from tests.support.marks import agents_use_old_pydantic, forced_choice_is_asked_for, leaves_loops_open

pytestmark = [agents_use_old_pydantic, forced_choice_is_asked_for]

QUESTION = "Where is the key read from, when it is unset and first needed?"


@dataclass(frozen=True)
class Job:
    """Something that asks the model, sync (if it can be) and async.

    Attributes:
        turns: What the model says, once per run; after that it answers by itself.
        shown: What it must have been shown.
    """

    name: str
    run: Callable[[StepPlan], str] | None
    arun: Callable[[StepPlan], Awaitable[str]]
    turns: Callable[[StepPlan], Sequence[Turn]] = lambda _: ()
    shown: str = ""


def queries(
    name: str, make: Callable[..., BaseQueryEngine], streams: bool = True, shown: str = "STEP_API_KEY", **more: Any
) -> Iterator[Job]:
    """A query engine, whole and, if it can, streamed. `make` is told which."""

    async def awaited(llm: StepPlan) -> str:
        return str(await make(llm, streaming=False).aquery(QUESTION))

    def streamed(llm: StepPlan) -> str:
        answer: Any = make(llm, streaming=True).query(QUESTION)
        return "".join(answer.response_gen)

    async def streamed_async(llm: StepPlan) -> str:
        answer: Any = await make(llm, streaming=True).aquery(QUESTION)
        return "".join([part async for part in answer.async_response_gen()])

    yield Job(name, lambda llm: str(make(llm, streaming=False).query(QUESTION)), awaited, shown=shown, **more)
    if streams:
        yield Job(f"{name}, streamed", streamed, streamed_async, shown=shown, **more)


def in_mode(mode: ResponseMode) -> Callable[..., BaseQueryEngine]:
    def make(llm: StepPlan, *, streaming: bool) -> BaseQueryEngine:
        use_async = mode == ResponseMode.TREE_SUMMARIZE
        return RetrieverQueryEngine.from_args(
            retriever(), llm=llm, response_mode=mode, streaming=streaming, use_async=use_async
        )

    return make


def tools(llm: StepPlan, *, streaming: bool) -> list[QueryEngineTool]:
    """Two engines to choose from."""
    engine = RetrieverQueryEngine.from_args(retriever(1), llm=llm, streaming=streaming)
    return [
        QueryEngineTool.from_defaults(engine, name="docs", description="About how the package is used."),
        QueryEngineTool.from_defaults(engine, name="rules", description="About how it is developed."),
    ]


def router(llm: StepPlan, *, streaming: bool) -> BaseQueryEngine:
    selector = PydanticSingleSelector.from_defaults(llm=llm)
    return RouterQueryEngine.from_defaults(tools(llm, streaming=streaming), llm=llm, selector=selector)


def choose(_: StepPlan) -> Sequence[Turn]:
    return [Turn(tool_calls=[ToolCall("SingleSelection", {"index": 1, "reason": "It is about use."})])]


def sub_questions(*, use_async: bool) -> Callable[..., BaseQueryEngine]:
    def make(llm: StepPlan, *, streaming: bool) -> BaseQueryEngine:
        return SubQuestionQueryEngine.from_defaults(
            tools(llm, streaming=streaming),
            llm=llm,
            question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
            use_async=use_async,
            verbose=False,
        )

    return make


def divide(_: StepPlan) -> Sequence[Turn]:
    items = [{"sub_question": QUESTION, "tool_name": "docs"}, {"sub_question": QUESTION, "tool_name": "rules"}]
    return [Turn(text=f"```json\n{json.dumps({'items': items})}\n```")]


def chats(name: str, make: Callable[[StepPlan], BaseChatEngine]) -> Iterator[Job]:
    """A chat engine, whole and streamed, in a conversation of two questions."""

    def whole(llm: StepPlan) -> str:
        engine = make(llm)
        return f"{engine.chat(QUESTION)} {engine.chat('And in China?')}"

    async def awaited(llm: StepPlan) -> str:
        engine = make(llm)
        return f"{await engine.achat(QUESTION)} {await engine.achat('And in China?')}"

    def streamed(llm: StepPlan) -> str:
        engine = make(llm)
        return " ".join("".join(engine.stream_chat(text).response_gen) for text in (QUESTION, "And in China?"))

    async def streamed_async(llm: StepPlan) -> str:
        engine = make(llm)
        answers: list[str] = []
        for text in (QUESTION, "And in China?"):
            answer = await engine.astream_chat(text)
            answers.append("".join([part async for part in answer.async_response_gen()]))
        return " ".join(answers)

    yield Job(name, whole, awaited)
    yield Job(f"{name}, streamed", streamed, streamed_async)


def memory(llm: StepPlan) -> ChatMemoryBuffer:
    return ChatMemoryBuffer.from_defaults(llm=llm)


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def agents(
    name: str, make: Callable[..., BaseWorkflowAgent | AgentWorkflow], *turns: Turn, shown: str = "42"
) -> Iterator[Job]:
    """An agent, whole and streamed. Agents are async alone."""
    for streaming in (False, True):

        async def ask(llm: StepPlan, streaming: bool = streaming) -> str:
            handler = run(make(llm, streaming=streaming), "6 times 7?")
            events = [event async for event in handler.stream_events()]
            assert events
            return str(await handler)

        yield Job(f"{name}{', streamed' if streaming else ''}", None, ask, lambda _: turns, shown)


def function_agent(llm: StepPlan, *, streaming: bool) -> FunctionAgent:
    return FunctionAgent(tools=[multiply], llm=llm, streaming=streaming)


def react_agent(llm: StepPlan, *, streaming: bool) -> ReActAgent:
    return ReActAgent(tools=[multiply], llm=llm, streaming=streaming)


def code_agent(llm: StepPlan, *, streaming: bool) -> CodeActAgent:
    def execute(code: str) -> str:
        return str(eval(code))

    return CodeActAgent(code_execute_fn=execute, tools=[multiply], llm=llm, streaming=streaming)


def two_agents(llm: StepPlan, *, streaming: bool) -> AgentWorkflow:
    desk = FunctionAgent(
        name="desk", description="Answers.", llm=llm, can_handoff_to=["maths"], streaming=streaming, tools=[]
    )
    maths = FunctionAgent(name="maths", description="Does sums.", tools=[multiply], llm=llm, streaming=streaming)
    return AgentWorkflow(agents=[desk, maths], root_agent="desk")


CALL = Turn(reasoning="A sum.", tool_calls=[ToolCall("multiply", {"a": 6, "b": 7}, "1")])
HANDOFF = Turn(tool_calls=[ToolCall("handoff", {"to_agent": "maths", "reason": "a sum"}, "h")])
DONE = Turn(text="It is 42.")

NODES = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("Rome is in Italy.", "Oslo is in Norway.")]


def rerank(llm: StepPlan) -> StructuredLLMRerank:
    return StructuredLLMRerank(llm=llm, top_n=1)


def ranking(llm: StepPlan) -> Sequence[Turn]:
    ranked = {"documents": [{"document_number": 2, "relevance": 9}]}
    if llm.protocol == "openai":
        return [Turn(text=json.dumps(ranked))]
    return [Turn(tool_calls=[ToolCall("DocumentRelevanceList", ranked)])]


async def reranked(llm: StepPlan) -> str:
    return str((await rerank(llm).apostprocess_nodes(NODES, query_str="Where is Oslo?"))[0].node.get_content())


def pipeline(llm: StepPlan) -> IngestionPipeline:
    return IngestionPipeline(transformations=[KeywordExtractor(llm=llm, show_progress=False)])


async def extracted(llm: StepPlan) -> str:
    return str((await pipeline(llm).arun(documents=[Document(text="Rome is in Italy.")]))[0].metadata)


JUDGED: dict[str, Any] = {"response": "In Italy.", "contexts": ["Rome is in Italy."]}


async def judged(llm: StepPlan) -> str:
    return str((await FaithfulnessEvaluator(llm=llm).aevaluate(**JUDGED)).passing)


MODES = [mode for mode in ResponseMode if mode not in {ResponseMode.NO_TEXT, ResponseMode.CONTEXT_ONLY}]
# LlamaIndex streams no answers that are several.
WHOLE_ONLY = {ResponseMode.ACCUMULATE, ResponseMode.COMPACT_ACCUMULATE}

JOBS: list[Job] = [
    *(
        job
        for mode in MODES
        for job in queries(
            f"query engine, {mode.value}",
            in_mode(mode),
            mode not in WHOLE_ONLY,
            shown="" if mode == ResponseMode.GENERATION else "STEP_API_KEY",
        )
    ),
    *queries("router", router, turns=choose),
    *queries("sub-questions, one after the other", sub_questions(use_async=False), streams=False, turns=divide),
    *queries("sub-questions, at once", sub_questions(use_async=True), streams=False, turns=divide),
    *chats("simple chat", lambda llm: SimpleChatEngine.from_defaults(llm=llm, memory=memory(llm))),
    *chats("context chat", lambda llm: ContextChatEngine.from_defaults(retriever(1), llm=llm, memory=memory(llm))),
    *chats(
        "condensing chat",
        lambda llm: CondensePlusContextChatEngine.from_defaults(retriever(1), llm=llm, memory=memory(llm)),
    ),
    Job(
        "structured rerank",
        lambda llm: rerank(llm).postprocess_nodes(NODES, query_str="Where is Oslo?")[0].node.get_content(),
        reranked,
        ranking,
    ),
    Job(
        "metadata extractor",
        lambda llm: str(pipeline(llm).run(documents=[Document(text="Rome is in Italy.")])[0].metadata),
        extracted,
    ),
    Job(
        "evaluator",
        lambda llm: str(FaithfulnessEvaluator(llm=llm).evaluate(**JUDGED).passing),
        judged,
        lambda _: [Turn(text="YES")],
    ),
    *agents("function agent", function_agent, CALL, DONE),
    *agents(
        "ReAct agent",
        react_agent,
        Turn(text='Thought: I multiply.\nAction: multiply\nAction Input: {"a": 6, "b": 7}\n'),
        Turn(text="Thought: I can answer without using any more tools.\nAnswer: It is 42."),
        shown="Observation: 42",
    ),
    *agents("code agent", code_agent, Turn(text="<execute>6 * 7</execute>"), DONE),
    *agents("agents with handoff", two_agents, HANDOFF, CALL, DONE),
]


@leaves_loops_open
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_it_works_from_a_script(llm: StepPlan, plan: Sandbox, job: Job) -> None:
    answers: list[str] = []
    for _ in range(2):
        if job.run is not None:
            plan.script(*job.turns(llm))
            answers.append(job.run(llm))
        plan.script(*job.turns(llm))
        answers.append(asyncio.run(_awaited(job.arun(llm))))

    assert answers[0]
    assert answers == [answers[0]] * len(answers)
    assert job.shown in str([request.body for request in plan.requests])


@leaves_loops_open
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
async def test_it_works_inside_a_running_loop(llm: StepPlan, plan: Sandbox, job: Job) -> None:
    answers: list[str] = []
    for _ in range(2):
        if job.run is not None:
            plan.script(*job.turns(llm))
            answers.append(job.run(llm))
        plan.script(*job.turns(llm))
        answers.append(await job.arun(llm))

    assert answers[0]
    assert answers == [answers[0]] * len(answers)
    assert job.shown in str([request.body for request in plan.requests])


async def _awaited(answer: Awaitable[str]) -> str:
    return await answer


def test_a_conversation_is_stored_and_resumed_in_another_event_loop(llm: StepPlan, plan: Sandbox) -> None:
    plan.script(CALL, DONE, Turn(text="You are welcome."))
    serializer = JsonPickleSerializer()

    async def first() -> str:
        agent = FunctionAgent(tools=[multiply], llm=llm)
        context: Any = Context(agent)
        await run(agent, "6 times 7?", ctx=context)
        return json.dumps(context.to_dict(serializer=serializer))

    async def second(stored: str) -> str:
        agent = FunctionAgent(tools=[multiply], llm=llm)
        resumed: Any = Context.from_dict(agent, json.loads(stored), serializer=serializer)
        return str(await run(agent, "Thanks", ctx=resumed))

    assert asyncio.run(second(asyncio.run(first()))) == "You are welcome."
    assert "A sum." in str(plan.requests[-1].body["messages"])
