"""LlamaIndex's LLM on a real server, over both protocols: every endpoint, tools, and structured prediction.

LlamaIndex has no suite of its own for this; the behaviours are those that its Ollama integration tests on a running
server (llama-index-integrations/llms/llama-index-llms-ollama/tests/test_llms_ollama.py).
"""

from typing import Any

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, TextBlock, ThinkingBlock
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from stepplan import ProtocolName, Settings
from tests.support.clients import PROTOCOLS
from tests.support.jobs import Place
from tests.support.marks import forced_choice_is_asked_for
from tests.support.ways.llama_index import WAYS, Way, ask

pytestmark = pytest.mark.vcr
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(params=PROTOCOLS)
def llm(settings: Settings, request: pytest.FixtureRequest) -> StepPlan:
    protocol: ProtocolName = request.param
    return StepPlan(**Place(settings, protocol).arguments())


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is sunny in {city}."


WEATHER = FunctionTool.from_defaults(get_weather)


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


PROMPT = PromptTemplate("{who} is 42 years old. Extract.")


@every_way
async def test_a_chat_thinks_and_answers(llm: StepPlan, way: Way) -> None:
    chunks = await ask(llm, way, "Name a fruit.")
    last = chunks[-1]
    assert [type(block) for block in last.message.blocks] == [ThinkingBlock, TextBlock]
    assert last.additional_kwargs["completion_tokens"] > 0
    if "stream" in way:
        assert "".join(chunk.delta or "" for chunk in chunks) == last.message.content
        thoughts = "".join(chunk.additional_kwargs.get("thinking_delta") or "" for chunk in chunks)
        assert [thoughts] == [block.content for block in last.message.blocks if isinstance(block, ThinkingBlock)]


@every_way
async def test_a_completion_is_text(llm: StepPlan, way: Way) -> None:
    prompt = "Name a planet."
    match way:
        case "chat":
            parts: list[CompletionResponse] = [llm.complete(prompt)]
        case "achat":
            parts = [await llm.acomplete(prompt)]
        case "stream_chat":
            parts = list(llm.stream_complete(prompt))
        case _:
            parts = [part async for part in await llm.astream_complete(prompt)]
    assert parts[-1].text.strip()
    if "stream" in way:
        assert "".join(part.delta or "" for part in parts) == parts[-1].text


@every_way
async def test_a_conversation_goes_on_with_what_was_answered(llm: StepPlan, way: Way) -> None:
    opening = [ChatMessage("Be brief.", role="system"), ChatMessage("Name a planet.")]
    [*_, first] = await ask(llm, way, opening)
    [*_, second] = await ask(llm, way, [*opening, first.message, ChatMessage("Name a fruit.")])
    assert (second.message.content or "").strip()


async def _ask_with_tools(llm: StepPlan, way: Way, **asked: Any) -> ChatResponse:
    match way:
        case "chat":
            return llm.chat_with_tools([WEATHER], **asked)
        case "achat":
            return await llm.achat_with_tools([WEATHER], **asked)
        case "stream_chat":
            return list(llm.stream_chat_with_tools([WEATHER], **asked))[-1]
        case "astream_chat":
            return [chunk async for chunk in await llm.astream_chat_with_tools([WEATHER], **asked)][-1]


@every_way
async def test_a_tool_is_called_and_its_result_used(llm: StepPlan, way: Way) -> None:
    question = ChatMessage("What is the weather in Paris?")
    asked = await _ask_with_tools(llm, way, user_msg=question)
    [selection] = llm.get_tool_calls_from_response(asked)
    assert (selection.tool_name, selection.tool_kwargs) == ("get_weather", {"city": "Paris"})

    result = ChatMessage(get_weather("Paris"), role="tool", additional_kwargs={"tool_call_id": selection.tool_id})
    answered = await _ask_with_tools(llm, way, chat_history=[question, asked.message, result])
    assert (answered.message.content or "").strip()


@forced_choice_is_asked_for
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_tool_is_predicted_and_called(llm: StepPlan, asynchronous: bool) -> None:
    asked: Any = {"user_msg": "What is the weather in Paris?"}
    answer = (
        await llm.apredict_and_call([WEATHER], **asked) if asynchronous else llm.predict_and_call([WEATHER], **asked)
    )
    assert str(answer) == "It is sunny in Paris."


@forced_choice_is_asked_for
@every_way
async def test_an_object_is_predicted(llm: StepPlan, way: Way) -> None:
    match way:
        case "chat":
            found: list[Any] = [llm.structured_predict(Person, PROMPT, who="Bob")]
        case "achat":
            found = [await llm.astructured_predict(Person, PROMPT, who="Bob")]
        case "stream_chat":
            found = list(llm.stream_structured_predict(Person, PROMPT, who="Bob"))
        case _:
            found = [part async for part in await llm.astream_structured_predict(Person, PROMPT, who="Bob")]
    assert found[-1] == Person(name="Bob", age=42)


@forced_choice_is_asked_for
def test_a_structured_llm_answers_in_objects(llm: StepPlan) -> None:
    answer = llm.as_structured_llm(Person).chat([ChatMessage("Bob is 42 years old. Extract.")])
    assert answer.raw == Person(name="Bob", age=42)
