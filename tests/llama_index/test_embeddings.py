"""A vector index over embeddings that are computed here, and an agent that searches it: `make extra WHAT=embeddings`.

The model is a table of word vectors that comes inside its package, so that nothing is downloaded and no deep-learning
framework is needed.
"""

import functools
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.evaluation import FaithfulnessEvaluator
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import QueryEngineTool

from llama_index_stepplan import StepPlan
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.llama_index import run
from tests.support.marks import agents_use_old_pydantic

wordllama: Any = pytest.importorskip(
    "wordllama", reason="the word vectors are installed by `make extra WHAT=embeddings` alone"
)

FACTS = [
    "Rome lies on the Tiber and was founded by Romulus.",
    "The heart pumps blood through the arteries.",
    "A violin has four strings and is played with a bow.",
    "Photosynthesis turns light into sugar in green leaves.",
]


@functools.cache
def words() -> Any:
    """The vectors, from inside the package: by itself it looks for half of them elsewhere."""
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


class WordVectors(BaseEmbedding):
    """Means of word vectors."""

    def _get_text_embedding(self, text: str) -> list[float]:
        vector: list[float] = words().embed(text, norm=True)[0].tolist()
        return vector

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


@functools.cache
def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents([Document(text=text) for text in FACTS], embed_model=WordVectors())


@pytest.mark.parametrize(
    ("question", "fact"),
    [("Which organ moves blood?", 1), ("Which city did an ancient king start?", 0), ("How do plants feed?", 3)],
)
async def test_an_answer_rests_on_the_passage_that_means_the_same(
    llm: StepPlan, plan: Sandbox, question: str, fact: int
) -> None:
    engine = index().as_query_engine(llm=llm, similarity_top_k=1)
    streaming = index().as_query_engine(llm=llm, similarity_top_k=1, streaming=True)
    whole, awaited = engine.query(question), await engine.aquery(question)
    streamed, streamed_async = streaming.query(question), await streaming.aquery(question)

    assert isinstance(streamed, StreamingResponse)
    assert isinstance(streamed_async, AsyncStreamingResponse)
    text = "".join(streamed.response_gen)
    text_async = "".join([token async for token in streamed_async.async_response_gen()])
    assert {str(whole), str(awaited), text, text_async} == {str(whole)}
    assert whole.source_nodes[0].node.get_content() == FACTS[fact]
    assert all(FACTS[fact] in str(request.body) for request in plan.requests)


@agents_use_old_pydantic
async def test_an_agent_searches_and_answers(llm: StepPlan, plan: Sandbox) -> None:
    engine = index().as_query_engine(llm=llm, similarity_top_k=1)
    tool = QueryEngineTool.from_defaults(engine, name="search", description="Looks facts up.")
    plan.script(
        Turn(reasoning="I look it up.", tool_calls=[ToolCall("search", {"input": "strings of a violin"}, "1")]),
        Turn(text="A violin has four strings."),
        Turn(text="Four."),
    )
    answer = await run(FunctionAgent(tools=[tool], llm=llm), "How many strings has a violin?")

    assert str(answer) == "Four."
    assert FACTS[2] in str(plan.requests[1].body)
    assert "A violin has four strings." in str(plan.requests[2].body)


async def test_a_chat_engine_remembers_and_an_evaluator_judges(llm: StepPlan, plan: Sandbox) -> None:
    engine = index().as_chat_engine(
        ChatMode.CONDENSE_PLUS_CONTEXT,
        llm=llm,
        similarity_top_k=1,
        memory=ChatMemoryBuffer.from_defaults(llm=llm),
    )
    engine.chat("Which organ moves blood?")
    answer = await engine.achat("And through what?")
    plan.script(Turn(text="YES"))
    verdict = await FaithfulnessEvaluator(llm=llm).aevaluate(response=str(answer), contexts=[FACTS[1]])

    assert verdict.passing
    assert len(engine.chat_history) == 4
