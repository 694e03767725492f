"""Who is measured: ours, the peers, and two floors. Peers are imported by name, since only one environment has them."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

from benchmarks.answers import Wire

PROMPT = "Tell me a story."
MODEL = "step-3.7-flash"


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


@dataclass(frozen=True)
class Candidate:
    """A class of models.

    Attributes:
        name: The row's title.
        module: What a user imports.
        package: The distribution whose version is shown.
        wire: What it speaks.
        framework: `langchain`, `llama-index`, or None for a floor.
        build: Makes one, from the server's root and the module.
    """

    name: str
    module: str
    package: str
    wire: Wire
    framework: str | None
    build: Callable[[str, Any], Any]

    def new(self, root: str) -> Any:
        """A model that asks this server."""
        return self.build(root, import_module(self.module))

    @property
    def driver(self) -> Driver:
        """How it is used."""
        return _DRIVERS[self.framework]()

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {version(self.package)}"


# ------------------------------------------------------------------------------------------------------------- drivers


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


class Floor:
    """httpx, and JSON of every event: what nobody can do without."""

    def whole(self, llm: "_Plain", history: Sequence[Any]) -> Any:
        return json.loads(llm.client.post(llm.url, json={"messages": list(history)}).content)

    def stream(self, llm: "_Plain") -> Iterator[Any]:
        with llm.client.stream("POST", llm.url, json={}) as reply:
            rest = b""
            for data in reply.iter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    yield _parsed(event)

    async def astream(self, llm: "_Plain") -> AsyncIterator[Any]:
        httpx = import_module("httpx")
        async with httpx.AsyncClient() as client, client.stream("POST", llm.url, json={}) as reply:
            rest = b""
            async for data in reply.aiter_raw():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    yield _parsed(event)

    def with_tool(self, llm: "_Plain") -> Iterator[Any]:
        return self.stream(llm)

    def history(self, turns: int) -> Sequence[Any]:
        words = ("user", "Write it. " + "Mind the style. " * 20), ("assistant", "It is written. " * 20)
        return [{"role": role, "content": text} for role, text in words * (turns // 2)]


def _parsed(event: bytes) -> Any:
    data = event.partition(b"data: ")[2]
    return None if data == b"[DONE]" else json.loads(data)


@dataclass(frozen=True)
class _Plain:
    client: Any
    url: str


_DRIVERS: dict[str | None, Callable[[], Driver]] = {"langchain": LangChain, "llama-index": LlamaIndex, None: Floor}


# ----------------------------------------------------------------------------------------------------------- the table


def _ours(name: str, wire: Wire) -> Callable[[str, Any], Any]:
    return lambda root, module: getattr(module, name)(model=MODEL, base_url=root, api_key="k", protocol=wire)


def _openai(name: str) -> Callable[[str, Any], Any]:
    return lambda root, module: getattr(module, name)(
        model=MODEL, base_url=f"{root}/v1", api_key="k", stream_usage=True
    )


def _anthropic(root: str, module: Any) -> Any:
    return module.ChatAnthropic(model_name=MODEL, base_url=root, api_key="k", max_tokens_to_sample=1000)


def _deepseek(root: str, module: Any) -> Any:
    return module.ChatDeepSeek(model=MODEL, api_base=f"{root}/v1", api_key="k", stream_usage=True)


def _openai_like(root: str, module: Any) -> Any:
    flags = {"is_chat_model": True, "is_function_calling_model": True}
    return module.OpenAILike(model=MODEL, api_base=f"{root}/v1", api_key="k", **flags)


def _stepfun(root: str, module: Any) -> Any:
    return module.StepFun(model=MODEL, api_base=f"{root}/v1", api_key="k", is_function_calling_model=True)


def _llama_anthropic(root: str, module: Any) -> Any:
    return module.Anthropic(model="claude-sonnet-4-0", base_url=root, api_key="k", max_tokens=1000)


def _plain(path: str) -> Callable[[str, Any], Any]:
    return lambda root, module: _Plain(module.Client(), f"{root}/v1{path}")


LLAMA = "llama_index.llms"
CANDIDATES = (
    Candidate("httpx and json, Chat", "httpx", "httpx", "openai", None, _plain("/chat/completions")),
    Candidate("httpx and json, Messages", "httpx", "httpx", "anthropic", None, _plain("/messages")),
    Candidate(
        "ChatStepPlan, Chat", "langchain_stepplan", "stepplan", "openai", "langchain", _ours("ChatStepPlan", "openai")
    ),
    Candidate(
        "ChatStepPlan, Messages",
        "langchain_stepplan",
        "stepplan",
        "anthropic",
        "langchain",
        _ours("ChatStepPlan", "anthropic"),
    ),
    Candidate("langchain-openai", "langchain_openai", "langchain-openai", "openai", "langchain", _openai("ChatOpenAI")),
    Candidate("langchain-deepseek", "langchain_deepseek", "langchain-deepseek", "openai", "langchain", _deepseek),
    Candidate(
        "langchain-anthropic", "langchain_anthropic", "langchain-anthropic", "anthropic", "langchain", _anthropic
    ),
    Candidate(
        "StepPlan, Chat", "llama_index_stepplan", "stepplan", "openai", "llama-index", _ours("StepPlan", "openai")
    ),
    Candidate(
        "StepPlan, Messages",
        "llama_index_stepplan",
        "stepplan",
        "anthropic",
        "llama-index",
        _ours("StepPlan", "anthropic"),
    ),
    Candidate(
        "openai-like", f"{LLAMA}.openai_like", "llama-index-llms-openai-like", "openai", "llama-index", _openai_like
    ),
    Candidate("stepfun", f"{LLAMA}.stepfun", "llama-index-llms-stepfun", "openai", "llama-index", _stepfun),
    Candidate(
        "anthropic", f"{LLAMA}.anthropic", "llama-index-llms-anthropic", "anthropic", "llama-index", _llama_anthropic
    ),
)
