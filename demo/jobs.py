"""The four jobs: what people use an LLM integration for, written as they would write it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core import Document
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatInProgressEvent
from llama_index.core.llms import ChatResponse
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.retrievers.bm25 import BM25Retriever  # type: ignore[import-untyped]
from llama_index_instrumentation import get_dispatcher

from demo.screen import Screen
from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import ProtocolName

if TYPE_CHECKING:
    from llama_index.core.base.response.schema import AsyncStreamingResponse


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the jobs run. What is `None` is left to the packages' defaults."""

    protocol: ProtocolName
    base_url: str | None = None
    api_key: str | None = None
    model: str = "step-3.7-flash"
    effort: str = "low"

    def arguments(self) -> dict[str, Any]:
        """What both frameworks' classes are constructed with."""
        given = {"base_url": self.base_url, "api_key": self.api_key}
        return {
            "model": self.model,
            "protocol": self.protocol,
            "reasoning_effort": self.effort,
            **{name: value for name, value in given.items() if value is not None},
        }


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees and light rain in {city}"


async def langchain_chain(plan: Plan, screen: Screen) -> str:
    """A prompt and a model, streamed."""
    chain = ChatPromptTemplate.from_template("In one sentence: {question}") | ChatStepPlan(**plan.arguments())
    question = "Why is the sky blue?"
    screen.user(question)
    whole = AIMessageChunk(content="")
    async for chunk in chain.astream({"question": question}):
        whole += cast("AIMessageChunk", chunk)
        _show_chunk(cast("AIMessageChunk", chunk), screen)
    _end(screen, plan, [whole])
    return whole.text


async def langchain_agent(plan: Plan, screen: Screen) -> str:
    """An agent that calls a tool and uses its result, streamed token by token."""
    agent = create_agent(ChatStepPlan(**plan.arguments()), tools=[get_weather])
    question = "What is the weather in Paris?"
    screen.user(question)
    answers: dict[str | None, AIMessageChunk] = {}
    asked = {"messages": [{"role": "user", "content": question}]}
    async for message, _ in agent.astream(cast("Any", asked), stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            earlier = answers.get(message.id)
            answers[message.id] = earlier + message if earlier else message
            _show_chunk(message, screen)
        elif isinstance(message, ToolMessage):
            screen.tool_result(message.name or "", message.text)
    _end(screen, plan, list(answers.values()))
    return list(answers.values())[-1].text


def _show_chunk(chunk: AIMessageChunk, screen: Screen) -> None:
    screen.reasoning(chunk.additional_kwargs.get("reasoning_content", ""))
    screen.text(chunk.text)
    for piece in chunk.tool_call_chunks:
        screen.tool_call(piece["index"], piece["name"], piece["args"] or "")


def _end(screen: Screen, plan: Plan, answers: list[AIMessageChunk]) -> None:
    counts = [answer.usage_metadata for answer in answers if answer.usage_metadata]
    screen.end(sum(c["input_tokens"] for c in counts), sum(c["output_tokens"] for c in counts), plan.effort)


class _Watch(BaseEventHandler):
    """Shows what a query engine does not hand on: the model's thinking, and the token counts."""

    screen: Any
    usage: dict[str, int] = {}  # noqa: RUF012 - a pydantic field

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Called by LlamaIndex for everything that happens."""
        if isinstance(event, LLMChatInProgressEvent):
            self.screen.reasoning(event.response.additional_kwargs.get("thinking_delta") or "")
        elif isinstance(event, LLMChatEndEvent) and event.response is not None:
            self.usage = _usage(event.response)


def _usage(response: ChatResponse) -> dict[str, int]:
    return {name: response.additional_kwargs.get(name, 0) for name in ("prompt_tokens", "completion_tokens")}


async def llama_index_query_engine(plan: Plan, screen: Screen) -> str:
    """Questions about this project's own documents: BM25 retrieval, then an answer, streamed."""
    root = Path(__file__).parent.parent
    documents = [Document(text=(root / name).read_text("utf-8")) for name in ("README.md", "CONTRIBUTING.md")]
    nodes = SentenceSplitter(chunk_size=256, chunk_overlap=32).get_nodes_from_documents(documents)
    retriever = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=2)
    engine = RetrieverQueryEngine.from_args(retriever, llm=StepPlan(**plan.arguments()), streaming=True)
    question = "Which two protocols does the Step Plan speak?"
    screen.user(question)
    watch = _Watch(screen=screen)
    handlers = get_dispatcher().event_handlers
    handlers.append(watch)
    try:
        answer = cast("AsyncStreamingResponse", await engine.aquery(question))
        async for text in answer.async_response_gen():
            screen.text(text)
    finally:
        handlers.remove(watch)
    screen.end(watch.usage.get("prompt_tokens", 0), watch.usage.get("completion_tokens", 0), plan.effort)
    return str(await answer.get_response())


async def llama_index_agent(plan: Plan, screen: Screen) -> str:
    """An agent that calls a tool and uses its result, streamed."""
    agent = FunctionAgent(tools=[get_weather], llm=StepPlan(**plan.arguments()))
    question = "What is the weather in Rome?"
    screen.user(question)
    run = agent.run(user_msg=question)
    tokens_in = tokens_out = 0
    shown: dict[str, str] = {}
    async for event in run.stream_events():
        if isinstance(event, AgentStream):
            screen.reasoning(event.thinking_delta or "")
            screen.text(event.delta)
            for call in event.tool_calls:
                _show_call(call, shown, screen, whole=False)
            usage = cast("dict[str, dict[str, int]]", event.raw or {}).get("usage") or {}
            tokens_in += usage.get("prompt_tokens", 0)
            tokens_out += usage.get("completion_tokens", 0)
        elif isinstance(event, ToolCallResult):
            call = ToolSelection(tool_id=event.tool_id, tool_name=event.tool_name, tool_kwargs=event.tool_kwargs)
            _show_call(call, shown, screen, whole=True)
            screen.tool_result(event.tool_name, str(event.tool_output.content))
    screen.end(tokens_in, tokens_out, plan.effort)
    return str(await run)


def _show_call(call: ToolSelection, shown: dict[str, str], screen: Screen, *, whole: bool) -> None:
    """LlamaIndex hands on what can be read of the arguments so far: what is new in it is shown."""
    text = json.dumps(call.tool_kwargs, ensure_ascii=False)
    text = text if whole else text.rstrip('"}')
    before = shown.get(call.tool_id, "")
    screen.tool_call(call.tool_id, call.tool_name, text.removeprefix(before))
    shown[call.tool_id] = text


Job = Callable[[Plan, Screen], Awaitable[str]]

JOBS: Mapping[str, Job] = {
    "LangChain, a chain": langchain_chain,
    "LangChain, an agent with a tool": langchain_agent,
    "LlamaIndex, a query engine": llama_index_query_engine,
    "LlamaIndex, an agent with a tool": llama_index_agent,
}
