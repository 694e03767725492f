"""What mypy and pyright know of the public names. They check this file; run, it only has to import."""

from collections.abc import AsyncGenerator, Generator
from typing import Any, assert_type

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.chat_engine.types import AgentChatResponse

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import AsyncClient, Client, Event, Message, Request, Response, Settings


async def core(client: Client, async_client: AsyncClient, request: Request) -> None:
    assert_type(client.send(request), Response)
    assert_type(client.stream(request), Generator[Event])
    assert_type(client.count_tokens(request), int)
    assert_type(await async_client.send(request), Response)
    assert_type(async_client.stream(request), AsyncGenerator[Event])
    assert_type(client.send(request).text, str)
    Settings(api_key="sk-x")
    Client(protocol="gemini")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - one of two


async def langchain(llm: ChatStepPlan) -> None:
    assert_type(llm.invoke("Hello"), AIMessage)
    assert_type(await llm.ainvoke("Hello"), AIMessage)
    assert_type(llm.bind_tools([]), Runnable[LanguageModelInput, AIMessage])
    assert_type(llm.with_structured_output(dict), Runnable[LanguageModelInput, Any])
    ChatStepPlan(model="step-3.7-flash", api_key="sk-x", reasoning_effort="high", protocol="anthropic")
    ChatStepPlan(modle="step-3.7-flash")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - misspelled
    ChatStepPlan(protocol="gemini")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - one of two


async def llama_index(llm: StepPlan) -> None:
    assert_type(llm.chat([]), ChatResponse)
    assert_type(await llm.achat([]), ChatResponse)
    assert_type(llm.complete("Hello"), CompletionResponse)
    StepPlan(model="step-3.7-flash", api_key="sk-x", reasoning_effort="high", protocol="anthropic")
    assert_type(await llm.apredict_and_call([]), AgentChatResponse)
    StepPlan(modle="step-3.7-flash")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - misspelled
    StepPlan(protocol="gemini")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - one of two


def test_the_names_are_there_to_be_checked() -> None:
    assert callable(core)
    assert callable(langchain)
    assert callable(llama_index)
    assert Message.user("Hello").content
