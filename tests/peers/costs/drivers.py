"""How a model of each framework is used when its cost is measured; and the floor: httpx and JSON alone."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from tests.peers.candidates import Framework

PROMPT = "Tell me a story."


class Driver(Protocol):
    """One way to use a class of models."""

    def whole(self, llm: Any, history: Sequence[Any]) -> Any:
        """A whole answer."""
        ...

    def stream(self, llm: Any) -> Iterator[Any]:
        """A streamed answer."""
        ...

    def astream(self, llm: Any) -> AsyncIterator[Any]:
        """The same, async."""
        ...

    def with_tool(self, llm: Any) -> Iterator[Any]:
        """A streamed answer of a model that may call the tool `write`."""
        ...

    def history(self, turns: int) -> Sequence[Any]:
        """A conversation with tool calls."""
        ...


def write(text: str) -> str:
    """Write a text."""
    return text


class LangChain:
    """Any `BaseChatModel`."""

    def whole(self, llm: Any, history: Sequence[Any]) -> Any:
        return llm.invoke(history)

    def stream(self, llm: Any) -> Any:
        return llm.stream(PROMPT)

    def astream(self, llm: Any) -> Any:
        return llm.astream(PROMPT)

    def with_tool(self, llm: Any) -> Any:
        return llm.bind_tools([write]).stream(PROMPT)

    def v3_events(self, llm: Any) -> Any:
        return iter(llm.stream_events(PROMPT, version="v3"))

    def history(self, turns: int) -> Sequence[Any]:
        messages = import_module("langchain_core.messages")
        found: list[Any] = []
        for at in range(turns // 4):
            call = {"name": "write", "args": {"text": f"line {at}"}, "id": f"call_{at}"}
            found += [
                messages.HumanMessage(f"Write line {at}. " + "Mind the style. " * 20),
                messages.AIMessage("I write it.", tool_calls=[call]),
                messages.ToolMessage(f"line {at}", tool_call_id=f"call_{at}"),
                messages.AIMessage("It is written. " * 20),
            ]
        return [*found, messages.HumanMessage(PROMPT)]


class LlamaIndex:
    """Any `FunctionCallingLLM`."""

    def whole(self, llm: Any, history: Sequence[Any]) -> Any:
        return llm.chat(history)

    def stream(self, llm: Any) -> Any:
        return llm.stream_chat(self.history(0))

    async def astream(self, llm: Any) -> AsyncIterator[Any]:
        async for chunk in await llm.astream_chat(self.history(0)):
            yield chunk

    def with_tool(self, llm: Any) -> Any:
        tool = import_module("llama_index.core.tools").FunctionTool.from_defaults(write)
        return llm.stream_chat_with_tools([tool], user_msg=PROMPT)

    def history(self, turns: int) -> Sequence[Any]:
        types = import_module("llama_index.core.base.llms.types")
        message = types.ChatMessage
        found: list[Any] = []
        for at in range(turns // 4):
            call = types.ToolCallBlock(tool_call_id=f"call_{at}", tool_name="write", tool_kwargs={"text": f"line {at}"})
            found += [
                message(role="user", content=f"Write line {at}. " + "Mind the style. " * 20),
                message(role="assistant", blocks=[types.TextBlock(text="I write it."), call]),
                message(role="tool", content=f"line {at}", additional_kwargs={"tool_call_id": f"call_{at}"}),
                message(role="assistant", content="It is written. " * 20),
            ]
        return [*found, message(role="user", content=PROMPT)]


@dataclass(frozen=True)
class Plain:
    """A client, and where it posts to."""

    client: Any
    url: str


class Floor:
    """httpx, and JSON of every event: what nobody can do without."""

    def whole(self, llm: Plain, history: Sequence[Any]) -> Any:
        return json.loads(llm.client.post(llm.url, json={"messages": list(history)}).content)

    def stream(self, llm: Plain) -> Iterator[Any]:
        with llm.client.stream("POST", llm.url, json={}) as reply:
            rest = b""
            for data in reply.iter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    yield _parsed(event)

    async def astream(self, llm: Plain) -> AsyncIterator[Any]:
        httpx = import_module("httpx")
        async with httpx.AsyncClient() as client, client.stream("POST", llm.url, json={}) as reply:
            rest = b""
            async for data in reply.aiter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    yield _parsed(event)

    def with_tool(self, llm: Plain) -> Iterator[Any]:
        return self.stream(llm)

    def history(self, turns: int) -> Sequence[Any]:
        words = ("user", "Write it. " + "Mind the style. " * 20), ("assistant", "It is written. " * 20)
        return [{"role": role, "content": text} for role, text in words * (turns // 2)]


def _parsed(event: bytes) -> Any:
    data = event.partition(b"data: ")[2]
    return None if data == b"[DONE]" else json.loads(data)


DRIVERS: dict[Framework | None, Callable[[], Driver]] = {"langchain": LangChain, "llama-index": LlamaIndex, None: Floor}
