"""Ask models in every way, with a tracer on, and print what the tracer saw.

A process of its own, because tracers patch a lot.
"""

import asyncio
import importlib
import json
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def main(tracer: str, models: str) -> None:
    """Trace with `tracer`, a module; `models` are the arguments of StepPlans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    importlib.import_module(tracer).LlamaIndexInstrumentor().instrument(tracer_provider=provider)

    from llama_index.core.base.llms.types import ChatMessage

    from llama_index_stepplan import StepPlan

    question = [ChatMessage("Hi")]

    async def ask(llm: StepPlan) -> None:
        await llm.achat(question)
        async for _ in await llm.astream_chat(question):
            pass

    for arguments in json.loads(models):
        llm = StepPlan(**arguments)
        llm.chat(question)
        list(llm.stream_chat(question))
        asyncio.run(ask(llm))
    spans = [{"name": span.name, **(span.attributes or {})} for span in exporter.get_finished_spans()]
    sys.stdout.write(json.dumps(spans))


if __name__ == "__main__":
    main(*sys.argv[1:])
