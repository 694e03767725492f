"""What an LLM integration is used for: a chain and an agent of LangChain, a query engine and an agent of LlamaIndex.

Each is done whole and streamed, sync and async, on any server of the protocols.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core.agent.workflow import AgentOutput, FunctionAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ThinkingBlock
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from typing_extensions import override

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import ProtocolName, Settings
from tests.support.agents.langchain import create_agent
from tests.support.agents.llama_index import run
from tests.support.ways.core import WAYS, Way


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job is done, and over which protocol."""

    settings: Settings
    protocol: ProtocolName
    options: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0, "max_tokens": 400})

    def arguments(self) -> dict[str, Any]:
        """What both frameworks' classes are constructed with."""
        settings = self.settings
        place = {"base_url": settings.base_url, "api_key": settings.key(), "max_retries": settings.max_retries}
        return {"protocol": self.protocol, **place, **self.options}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    Attributes:
        text: The answer.
        reasoning: What the model thought, as far as the framework hands it on.
        asked: The cities whose weather was asked for.
    """

    text: str
    reasoning: str = ""
    asked: tuple[str, ...] = ()


QUESTION = "What is the weather in Paris?"


def _weather() -> tuple[Callable[[str], str], list[str]]:
    """A tool, and what it was asked."""
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return f"It is sunny in {city}."

    return get_weather, asked


# ----------------------------------------------------------------------------------------------------------- LangChain


async def langchain_chain(place: Place, way: Way) -> Outcome:
    """A prompt and a model."""
    chain = ChatPromptTemplate.from_template("Name a {thing}.") | ChatStepPlan(**place.arguments())
    thing = {"thing": "fruit"}
    match way:
        case "send":
            answer = chain.invoke(thing)
        case "async-send":
            answer = await chain.ainvoke(thing)
        case "stream":
            answer = _sum([*chain.stream(thing)])
        case _:
            answer = _sum([chunk async for chunk in chain.astream(thing)])
    assert answer.usage_metadata is not None
    return Outcome(answer.text, answer.additional_kwargs.get("reasoning_content", ""))


def _sum(chunks: list[Any]) -> AIMessageChunk:
    whole = AIMessageChunk(content="")
    for chunk in chunks:
        whole += cast("AIMessageChunk", chunk)
    return whole


async def langchain_agent(place: Place, way: Way) -> Outcome:
    """An agent that calls a tool and uses its result; streamed, its messages arrive in chunks."""
    get_weather, asked = _weather()
    agent = create_agent(ChatStepPlan(**place.arguments()), tools=[get_weather])
    question: Any = {"messages": [("user", QUESTION)]}
    config = {"recursion_limit": 10}
    match way:
        case "send":
            messages = agent.invoke(question, config)["messages"]
        case "async-send":
            messages = (await agent.ainvoke(question, config))["messages"]
        case "stream":
            messages = [message for message, _ in agent.stream(question, config, stream_mode="messages")]
        case _:
            messages = [message async for message, _ in agent.astream(question, config, stream_mode="messages")]
    said = [message for message in cast("list[BaseMessage]", messages) if isinstance(message, AIMessage)]
    last = [message for message in said if message.id == said[-1].id]
    reasoning = "".join(message.additional_kwargs.get("reasoning_content", "") for message in said)
    return Outcome("".join(message.text for message in last), reasoning, tuple(asked))


# ---------------------------------------------------------------------------------------------------------- LlamaIndex


class _Passages(BaseRetriever):
    """Finds the same passages for every question."""

    @override
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        passages = ("The shop opens at nine.", "The shop sells apples.")
        return [NodeWithScore(node=TextNode(id_=text, text=text), score=1.0) for text in passages]


async def llama_index_query_engine(place: Place, way: Way) -> Outcome:
    """A question about retrieved passages."""
    llm = StepPlan(**place.arguments())
    engine = RetrieverQueryEngine.from_args(_Passages(), llm=llm, streaming="stream" in way)
    question = "When does the shop open?"
    response = await engine.aquery(question) if way.startswith("async") else engine.query(question)
    match response:
        case StreamingResponse():
            return Outcome("".join(response.response_gen))
        case AsyncStreamingResponse():
            return Outcome("".join([piece async for piece in response.async_response_gen()]))
        case _:
            return Outcome(str(response))


async def llama_index_agent(place: Place, way: Way) -> Outcome:
    """An agent that calls a tool and uses its result. Agents of LlamaIndex are async only."""
    get_weather, asked = _weather()
    agent = FunctionAgent(tools=[get_weather], llm=StepPlan(**place.arguments()), streaming="stream" in way)
    handler = run(agent, QUESTION, max_iterations=5)
    outputs = [event async for event in handler.stream_events() if isinstance(event, AgentOutput)]
    thoughts = (block for output in outputs for block in output.response.blocks if isinstance(block, ThinkingBlock))
    return Outcome(str(await handler), "".join(block.content or "" for block in thoughts), tuple(asked))


Job = Callable[[Place, Way], Awaitable[Outcome]]

ASYNC_ONLY: tuple[Way, ...] = ("async-send", "async-stream")
JOBS: tuple[tuple[Job, Way], ...] = (
    *((langchain_chain, way) for way in WAYS),
    *((langchain_agent, way) for way in WAYS),
    *((llama_index_query_engine, way) for way in WAYS),
    *((llama_index_agent, way) for way in ASYNC_ONLY),
)
"""Every job in every way it has."""
