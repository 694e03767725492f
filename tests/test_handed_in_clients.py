"""An HTTP client that was closed before the call is said to be."""

import asyncio
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, ProtocolName

MODELS: dict[str, tuple[Any, str, str]] = {
    "langchain": (ChatStepPlan, "http_client", "http_async_client"),
    "llama_index": (StepPlan, "http_client", "async_http_client"),
}


@pytest.mark.parametrize("framework", MODELS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_was_closed_is_said_to_be(framework: str, protocol: ProtocolName, streamed: bool) -> None:
    model, sync, in_async = MODELS[framework]
    http, async_http = httpx.Client(), httpx.AsyncClient()
    llm = model(api_key="k", protocol=protocol, **{sync: http, in_async: async_http})
    http.close()
    asyncio.run(async_http.aclose())
    prompt: Any = "Hi" if framework == "langchain" else [ChatMessage("Hi")]

    def ask() -> None:
        if framework == "langchain":
            _ = list(llm.stream(prompt)) if streamed else llm.invoke(prompt)
        else:
            _ = list(llm.stream_chat(prompt)) if streamed else llm.chat(prompt)

    async def ask_in_async() -> None:
        if framework == "langchain":
            _ = [chunk async for chunk in llm.astream(prompt)] if streamed else await llm.ainvoke(prompt)
        else:
            _ = [chunk async for chunk in await llm.astream_chat(prompt)] if streamed else await llm.achat(prompt)

    with pytest.raises(InvalidRequestError, match="you passed is closed"):
        ask()
    with pytest.raises(InvalidRequestError, match="you passed is closed"):
        asyncio.run(ask_in_async())
