"""How a model of each framework is used when its cost is measured; and the floor: HTTP and JSON alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from tests.peers.candidates import Framework

PROMPT = "Tell me a story."
AT_ONCE = 64
"""How many prompts of a batch are asked at a time."""


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

    def batch(self, llm: Any, count: int) -> Any:
        """That many prompts, `AT_ONCE` at a time, in threads."""
        ...

    async def abatch(self, llm: Any, count: int) -> Any:
        """The same, async."""
        ...

    def text(self, chunk: Any) -> str:
        """The text in a piece of a streamed answer."""
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

    def batch(self, llm: Any, count: int) -> Any:
        return llm.batch([PROMPT] * count, {"max_concurrency": AT_ONCE})

    async def abatch(self, llm: Any, count: int) -> Any:
        return await llm.abatch([PROMPT] * count, {"max_concurrency": AT_ONCE})

    def text(self, chunk: Any) -> str:
        return str(chunk.text)

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

    def batch(self, llm: Any, count: int) -> Any:
        history = self.history(0)
        return _threads(lambda: llm.chat(history), count)

    async def abatch(self, llm: Any, count: int) -> Any:
        run_jobs = import_module("llama_index.core.async_utils").run_jobs
        history = self.history(0)
        return await run_jobs([llm.achat(history) for _ in range(count)], workers=AT_ONCE)

    def text(self, chunk: Any) -> str:
        return str(chunk.delta or "")

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
    """A library for HTTP, and where it posts to."""

    library: str
    url: str


class Floor:
    """A library for HTTP, and JSON of every event: what nobody can do without."""

    def whole(self, llm: Plain, history: Sequence[Any]) -> Any:
        return json.loads(_client().post(llm.url, json={"messages": list(history)}).content)

    def stream(self, llm: Plain) -> Iterator[Any]:
        with _client().stream("POST", llm.url, json={}) as reply:
            rest = b""
            for data in reply.iter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                yield from map(_parsed, events)

    async def astream(self, llm: Plain) -> AsyncIterator[Any]:
        rest = b""
        async for data in _areads(llm):
            *events, rest = (rest + data).split(b"\n\n")
            for event in events:
                yield _parsed(event)

    def with_tool(self, llm: Plain) -> Iterator[Any]:
        return self.stream(llm)

    def batch(self, llm: Plain, count: int) -> Any:
        return _threads(lambda: self.whole(llm, ()), count)

    async def abatch(self, llm: Plain, count: int) -> Any:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one() -> Any:
            async with limit:
                return json.loads(b"".join([data async for data in _areads(llm)]))

        return await asyncio.gather(*(one() for _ in range(count)))

    def text(self, chunk: Any) -> str:
        return str(_content(chunk) or "")

    def texts(self, llm: Plain) -> Iterator[str]:
        """The text of a streamed answer of Chat Completions, piece by piece."""
        return (text for chunk in self.stream(llm) if (text := self.text(chunk)))

    def history(self, turns: int) -> Sequence[Any]:
        words = ("user", "Write it. " + "Mind the style. " * 20), ("assistant", "It is written. " * 20)
        return [{"role": role, "content": text} for role, text in words * (turns // 2)]


@cache
def _client() -> Any:
    return import_module("httpx").Client()


async def _areads(llm: Plain) -> AsyncIterator[bytes]:
    if llm.library not in _sessions:
        _sessions[llm.library] = _session(llm.library)
    session = _sessions[llm.library]
    if llm.library == "aiohttp":
        async with session.post(llm.url, json={}) as reply:
            async for data in reply.content.iter_any():
                yield data
    else:
        async with session.stream("POST", llm.url, json={}) as reply:
            async for data in reply.aiter_raw():
                yield data


_sessions: dict[str, Any] = {}


async def close_sessions() -> None:
    """Close what the floors opened in this event loop."""
    for library, session in _sessions.items():
        await (session.close() if library == "aiohttp" else session.aclose())
    _sessions.clear()


def _session(library: str) -> Any:
    module = import_module(library)
    if library == "aiohttp":
        return module.ClientSession(connector=module.TCPConnector(limit=0))
    return module.AsyncClient(limits=module.Limits(), timeout=None)


def _threads(ask: Callable[[], Any], count: int) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: ask(), range(count)))


def _content(event: Any) -> str | None:
    match event:
        case {"choices": [{"delta": {"content": content}}]} | {"delta": {"text": content}}:
            return str(content)
    return None


def _parsed(event: bytes) -> Any:
    data = event.partition(b"data: ")[2]
    return None if data == b"[DONE]" else json.loads(data)


DRIVERS: dict[Framework | None, Callable[[], Driver]] = {"langchain": LangChain, "llama-index": LlamaIndex, None: Floor}
