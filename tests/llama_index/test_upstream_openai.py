"""What run-llama's own tests ask of its class for OpenAI, asked of StepPlan on both protocols.

The files are named in each docstring, under llama-index-integrations/llms/llama-index-llms-openai/tests.
"""

import json
import logging
import re
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import httpx
import httpx2
import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field

from llama_index_stepplan import StepPlan
from llama_index_stepplan._untyped import response_kwargs
from stepplan import APITimeoutError, ProtocolName, RateLimitError
from stepplan.sandbox import Fault, Sandbox, ToolCall, Turn, Usage
from tests.support.marks import forced_choice_is_asked_for
from tests.support.servers import canned, canned_stream
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm

pytestmark = forced_choice_is_asked_for

T = TypeVar("T")
HI = [ChatMessage("test message")]
TEST = Turn(text="\n\nThis is a test!", usage=Usage(input_tokens=13, output_tokens=7))


@pytest.mark.parametrize("way", WAYS)
async def test_chat_and_complete_give_the_text_and_the_total(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """test_openai.py: test_chat_model_basic, test_chat_model_streaming, test_completion_model_async."""
    plan.script(TEST, TEST)
    answer = (await ask(llm, way, HI))[-1]
    completion = llm.complete("test prompt")

    assert answer.message.role is MessageRole.ASSISTANT
    assert answer.message.content == completion.text == "\n\nThis is a test!"
    assert response_kwargs(answer)["total_tokens"] == 20


async def test_streamed_completions_end_with_the_text(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai.py: test_completion_model_streaming, test_completion_model_async_streaming."""
    plan.script(TEST, TEST)

    assert list(llm.stream_complete("test prompt"))[-1].text == TEST.text
    assert [chunk async for chunk in await llm.astream_complete("test prompt")][-1].text == TEST.text


def test_a_key_comes_from_the_environment_or_the_argument(
    plan: Sandbox, protocol: ProtocolName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """test_openai.py: test_validates_api_key_is_present."""
    monkeypatch.setenv("STEP_API_KEY", "sk-wrong")
    assert StepPlan(protocol=protocol, base_url=plan.base_url, api_key=plan.api_key).complete("Hi").text
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    assert StepPlan(protocol=protocol, base_url=plan.base_url).complete("Hi").text


def test_a_timeout_is_tried_again_as_often_as_chosen(plan: Sandbox, protocol: ProtocolName) -> None:
    """test_openai.py: test_completion_model_with_retry; `max_retries` is the number of requests there."""
    plan.script(*[Turn(text="Late.", fault=Fault(stall_after=0))] * 3)
    with pytest.raises(APITimeoutError):
        make_llm(plan, protocol, max_retries=2, timeout=0.1).complete("Hi")

    assert len(plan.requests) == 3


def test_a_message_can_be_written_as_a_dict(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai.py: test_ensure_chat_message_is_serializable."""
    plan.script(Turn(reasoning="Hm.", text="Look.", tool_calls=[ToolCall("look", {"x": [1]}, "1")]))
    data = llm.chat(HI).message.model_dump()

    assert ChatMessage.model_validate(json.loads(json.dumps(data, default=str))).content == "Look."
    assert isinstance(data["additional_kwargs"]["tool_calls"], list)


def dummy(x: int) -> int:
    """A dummy tool for testing."""
    return x


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_calls_are_forbidden_only_if_so_chosen(llm: StepPlan, parallel: bool) -> None:
    """test_openai.py: test_prepare_chat_with_tools_reasoning_model_omits_parallel_tool_calls, and its opposite."""
    tool = FunctionTool.from_defaults(fn=dummy)
    prepared = llm._prepare_chat_with_tools(tools=[tool], user_msg="test", allow_parallel_tool_calls=parallel)

    assert prepared.get("parallel_tool_calls", True) is parallel


class Person(BaseModel):
    name: str = Field(description="The person's name")
    age: int = Field(description="The person's age")


async def test_a_structured_model_gives_the_object(llm: StepPlan) -> None:
    """test_openai.py: test_structured_chat_simple, test_structured_chat_simple_async."""
    structured = llm.as_structured_llm(Person)
    question = [ChatMessage("Create a person named 'Alice' who is 25")]

    assert isinstance(structured.chat(question).raw, Person)
    assert isinstance((await structured.achat(question)).raw, Person)


class Pair(BaseModel, Generic[T]):
    first: T
    second: T


async def test_the_name_of_a_schema_is_one_that_the_api_takes(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai.py: the names of generic classes, sync and async."""
    prompt = PromptTemplate("Two people")
    assert isinstance(llm.structured_predict(Pair[Person], prompt), Pair)
    assert isinstance(await llm.astructured_predict(Pair[Person], prompt), Pair)

    for body in (request.body for request in plan.requests):
        schema = body["tools"][0] if "tools" in body else body["response_format"]["json_schema"]
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", schema["name"])


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_a_reasoning_effort_is_passed_on(plan: Sandbox, protocol: ProtocolName, effort: str) -> None:
    """test_openai.py: test_reasoning_effort_passed_for_o1_models."""
    make_llm(plan, protocol, reasoning_effort=effort).chat(HI)
    body = plan.requests[0].body

    assert (body.get("reasoning_effort") or body["output_config"]["effort"]) == effort


def test_no_reasoning_effort_is_passed_by_default(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai.py: test_reasoning_effort_none_default."""
    llm.chat(HI)

    assert not {"reasoning_effort", "output_config"} & set(plan.requests[0].body)


def test_a_temperature_that_was_chosen_is_kept(plan: Sandbox, protocol: ProtocolName) -> None:
    """test_openai.py: test_o1_explicit_temperature_is_not_overwritten."""
    make_llm(plan, protocol, temperature=0.5).chat(HI)

    assert plan.requests[0].body["temperature"] == 0.5


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_each_piece_of_reasoning_is_a_thinking_delta(field: str) -> None:
    """test_openai.py: test_stream_chat_reasoning_content, test_stream_chat_vllm_reasoning_field."""
    pieces = [
        chunk({"role": "assistant"}),
        chunk({"content": None, field: "Let me think"}),
        chunk({"content": None, field: " about this."}),
        chunk({"content": "The answer"}),
        chunk({"content": " is 42."}),
        chunk({}, "stop"),
    ]
    with canned_stream(pieces) as client:
        responses = list(StepPlan(api_key="k", http_client=client).stream_chat(HI))

    assert [response_kwargs(r).get("thinking_delta") for r in responses] == [
        "Let me think",
        " about this.",
        None,
        None,
        None,
    ]
    [thinking, text] = responses[-1].message.blocks
    assert isinstance(thinking, ThinkingBlock)
    assert thinking.content == "Let me think about this."
    assert text == TextBlock(text="The answer is 42.")


@pytest.mark.parametrize("way", WAYS)
async def test_reasoning_is_a_thinking_block_in_every_way(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """test_openai.py: test_astream_chat_reasoning_content, test_chat_reasoning_content_non_streaming."""
    plan.script(Turn(reasoning="Let me think step by step...", text="The answer is 42."))
    [thinking, text] = (await ask(llm, way, HI))[-1].message.blocks

    assert isinstance(thinking, ThinkingBlock)
    assert thinking.content == "Let me think step by step..."
    assert text == TextBlock(text="The answer is 42.")


@pytest.mark.parametrize("way", STREAMS)
async def test_no_reasoning_is_no_thinking_block(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """test_openai.py: test_stream_chat_no_reasoning_content, test_from_openai_message_without_reasoning_content."""
    plan.script(Turn(text="\n\n2"))

    assert (await ask(llm, way, HI))[-1].message.blocks == [TextBlock(text="\n\n2")]


def sent(llm: StepPlan, plan: Sandbox, *messages: ChatMessage) -> list[dict[str, Any]]:
    llm.chat(list(messages))
    body: list[dict[str, Any]] = plan.requests[-1].body["messages"]
    return body


@pytest.mark.parametrize("role", ["user", MessageRole.USER])
def test_roles_may_be_words_or_members(llm: StepPlan, plan: Sandbox, role: Any) -> None:
    """test_openai_utils.py: test_to_openai_message_dicts_basic_enum, test_to_openai_message_dicts_basic_string."""
    assert sent(llm, plan, ChatMessage("test question", role=role), ChatMessage("test answer", role="assistant")) == [
        {"role": "user", "content": "test question"},
        {"role": "assistant", "content": "test answer"},
    ]


def test_empty_content_is_never_null(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai_utils.py: test_to_openai_message_dicts_empty_content."""
    messages = sent(llm, plan, ChatMessage("test question"), ChatMessage("", role="assistant"))

    assert all(message["content"] is not None for message in messages)


def test_an_answer_in_parts_goes_back_as_one_text(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai_utils.py: an assistant's list of text blocks is sent as a string."""
    answer = ChatMessage(role="assistant", blocks=[TextBlock(text="test answer"), TextBlock(text="and more")])
    messages = sent(llm, plan, ChatMessage("test question"), answer, ChatMessage("next"))

    assert messages[1] == {"role": "assistant", "content": "test answer\nand more"}


@pytest.mark.parametrize("logprobs", [None, {"content": None}])
def test_an_answer_without_probabilities_has_none(logprobs: Any) -> None:
    """test_openai_utils.py: what becomes of `logprobs: null`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "test answer"}, "finish_reason": "stop"}
    client, _ = canned({"id": "c", "model": "m", "choices": [{**choice, "logprobs": logprobs}]})

    assert StepPlan(api_key="k", http_client=client).chat(HI).logprobs is None


def test_an_image_goes_with_its_detail(plan: Sandbox) -> None:
    """test_openai_utils.py: test_to_openai_message_dicts_with_content_blocks, and with detail."""
    picture = ImageBlock(url="https://example.com/image.jpg", detail="high")
    question = ChatMessage(role="user", blocks=[TextBlock(text="What?"), picture])
    [message] = sent(make_llm(plan, "openai"), plan, question)

    assert message["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/image.jpg", "detail": "high"}},
    ]


def test_an_image_of_an_assistant_is_left_out_and_named_in_the_log(
    llm: StepPlan, plan: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """test_openai_utils.py: test_to_openai_message_dicts_with_content_blocks drops it without a word."""
    caplog.set_level(logging.INFO, "stepplan")
    drawn = [TextBlock(text="Here."), ImageBlock(url="https://example.com/image.jpg")]
    messages = sent(llm, plan, ChatMessage("Draw."), ChatMessage(role="assistant", blocks=drawn), ChatMessage("Again."))

    assert messages[1] == {"role": "assistant", "content": "Here."}
    assert "ImageBlock in an assistant message is left out" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "expected"), [("INVALID JSON", None), ("null", {}), ('{"test": 123}', {"test": 123}), ("", {})]
)
def test_arguments_that_are_broken_are_not_run_where_others_run_them_empty(
    llm: StepPlan, arguments: str, expected: dict[str, Any] | None
) -> None:
    """test_openai_utils.py: test_get_tool_calls_from_response_returns_empty_arguments_with_invalid_json_arguments."""
    kwargs = {"tool_calls": [{"id": "0123", "function": {"name": "search", "arguments": arguments}}]}
    response = ChatResponse(message=ChatMessage(role="assistant", content=None, additional_kwargs=kwargs))
    calls = llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)

    assert [call.tool_kwargs for call in calls] == ([] if expected is None else [expected])


@pytest.mark.parametrize("given", [{"q": "tést"}, '{"q": "tést"}'])
def test_arguments_are_sent_as_the_protocol_wants_them_and_text_is_kept(
    llm: StepPlan, plan: Sandbox, given: dict[str, Any] | str
) -> None:
    """test_openai_utils.py: test_chat_completions_tool_kwargs_serialized_to_json_string and its neighbors."""
    answer = ChatMessage(
        role="assistant",
        blocks=[
            TextBlock(text="I'll search."),
            ToolCallBlock(tool_name="search", tool_call_id="call_1", tool_kwargs=given),
        ],
    )
    result = ChatMessage("done", role="tool", additional_kwargs={"tool_call_id": "call_1"})
    message = sent(llm, plan, ChatMessage("Hi"), answer, result)[1]

    if llm.protocol == "openai":
        assert message["content"] == "I'll search."
        assert message["tool_calls"][0]["function"]["arguments"] == '{"q": "tést"}'
    else:
        assert [block.get("text") or block["input"] for block in message["content"]] == ["I'll search.", {"q": "tést"}]


def test_a_lone_result_of_a_tool_can_be_sent(llm: StepPlan, plan: Sandbox) -> None:
    """test_openai_utils.py: test_responses_api_lone_tool_message_does_not_raise."""
    lone = ChatMessage("xml result", role="tool", additional_kwargs={"tool_call_id": "call_1"})

    assert "xml result" in str(sent(llm, plan, lone))


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_a_client_of_either_library_carries_the_requests(
    plan: Sandbox, protocol: ProtocolName, library: Any
) -> None:
    """test_http_client.py: test_custom_http_client_chat, _stream, and test_custom_async_http_client_chat."""
    with library.Client(headers={"x-marker": "sync"}) as client:
        llm = make_llm(plan, protocol, http_client=client)
        assert llm.chat(HI).message.content == list(llm.stream_chat(HI))[-1].message.content
        assert not client.is_closed
    async with library.AsyncClient(headers={"x-marker": "async"}) as async_client:
        llm = make_llm(plan, protocol, async_http_client=async_client)
        await llm.achat(HI)
        assert [chunk async for chunk in await llm.astream_chat(HI)]
        assert not async_client.is_closed

    assert [request.headers["x-marker"] for request in plan.requests] == ["sync", "sync", "async", "async"]


@pytest.mark.parametrize(("after", "requests"), [("0", 3), ("0.01", 3), ("", 3), ("never", 3), ("-5", 3), ("9999", 1)])
def test_a_wait_that_the_server_asks_for_is_kept_to_or_given_up(
    plan: Sandbox, protocol: ProtocolName, after: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """test_retry_after.py: all of it; there a wait that is too long is cut short, here it is not waited for."""
    waits: list[float] = []
    monkeypatch.setattr("stepplan.client.time", SimpleNamespace(sleep=waits.append))
    plan.script(Turn(fault=Fault(status=429, times=9, headers={"Retry-After": after})))
    with pytest.raises(RateLimitError):
        make_llm(plan, protocol, max_retries=2).chat(HI)

    assert len(plan.requests) == requests
    if after in {"0", "0.01"}:
        assert waits == [float(after)] * 2


def test_a_prompt_template_is_predicted(llm: StepPlan) -> None:
    """test_openai.py uses `complete`; `predict` goes the way of engines."""
    assert "'Rome'" in llm.predict(PromptTemplate("Where is {city}?"), city="'Rome'")
