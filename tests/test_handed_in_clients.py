"""An HTTP client that cannot be one is refused by name, where it is handed in."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import AsyncClient, Client, InvalidRequestError, Message, ProtocolName, Request, Settings
from tests.support.composed import Answer

MODELS: dict[str, tuple[Any, str, str]] = {
    "langchain": (ChatStepPlan, "http_client", "http_async_client"),
    "llama_index": (StepPlan, "http_client", "async_http_client"),
}
SETTINGS = Settings(api_key="k")
EITHER = pytest.mark.parametrize("framework", MODELS)


class WithoutBuilding:
    """As `requests.Session` is."""

    def send(self, request: Any) -> Any:
        return request


@EITHER
@pytest.mark.parametrize("wrong", ["http://localhost", 5, socket, WithoutBuilding()], ids=repr)
def test_what_cannot_send_requests_is_refused(framework: str, wrong: Any) -> None:
    model, sync, in_async = MODELS[framework]
    for name, cls in ((sync, "Client"), (in_async, "AsyncClient")):
        with pytest.raises(InvalidRequestError, match=rf"^{name} must be an httpx\.{cls}, or a client like it, not of"):
            model(**{name: wrong})
    for client in (Client, AsyncClient):
        with pytest.raises(InvalidRequestError, match=r"^http_client must be an httpx\."):
            client(SETTINGS, http_client=wrong)


@EITHER
async def test_a_client_for_the_other_kind_of_call_is_refused(framework: str) -> None:
    model, sync, in_async = MODELS[framework]
    with httpx.Client() as http:
        async with httpx.AsyncClient() as async_http:
            model(**{sync: http, in_async: async_http})
            with pytest.raises(InvalidRequestError, match=f"{sync} is for sync calls: it must be an httpx.Client, not"):
                model(**{sync: async_http})
            with pytest.raises(InvalidRequestError, match=f"{in_async} is for async calls: it must be an httpx.Async"):
                model(**{in_async: http})
            with pytest.raises(InvalidRequestError, match="http_client is for async calls"):
                AsyncClient(SETTINGS, http_client=http)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            wrong: Any = async_http
            with pytest.raises(InvalidRequestError, match="http_client is for sync calls"):
                Client(SETTINGS, http_client=wrong)


@EITHER
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

    with pytest.raises(InvalidRequestError, match="handed in is closed"):
        ask()
    with pytest.raises(InvalidRequestError, match="handed in is closed"):
        asyncio.run(ask_in_async())


def test_a_client_of_another_library_is_taken_if_it_works_alike() -> None:
    class Alike:
        def __init__(self) -> None:
            body = Answer(text=("ok",)).whole("openai")
            self._http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=body)))

        def build_request(self, *args: Any, **kwargs: Any) -> Any:
            return self._http.build_request(*args, **kwargs)

        def send(self, request: Any, *, stream: bool) -> Any:
            return self._http.send(request, stream=stream)

    assert Client(SETTINGS, http_client=Alike()).send(Request(messages=(Message.user("Hi"),))).text == "ok"
