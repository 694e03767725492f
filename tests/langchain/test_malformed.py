"""Malformed content is refused before anything is sent, in one sentence that names the block's position and type."""

import contextlib
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

import stepplan
from langchain_stepplan import ChatStepPlan, InvalidRequestError
from langchain_stepplan._messages import to_messages
from stepplan import Image, Message, Text
from stepplan.sandbox import Sandbox
from tests.support.ways.langchain import WAYS, Way, stream

URL = "https://example.org/a.png"


def wrapped(depth: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(depth):
        block = {"type": "non_standard", "value": block}
    return block


def deep(depth: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(depth):
        value = {"value": value}
    return {"type": "image_url", "image_url": value}


def circular(**block: Any) -> dict[str, Any]:
    block["value"] = block
    return block


# A block, and what the sentence says of it.
MALFORMED: list[tuple[Any, str]] = [
    ({"type": "text", "text": None}, "(text): The block needs a string as 'text', not NoneType"),
    ({"type": "text"}, "(text): The block needs a string as 'text'"),
    ({"type": "text", "text": 5}, "(text): The block needs a string as 'text', not int"),
    ({"type": "text", "text": ["a"]}, "(text): The block needs a string as 'text', not list"),
    ({"type": "input_text", "text": {}}, "(input_text): The block needs a string as 'text'"),
    ({"text": 5}, "(with the keys text): The block needs a string as 'text'"),
    ({"type": "image_url"}, "(image_url): The block needs an http(s) or data URL"),
    ({"type": "image_url", "image_url": None}, "(image_url): The block needs an http(s) or data URL"),
    ({"type": "image_url", "image_url": 5}, "(image_url): The block needs an http(s) or data URL"),
    ({"type": "image_url", "image_url": {"url": 5}}, "(image_url): The block needs an http(s) or data URL"),
    ({"type": "image_url", "image_url": {"url": ""}}, "(image_url): "),
    ({"type": "image_url", "image_url": [URL]}, "(image_url): The block needs an http(s) or data URL"),
    ({"type": "input_image"}, "(input_image): The block needs an http(s) or data URL"),
    ({"type": "image_url", "image_url": {"url": "/tmp/a.png"}}, "(image_url): The URL of the image must"),
    ({"type": "image_url", "image_url": "file:///tmp/a.png"}, "(image_url): The URL of the image must"),
    ({"type": "image", "url": "a.png"}, "(image): The URL of the image must"),
    ({"type": "video", "url": "gs://bucket/a.mp4"}, "(video): The URL of the video must begin with"),
    ({"type": "image_url", "image_url": "data:image/png;base64,!!!"}, "(image_url): The data of the data: URL is not"),
    ({"type": "image_url", "image_url": "data:application/pdf;base64,AAAA"}, "(image_url): The URL of the image must"),
    ({"type": "image_url", "image_url": "data:"}, "(image_url): The URL of the image must"),
    ({"type": "image"}, "(image): The block needs 'url', or 'base64'"),
    ({"type": "image", "url": 5}, "(image): The block needs 'url', or 'base64'"),
    ({"type": "image", "url": None, "mime_type": "image/png"}, "(image): The block needs 'url', or 'base64'"),
    ({"type": "image", "base64": 5}, "(image): The block's data must be base64 text or bytes, not int"),
    ({"type": "image", "base64": "not base64!", "mime_type": "image/png"}, "(image): The block's data is not valid"),
    ({"type": "image", "base64": "AAA", "mime_type": "image/png"}, "(image): The block's data is not valid base64"),
    ({"type": "image", "base64": "北京", "mime_type": "image/png"}, "(image): The block's data is not valid base64"),
    ({"type": "image", "base64": "", "mime_type": "image/png"}, "(image): The block's data is empty"),
    ({"type": "image", "base64": b"", "mime_type": "image/png"}, "(image): The block's data is empty"),
    ({"type": "image", "text": "x", "mime_type": "image/png"}, "(image): The block needs 'url', or 'base64'"),
    ({"type": "image", "source": "x"}, "(image): The block needs 'url', or 'base64'"),
    ({"type": "image", "source": {"type": "base64"}}, "(image): The block needs 'url', or 'base64'"),
    ({"type": "image", "source": {"type": "base64", "data": "!"}}, "(image): The block's data is not valid base64"),
    ({"type": "image", "source_type": "base64"}, "(image): The block is malformed"),
    ({"type": "image", "source_type": "url"}, "(image): The block is malformed"),
    ({"type": "image", "source_type": ["url"]}, "(image): The block"),
    ({"type": "audio", "source_type": "base64"}, "(audio): The block is malformed"),
    ({"type": "file", "source_type": "id"}, "(file): The block is malformed"),
    ({"type": "file", "base64": "a", "mime_type": "text/plain"}, "(file): The block's data is not valid base64"),
    ({"type": "file", "file": "x"}, "(file): Neither protocol takes this content"),
    ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": 5}}, "(document): The block"),
    ({"type": "text-plain"}, "(text-plain): The block needs a string as 'text'"),
    ({"type": "text-plain", "base64": "a"}, "(text-plain): The block's data is not valid base64"),
    ({"type": "video"}, "(video): The block needs 'url', or 'base64'"),
    ({"type": "video_url", "video_url": {}}, "(video_url): The block needs an http(s) or data URL"),
    ({"type": "media", "data": "AAAA"}, "(media): Neither protocol takes this content"),
    ({"type": "media", "mime_type": ["image/png"], "data": "AAAA"}, "(media): Neither protocol takes this content"),
    ({"type": "non_standard"}, "(non_standard): Neither protocol takes this content"),
    ({"type": "non_standard", "value": "x"}, "(non_standard): Neither protocol takes this content"),
    ({"type": ["text"], "text": "x"}, "(with the keys type, text): "),
    ({"type": 5, "text": "x"}, "(with the keys type, text): "),
    ({"type": None}, "(with the keys type): Neither protocol takes this content"),
    ({}, "(with the keys none): Neither protocol takes this content"),
    ({5: 6}, "(with the keys 5): Neither protocol takes this content"),
    (wrapped(2_000), "(non_standard): A non_standard block is nested more than 8 deep"),
    (deep(2_000), "(image_url): The block needs an http(s) or data URL"),
    (circular(type="non_standard"), "(non_standard): A non_standard block is nested more than 8 deep"),
    (circular(type="hologram"), "(hologram): Neither protocol takes this content"),
    (circular(type="image"), "(image): The block needs 'url', or 'base64'"),
]


def assert_named(caught: pytest.ExceptionInfo[InvalidRequestError], position: str, said: str) -> None:
    text = str(caught.value)
    assert text.startswith(f"{position} {said}"), text
    assert len(text) < 400
    assert "\n" not in text
    assert isinstance(caught.value, ModelInvalidRequestError)
    assert isinstance(caught.value, stepplan.InvalidRequestError)


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize(("block", "said"), MALFORMED)
@pytest.mark.parametrize("kind", [HumanMessage, SystemMessage])
def test_a_malformed_block_is_named(model: ChatStepPlan, kind: type[BaseMessage], block: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        model.invoke([HumanMessage("hi"), kind(["look", block])])
    assert_named(caught, "messages[1].content[1]", said)


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize("way", WAYS)
async def test_it_is_named_in_every_way(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    for block, said in MALFORMED:
        with pytest.raises(InvalidRequestError) as caught:
            await way(model, [HumanMessage([block])])
        assert_named(caught, "messages[0].content[0]", said)
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]\.content\[0\] \(image_url\)"):
        model.get_num_tokens_from_messages([HumanMessage([{"type": "image_url"}])])
    assert not plan.requests


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "content must be a string or a list of blocks, not NoneType."),
        (5, "content must be a string or a list of blocks, not int."),
        ({"type": "text"}, "content must be a string or a list of blocks, not dict."),
        (["a", 5], "content[1] must be a string or a dict, not int."),
        ([["a"]], "content[0] must be a string or a dict, not list."),
        ([None], "content[0] must be a string or a dict, not NoneType."),
    ],
)
@pytest.mark.parametrize("kind", [HumanMessage, SystemMessage, AIMessage])
def test_content_of_a_wrong_type_is_named(
    model: ChatStepPlan, kind: type[BaseMessage], content: Any, said: str
) -> None:
    message = kind("")
    message.content = content
    with pytest.raises(InvalidRequestError, match=re.escape(f"messages[1].{said}")):
        model.invoke([HumanMessage("hi"), message])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"type": "image_url"}], "messages[1].content[0] (image_url): The block needs"),
        ([{"type": "image", "source_type": "base64"}], "messages[1].content[0] (image): The block is malformed"),
        ([{"type": "text", "text": 5}], "messages[1].content[0] (text): The block needs a string"),
        ([{"type": "tool_use"}], "messages[1].content[0] (tool_use): A tool call needs a string as its name"),
        ([{"type": "tool_use", "name": "look", "input": "x"}], "messages[1].content[0] (tool_use): A tool call needs"),
        ([{"type": "tool_result"}], "messages[1].content[0] (tool_result): An assistant message holds text and tool"),
        ([{"type": "image", "url": URL}], "messages[1].content[0] (image): An assistant message holds text and tool"),
    ],
)
def test_a_malformed_block_in_an_answer_written_by_hand_is_named(model: ChatStepPlan, content: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(said)):
        model.invoke([HumanMessage("hi"), AIMessage(content), HumanMessage("hi")])


# LangChain itself would fail on these before it called the model, although nothing is wrong with them.
UNTYPED: list[tuple[dict[str, Any], Any]] = [
    ({"type": "image", "base64": "AAAA"}, Image("data:image/png;base64,AAAA")),
    ({"type": "image", "base64": b"\0\0\0"}, Image("data:image/png;base64,AAAA")),
    ({"type": "image", "base64": "AA\nAA\n", "mime_type": "image/gif"}, Image("data:image/gif;base64,AAAA")),
    ({"type": "image", "source_type": "base64", "data": "AAAA"}, Image("data:image/png;base64,AAAA")),
    ({"type": "file", "source_type": "base64", "data": "eA==", "mime_type": "text/plain"}, Text("x")),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("block", "part"), UNTYPED)
async def test_blocks_without_a_media_type_are_sent(
    way: Way, model: ChatStepPlan, plan: Sandbox, block: dict[str, Any], part: Any
) -> None:
    assert to_messages([HumanMessage([block])]) == (Message("user", (part,)),)
    prompt = HumanMessage(["look", block])
    await way(model, [prompt])
    assert prompt.content == ["look", block]
    assert ("AAAA" if isinstance(part, Image) else "x") in str(plan.requests[-1].body["messages"])


async def test_a_tools_image_without_a_media_type_is_sent(model: ChatStepPlan, plan: Sandbox) -> None:
    call: Any = {"type": "tool_call", "id": "c", "name": "look", "args": {}}
    history = [AIMessage("", tool_calls=[call]), ToolMessage([UNTYPED[0][0]], tool_call_id="c")]
    await stream(model, [HumanMessage("go"), *history])
    assert "AAAA" in str(plan.requests[-1].body["messages"])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
TYPES = sorted(
    {block["type"] for block, _ in MALFORMED if isinstance(block.get("type"), str)}
    | {"output_text", "refusal", "reasoning", "thinking", "tool_result", "tool_use", "function_call", "server_tool_use"}
)
KEYS = sorted(
    {key for block, _ in MALFORMED for key in block if isinstance(key, str)}
    | {"media_type", "extras", "detail", "id", "name", "input", "args", "tool_use_id", "content", "is_error", "json"}
)
BLOCKS = st.builds(
    lambda kind, rest: {"type": kind, **rest},
    st.sampled_from(TYPES) | JUNK,
    st.dictionaries(st.sampled_from(KEYS), JUNK | st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=3), max_size=4),
)


@pytest.mark.guarantees("malformed-blocks")
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(BLOCKS, max_size=3))
def test_no_content_ends_in_another_error(content: list[Any]) -> None:
    result = ToolMessage("", tool_call_id="c")
    result.content = content
    assert len(to_messages([result])) == 1
    for metadata in ({}, {"model_provider": "openai"}, {"model_provider": "stepplan", "finish_reason": "stop"}):
        answer = AIMessage("", response_metadata=metadata)
        answer.content = content
        for message in (answer, HumanMessage(content), SystemMessage(content)):
            with contextlib.suppress(stepplan.InvalidRequestError):
                to_messages([message])
