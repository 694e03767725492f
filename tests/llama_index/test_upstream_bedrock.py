"""What run-llama's own tests ask of its class for Bedrock, asked of StepPlan on both protocols.

The files are named in each docstring, under llama-index-integrations/llms/llama-index-llms-bedrock-converse/tests.
"""

import json
from typing import Any

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool

from llama_index_stepplan import StepPlan
from llama_index_stepplan._untyped import response_kwargs
from stepplan import InvalidRequestError, ProtocolName
from stepplan.sandbox import Sandbox, ToolCall, Turn, Usage
from tests.support.marks import forced_choice_is_asked_for
from tests.support.servers import canned, canned_stream
from tests.support.ways.llama_index import STREAMS, Way, ask, make_llm

pytestmark = forced_choice_is_asked_for

HI = [ChatMessage("Test")]


def sent(llm: StepPlan, plan: Sandbox, *messages: ChatMessage) -> list[dict[str, Any]]:
    llm.chat(list(messages))
    body: list[dict[str, Any]] = plan.requests[-1].body["messages"]
    return body


def thinking_events(*deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """A Messages stream: a thinking block of these deltas, then text."""
    return [
        {"type": "message_start", "message": {"id": "m", "model": "x", "usage": {"input_tokens": 10}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "The answer is"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}},
        {"type": "message_stop"},
    ]


@pytest.mark.parametrize("text", ["Let me think about this", ""])
def test_thinking_and_its_signature_are_in_the_blocks_and_its_deltas_on_the_chunks(text: str) -> None:
    """test_thinking_delta.py: test_thinking_delta_populated_in_stream_chat and its neighbors."""
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in (text[:12], text[12:]) if piece]
    events = thinking_events(*deltas, {"type": "signature_delta", "signature": "sig"})
    with canned_stream(events) as client:
        responses = list(StepPlan(protocol="anthropic", api_key="k", http_client=client).stream_chat(HI))

    shown = [response_kwargs(r)["thinking_delta"] for r in responses if "thinking_delta" in response_kwargs(r)]
    assert shown == [delta["thinking"] for delta in deltas]
    [delta] = [r.delta for r in responses if r.delta]
    assert delta == "The answer is"
    thinking, answer = responses[-1].message.blocks
    assert isinstance(thinking, ThinkingBlock)
    assert (thinking.content, thinking.additional_information["signature"]) == (text, "sig")
    assert answer == TextBlock(text="The answer is")


def test_a_thinking_delta_is_not_on_a_whole_answer(llm: StepPlan, plan: Sandbox) -> None:
    """test_thinking_delta.py: test_thinking_delta_populated_in_chat, _in_achat."""
    plan.script(Turn(reasoning="I am thinking", text="The answer is 42"))
    response = llm.chat(HI)

    assert "thinking_delta" not in response_kwargs(response)
    assert any(isinstance(block, ThinkingBlock) for block in response.message.blocks)


@pytest.mark.parametrize("text", ["I need to calculate", ""])
def test_thinking_makes_the_round_trip(text: str) -> None:
    """test_thinking_delta.py: test_thinking_block_round_trip."""
    block = {"type": "thinking", "thinking": text, "signature": "sig"}
    body = {"content": [block, {"type": "text", "text": "42"}], "stop_reason": "end_turn"}
    client, requests = canned(body, body)
    llm = StepPlan(protocol="anthropic", api_key="k", http_client=client)
    answer = llm.chat(HI).message
    llm.chat([*HI, answer, ChatMessage("And?")])

    assert requests[1]["messages"][1]["content"][0] == block


@pytest.mark.parametrize("predict", [True, False])
def test_the_models_system_prompt_is_for_predictions(plan: Sandbox, protocol: ProtocolName, predict: bool) -> None:
    """test_system_prompt_fallback.py adds it to `chat` too, where LlamaIndex's callers add it."""
    llm = make_llm(plan, protocol, system_prompt="You are helpful.")
    if predict:
        llm.predict(PromptTemplate("Hello"))
    else:
        llm.chat([ChatMessage("Be brief.", role="system"), ChatMessage("Hello")])

    assert ("You are helpful." in str(plan.requests[0].body)) == predict
    assert ("Be brief." in str(plan.requests[0].body)) != predict


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_every_kind_of_picture_has_its_type(llm: StepPlan, plan: Sandbox, kind: str) -> None:
    """test_bedrock_converse_utils.py: test_get_img_format_jpeg and its neighbors."""
    [message] = sent(
        llm, plan, ChatMessage(role="user", blocks=[ImageBlock(image=b"x" * 40, image_mimetype=f"image/{kind}")])
    )

    assert f"image/{kind}" in json.dumps(message)


def test_cache_points_and_empty_text_are_left_out(llm: StepPlan, plan: Sandbox) -> None:
    """test_bedrock_converse_utils.py: …_with_cache_point_unsupported_model, …_empty_text_blocks."""
    point = CachePoint(cache_control=CacheControl(type="default"))
    system = ChatMessage(role="system", blocks=[TextBlock(text="Part 1"), point, TextBlock(text="Part 2")])
    user = ChatMessage(role="user", blocks=[TextBlock(text="Hello!"), point])
    messages = sent(llm, plan, system, ChatMessage("String prompt", role="system"), user)
    written = json.dumps(plan.requests[0].body)

    assert messages[-1] == {"role": "user", "content": "Hello!"}
    for part in ("Part 1", "Part 2", "String prompt"):
        assert written.count(part) == 1


def test_audio_is_refused_where_others_lose_it(llm: StepPlan) -> None:
    """test_bedrock_converse_utils.py: test_content_block_to_bedrock_format_audio drops it."""
    with pytest.raises(InvalidRequestError, match="AudioBlock"):
        llm.chat([ChatMessage(role="user", blocks=[AudioBlock(audio=b"test_audio")])])


def search(query: str) -> str:
    """Search for information about a query."""
    return f"Results for {query}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"tool_required": True}, "required"), ({}, None), ({"tool_required": True, "tool_choice": "search"}, "search")],
)
def test_a_required_tool_is_required_and_a_choice_goes_before_it(
    plan: Sandbox, options: dict[str, Any], expected: str | None
) -> None:
    """test_bedrock_converse_utils.py: test_tools_to_converse_tools_with_tool_required, …."""
    make_llm(plan, "openai").chat_with_tools([FunctionTool.from_defaults(search)], user_msg="Hi", **options)
    choice = plan.requests[0].body.get("tool_choice")

    assert choice == ({"type": "function", "function": {"name": "search"}} if expected == "search" else expected)


def test_a_document_in_a_tools_result_is_read(llm: StepPlan, plan: Sandbox) -> None:
    """test_bedrock_converse_utils.py: …_tool_result_with_document_block; text, not PDF, here."""
    call = ToolCallBlock(tool_call_id="tool_doc", tool_name="read_file", tool_kwargs={"path": "report.txt"})
    result = ChatMessage(
        role="tool",
        blocks=[DocumentBlock(data=b"All is well.", title="Report")],
        additional_kwargs={"tool_call_id": "tool_doc"},
    )
    sent(llm, plan, *HI, ChatMessage(role="assistant", blocks=[call]), result)

    assert "Report:\nAll is well." in str(plan.requests[0].body["messages"]).replace("\\n", "\n")


@pytest.mark.guarantees("foreign-ids")
@pytest.mark.parametrize("id", ["call.1:tool-2_", "x" * 300, "ünï"])
def test_any_id_of_a_call_is_paired_with_its_result(llm: StepPlan, plan: Sandbox, id: str) -> None:
    """test_bedrock_converse_utils.py: …_skips_invalid_tool_call_blocks; here none is lost."""
    call = ToolCallBlock(tool_call_id=id, tool_name="search", tool_kwargs={"query": "x"})
    result = ChatMessage("found", role="tool", additional_kwargs={"tool_call_id": id})
    messages = sent(llm, plan, *HI, ChatMessage(role="assistant", blocks=[call]), result)

    if llm.protocol == "openai":
        assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"]
    else:
        assert messages[1]["content"][0]["id"] == messages[2]["content"][0]["tool_use_id"]


@pytest.mark.parametrize("way", STREAMS)
async def test_streamed_arguments_are_a_dict_on_every_chunk(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """test_llms_bedrock_converse.py: test_stream_chat_tool_kwargs_parsed_as_dict, and async."""
    plan.script(Turn(tool_calls=[ToolCall("get_weather", {"location": "London"}, "tool-1")]))
    chunks = await ask(llm, way, HI)
    blocks = [block for chunk in chunks for block in chunk.message.blocks if isinstance(block, ToolCallBlock)]

    assert all(isinstance(block.tool_kwargs, dict) for block in blocks)
    assert blocks[-1].tool_kwargs == {"location": "London"}


@pytest.mark.parametrize("way", STREAMS)
async def test_the_last_chunk_has_no_delta_but_the_counts(llm: StepPlan, plan: Sandbox, way: Way) -> None:
    """test_llms_bedrock_converse.py: test_stream_chat."""
    plan.script(Turn(text="Test value", usage=Usage(input_tokens=15, output_tokens=26)))
    chunks = await ask(llm, way, HI)

    assert all(chunk.message.role is MessageRole.ASSISTANT for chunk in chunks)
    assert chunks[-1].delta == ""
    counts = response_kwargs(chunks[-1])
    assert [counts[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")] == [15, 26, 41]
