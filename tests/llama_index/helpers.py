"""What the LlamaIndex tests share: the four ways to ask, and a corpus to retrieve from."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
import pytest
from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document
from llama_index_instrumentation.base import BaseEvent
from llama_index_instrumentation.event_handlers import BaseEventHandler
from pydantic import Field
from workflows.handler import WorkflowHandler

from llama_index_stepplan import StepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox

F = TypeVar("F", bound=Callable[..., Any])
Way = Literal["chat", "stream_chat", "achat", "astream_chat"]
WAYS: tuple[Way, ...] = ("chat", "stream_chat", "achat", "astream_chat")
STREAMS: tuple[Way, ...] = ("stream_chat", "astream_chat")
PROTOCOLS: tuple[ProtocolName, ...] = ("openai", "anthropic")

forced_choice_is_asked_for = pytest.mark.filterwarnings(
    "ignore:Messages documents no tool_choice:stepplan.StepPlanWarning"
)
"""For tests that force a tool call, which one of the protocols can only be asked for in words."""


agents_use_old_pydantic = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecationWarning", "ignore:is_running called from within a step"
)
"""For tests that make a LlamaIndex agent: it uses deprecated parts of Pydantic, and of its own workflow."""


def leaves_loops_open(test: F) -> F:
    """For tests in which LlamaIndex starts loops: it closes them without ending what lives in them, so their sockets
    wait for the garbage collector."""
    ignored = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
    marked: F = pytest.mark.usefixtures("forget_closed_loops")(ignored(test))
    return marked


def make_llm(plan: Sandbox, protocol: ProtocolName, **fields: Any) -> StepPlan:
    """A model of the sandbox, that does not try again unless told to."""
    merged: dict[str, Any] = {"base_url": plan.base_url, "api_key": plan.api_key, "max_retries": 0, **fields}
    return StepPlan(protocol=protocol, **merged)


class Recorder(BaseEventHandler):
    """Keeps every event."""

    events: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.events.append(event)

    def of(self, kind: type[BaseEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def ask(llm: StepPlan, way: Way, messages: str | Sequence[ChatMessage], **kwargs: Any) -> list[ChatResponse]:
    """The chunks of an answer; of a whole answer, itself alone."""
    asked = [ChatMessage(messages)] if isinstance(messages, str) else list(messages)
    match way:
        case "chat":
            return [llm.chat(asked, **kwargs)]
        case "achat":
            return [await llm.achat(asked, **kwargs)]
        case "stream_chat":
            return list(llm.stream_chat(asked, **kwargs))
        case "astream_chat":
            return [chunk async for chunk in await llm.astream_chat(asked, **kwargs)]


def run(agent: BaseWorkflowAgent | AgentWorkflow, question: str, **kwargs: Any) -> WorkflowHandler:
    """Start an agent. Both of its overloads match, and one is deprecated."""
    return agent.run(user_msg=question, **kwargs)  # pyright: ignore[reportDeprecated, reportReturnType] - see above


def canned(*bodies: dict[str, Any]) -> tuple[httpx.Client, list[dict[str, Any]]]:
    """A client that gives these answers, in turn, and the bodies of the requests that it got."""
    answers, requests = iter(bodies), list[dict[str, Any]]()

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(json.loads(request.content))
        return httpx.Response(200, json=next(answers))

    return httpx.Client(transport=httpx.MockTransport(answer)), requests


def canned_stream(chunks: Sequence[dict[str, Any]]) -> httpx.Client:
    """A client that answers every request with these events."""
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    headers = {"content-type": "text/event-stream"}
    return httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text=text, headers=headers)),
    )


@functools.cache
def passages() -> list[BaseNode]:
    """The project's own documentation, as it stands in its source and beside it, in passages."""
    root = Path(__file__).parents[2]
    paths = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("stepplan/*.py")]
    documents = [Document(text=path.read_text(), metadata={"file": path.name}) for path in sorted(paths)]
    return SentenceSplitter(chunk_size=256, chunk_overlap=0).get_nodes_from_documents(documents)


@functools.cache
def retriever(top_k: int = 2) -> BaseRetriever:
    """Finds passages by their words."""
    from llama_index.retrievers.bm25 import BM25Retriever  # type: ignore[import-untyped]  # no py.typed there

    found: BaseRetriever = BM25Retriever.from_defaults(nodes=passages(), similarity_top_k=top_k)
    return found
