"""Ask models in every way, with a tracer on, and print the spans that it wrote.

A process of its own, because tracers patch a lot. Its only argument is JSON:

* `framework`: `langchain` or `llama_index`
* `tracers`: each is `module:class` of an instrumentor, `langfuse`, or `langsmith`, which the environment turns on
* `models`: the arguments of the models, each of which is asked in all four ways, and then once more for an error
* `agent`: whether to run an agent with a tool instead
"""

import asyncio
import importlib
import json
import os
import sys
from contextlib import suppress
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stepplan import AuthenticationError


def look(x: int) -> str:
    """Look at x."""
    return f"{x} looks fine"


def use_langchain(arguments: dict[str, Any], callbacks: list[Any], *, agent: bool) -> None:
    from langchain_stepplan import ChatStepPlan
    from tests.support.agents.langchain import create_agent

    config: Any = {"callbacks": callbacks}
    model = ChatStepPlan(**arguments)
    if agent:
        create_agent(model, tools=[look]).invoke({"messages": [("user", "Look")]}, config)
        return
    llm = model.bind_tools([look])

    async def ask() -> None:
        await llm.ainvoke("Hi", config)
        async for _ in llm.astream("Hi", config):
            pass

    llm.invoke("Hi", config)
    list(llm.stream("Hi", config))
    asyncio.run(ask())
    with suppress(AuthenticationError):
        llm.invoke("Hi", config)


def use_llama_index(arguments: dict[str, Any], *, agent: bool) -> None:
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.base.llms.types import ChatMessage

    from llama_index_stepplan import StepPlan

    question = [ChatMessage("Hi")]
    llm = StepPlan(**arguments)

    async def run() -> None:
        await FunctionAgent(tools=[look], llm=llm).run("Look")

    async def ask() -> None:
        await llm.achat(question)
        async for _ in await llm.astream_chat(question):
            pass

    if agent:
        asyncio.run(run())
        return
    llm.chat(question)
    list(llm.stream_chat(question))
    asyncio.run(ask())
    with suppress(AuthenticationError):
        llm.chat(question)


def start(tracers: list[str], exporter: InMemorySpanExporter) -> tuple[Any, list[Any]]:
    """Turn tracers on: what has to be flushed in the end, and LangChain's callbacks."""
    provider = TracerProvider()
    sender: Any = provider
    callbacks: list[Any] = []
    if "langfuse" in tracers:  # it chooses what it exports
        from langfuse import Langfuse
        from langfuse.langchain import CallbackHandler

        os.environ.update(LANGFUSE_PUBLIC_KEY="pk-lf-1", LANGFUSE_SECRET_KEY="sk-lf-1")
        Langfuse(base_url="http://127.0.0.1:9", tracer_provider=provider, span_exporter=exporter)
        callbacks = [CallbackHandler()]
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    if "langsmith" in tracers:
        from langsmith.run_trees import get_cached_client

        trace.set_tracer_provider(provider)
        sender = get_cached_client()
    for tracer in tracers:
        module, _, name = tracer.partition(":")
        if name:
            getattr(importlib.import_module(module), name)().instrument(tracer_provider=provider)
    return sender, callbacks


def main(framework: str, tracers: list[str], models: list[dict[str, Any]], *, agent: bool = False) -> None:
    """Print the spans as JSON: name, status and attributes, and all that an exporter sends of them."""
    exporter = InMemorySpanExporter()
    sender, callbacks = start(tracers, exporter)
    for arguments in models:
        if framework == "langchain":
            use_langchain(arguments, callbacks, agent=agent)
        else:
            use_llama_index(arguments, agent=agent)
    (sender.force_flush if isinstance(sender, TracerProvider) else sender.flush)()
    spans = [
        {"name": span.name, "status": span.status.status_code.name, "whole": span.to_json(), **(span.attributes or {})}
        for span in sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
    ]
    sys.stdout.write(json.dumps(spans))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
