"""What run-llama's own tests ask of its classes for OpenAI-like servers, Anthropic and Ollama.

Asked of StepPlan on both protocols. The files are named in each docstring, under llama-index-integrations/llms.
"""

from typing import Any

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import (
    ChatMessage,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llama_index_stepplan import StepPlan
from llama_index_stepplan._untyped import response_kwargs
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.marks import forced_choice_is_asked_for
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm

pytestmark = forced_choice_is_asked_for

HI = [ChatMessage("Test")]


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


# -------------------------------------------------------------------------------------------------------- OpenAI-like


def test_it_has_its_name_and_its_model(protocol: ProtocolName) -> None:
    """openai-like/tests/test_openai_like.py: test_interfaces; the name here is an id, which no rename breaks."""
    llm = StepPlan(model="models/stub.gguf", protocol=protocol)

    assert llm.class_name() == "stepplan"
    assert llm.model == "models/stub.gguf"


def test_an_extra_body_is_sent_and_merged(plan: Sandbox, protocol: ProtocolName) -> None:
    """openai-like/tests/test_openai_like.py: test_extra_body_is_forwarded_…, test_extra_body_merges_with_existing_…."""
    llm = make_llm(
        plan,
        protocol,
        additional_kwargs={"extra_body": {"provider": {"order": ["a"]}}},
        extra_body={"flavor": {"type": "none"}},
    )
    llm.chat(HI)

    assert plan.requests[0].body["provider"] == {"order": ["a"]}
    assert plan.requests[0].body["flavor"] == {"type": "none"}


def test_the_request_is_exactly_what_was_asked_for(llm: StepPlan, plan: Sandbox) -> None:
    """openai-like/tests/test_openai_like.py: test_completion, test_chat; there a temperature is added unasked."""
    llm.complete("A long time ago")
    llm.chat([ChatMessage("A long time ago")])
    extra = {"max_tokens": 32768} if llm.protocol == "anthropic" else {}
    expected = {
        "model": "step-3.7-flash",
        "messages": [{"role": "user", "content": "A long time ago"}],
        **extra,
    }

    assert [request.body for request in plan.requests] == [expected, expected]


def test_its_fields_are_in_its_dict(protocol: ProtocolName) -> None:
    """openai-like/tests/test_openai_like.py: test_serialization."""
    stored = StepPlan(protocol=protocol, max_tokens=42, context_window=43).to_dict()

    assert (stored["max_tokens"], stored["context_window"], stored["is_function_calling_model"]) == (42, 43, True)


def test_a_structured_model_knows_its_class(llm: StepPlan) -> None:
    """openai-like/tests/test_structured_output.py: test_structured_output_creation."""
    assert llm.as_structured_llm(Person).output_cls is Person


def test_prediction_keeps_options_and_drops_choices_of_tools(llm: StepPlan, plan: Sandbox) -> None:
    """openai-like/tests/test_structured_output.py: test_prepare_schema, test_structured_predict_with_json_mode."""
    prompt = PromptTemplate("Create a person named 'Alice' who is 25")
    person = llm.structured_predict(Person, prompt, {"temperature": 0.7, "tool_choice": "auto"})

    assert isinstance(person, Person)
    assert plan.requests[0].body["temperature"] == 0.7
    assert ("response_format" in plan.requests[0].body) == (llm.protocol == "openai")


def test_prediction_by_tool_forces_the_tool(plan: Sandbox) -> None:
    """openai-like/tests/test_structured_output.py: test_structured_predict_fallback_to_function_calling."""
    llm = make_llm(plan, "openai", pydantic_program_mode=PydanticProgramMode.FUNCTION)

    assert isinstance(llm.structured_predict(Person, PromptTemplate("Create 'Charlie'")), Person)
    assert plan.requests[0].body["tool_choice"] == {"type": "function", "function": {"name": "Person"}}


def test_a_structured_completion_gives_the_object(llm: StepPlan) -> None:
    """openai-like/tests/test_openai_like_grok.py: test_complete, test_complete_structured."""
    assert isinstance(llm.as_structured_llm(Person).complete("Create 'Charlie'").raw, Person)
    assert llm.complete("What is the capital of Switzerland?").text


# ---------------------------------------------------------------------------------------------------------- Anthropic


def test_it_is_an_llm() -> None:
    """anthropic/tests/test_llms_anthropic.py and others: test_text_inference_embedding_class."""
    assert BaseLLM in StepPlan.__mro__


@pytest.mark.parametrize("way", STREAMS)
async def test_a_call_that_grows_stays_one_call(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """anthropic/tests/test_anthropic_utils.py: test_update_tool_calls."""
    plan.script(Turn(text="hello", tool_calls=[ToolCall("a", {"name": "John"}, "1"), ToolCall("a", {}, "2")]))
    seen: list[list[tuple[str | None, Any]]] = []
    for chunk in await ask(llm, way, HI):
        blocks = [block for block in chunk.message.blocks if isinstance(block, ToolCallBlock)]
        seen.append([(block.tool_call_id, block.tool_kwargs) for block in blocks])

    assert seen[-1] == [("1", {"name": "John"}), ("2", {})]
    assert [len(calls) for calls in seen] == sorted(len(calls) for calls in seen)


async def test_tokens_are_counted_by_the_server(llm: StepPlan, plan: Sandbox) -> None:
    """anthropic/tests/test_llms_anthropic.py: test_anthropic_tokenizer; a tokenizer that calls a server misleads."""
    tool = FunctionTool.from_defaults(lambda: "noon", name="get_time", description="The time.")
    few = llm.count_tokens([ChatMessage("Hello, world!")])
    more = await llm.acount_tokens([ChatMessage("Hello, world! " * 20)], tools=[tool])

    assert 0 < few < more
    assert [request.path.rpartition("/v1")[2] for request in plan.requests] == ["/messages/count_tokens"] * 2
    assert plan.requests[1].body["tools"][0]["name"] == "get_time"


@pytest.mark.parametrize("way", WAYS)
async def test_a_system_message_shapes_the_answer_in_every_way(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """anthropic/tests/test_llms_anthropic.py: test_anthropic_through_bedrock, and async."""
    pirate = [ChatMessage("You are a pirate", role="system"), ChatMessage("Tell me a story")]
    chunks = await ask(llm, way, pirate)

    assert "".join(chunk.delta or "" for chunk in chunks) or chunks[-1].message.content
    assert "You are a pirate" in str(plan.requests[0].body)


# ------------------------------------------------------------------------------------------------------------- Ollama


@pytest.mark.parametrize("way", WAYS)
async def test_no_tools_give_no_calls(llm: StepPlan, way: Way) -> None:
    """ollama/tests/test_llms_ollama.py: test_chat_with_tools_returns_empty_array_if_no_tools_were_called, and async."""
    answer = (await ask(llm, way, "Hello, how are you?", tools=[]))[-1]

    assert answer.message.additional_kwargs.get("tool_calls", []) == []
    assert llm.get_tool_calls_from_response(answer, error_on_no_tool_call=False) == []


def generate_song(artist_name: str, song_name: str) -> str:
    """Generates a song with provided name and artist."""
    return f"{song_name} by {artist_name}"


async def test_a_tool_is_called_with_arguments_that_fit(llm: StepPlan) -> None:
    """ollama/tests/test_llms_ollama.py: test_chat_with_tools, and async, and streamed."""
    tool = FunctionTool.from_defaults(fn=generate_song)
    question = "Generate a random artist and song."
    answers = [
        llm.chat_with_tools([tool], user_msg=question),
        await llm.achat_with_tools([tool], user_msg=question),
        list(llm.stream_chat_with_tools([tool], user_msg=question))[-1],
        [chunk async for chunk in await llm.astream_chat_with_tools([tool], user_msg=question)][-1],
    ]

    for answer in answers:
        [call] = llm.get_tool_calls_from_response(answer)
        assert tool(**call.tool_kwargs).raw_output


@pytest.mark.parametrize("way", WAYS)
async def test_thinking_comes_beside_the_answer(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """ollama/tests/test_llms_ollama.py: test_chat_with_think, and async, and streamed."""
    plan.script(Turn(reasoning="Let me see.", text="Here is a story."))
    chunks = await ask(llm, way, "Tell me a story")
    [thinking, _] = chunks[-1].message.blocks

    assert isinstance(thinking, ThinkingBlock)
    assert thinking.content == "Let me see."
    if way in STREAMS:
        assert "".join(response_kwargs(chunk).get("thinking_delta", "") for chunk in chunks) == "Let me see."
