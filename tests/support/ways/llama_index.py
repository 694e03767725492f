"""The four ways to get an answer out of LlamaIndex's `StepPlan`."""

from collections.abc import Sequence
from typing import Any, Literal

from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from llama_index_stepplan import StepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox

Way = Literal["chat", "stream_chat", "achat", "astream_chat"]
WAYS: tuple[Way, ...] = ("chat", "stream_chat", "achat", "astream_chat")
STREAMS: tuple[Way, ...] = ("stream_chat", "astream_chat")


def make_llm(plan: Sandbox, protocol: ProtocolName, **fields: Any) -> StepPlan:
    """A model of the sandbox, that does not try again unless told to."""
    merged: dict[str, Any] = {"base_url": plan.base_url, "api_key": plan.api_key, "max_retries": 0, **fields}
    return StepPlan(protocol=protocol, **merged)


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
