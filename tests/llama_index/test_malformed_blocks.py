"""Malformed blocks: one clear sentence that names the block, whatever is wrong with it, before anything is sent."""

import io
import math
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, ProtocolName
from stepplan.sandbox import Sandbox
from tests.support.turns import sent_answer
from tests.support.ways.llama_index import Way, ask, make_llm

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
PDF = b"%PDF-1.7\n\xe2\xe3\xcf\xd3"
WAYS: tuple[Way, Way] = ("chat", "astream_chat")  # messages are converted in one of two ways: here, or in a thread


def with_fields(block: Any, **fields: Any) -> Any:
    """The block with these values assigned: LlamaIndex does not validate then."""
    for name, value in fields.items():
        setattr(block, name, value)
    return block


def closed() -> io.BytesIO:
    file = io.BytesIO(PNG)
    file.close()
    return file


def nested_citable(depth: int) -> CitableBlock:
    block = CitableBlock(title="T", source="S", content=[])
    for _ in range(depth):
        block = CitableBlock.model_construct(title="T", source="S", content=[block])
    return block


IN_USER_MESSAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "text None": (lambda: TextBlock.model_construct(text=None), "TextBlock: its text must be a string, not None"),
    "text of bytes": (lambda: with_fields(TextBlock(text=""), text=b"Hi"), "TextBlock: its text must be a string"),
    "image of nothing": (ImageBlock, "ImageBlock: it holds neither data nor a path nor a URL"),
    "image of no bytes": (lambda: ImageBlock(image=b""), "ImageBlock: it holds neither data"),
    "image of an empty file": (lambda: ImageBlock(image=io.BytesIO()), "ImageBlock: "),
    "image of an unknown type": (lambda: ImageBlock(image=b"what?"), "ImageBlock: .*set image_mimetype"),
    "image that is a document": (lambda: ImageBlock(image=PDF), "ImageBlock: its data has the type 'application/pdf'"),
    "image of a wrong type": (lambda: ImageBlock(image=PNG, image_mimetype="text/html"), "ImageBlock: .*'text/html'"),
    "image of half a type": (lambda: ImageBlock(image=PNG, image_mimetype="png"), "ImageBlock: .*'png'"),
    "image whose type is no text": (
        lambda: with_fields(ImageBlock(image=PNG), image_mimetype=3),
        "ImageBlock: its data has the type 3",
    ),
    "image of a string": (lambda: with_fields(ImageBlock(), image="AAAA"), "ImageBlock: its data must be bytes"),
    "image of a number": (lambda: with_fields(ImageBlock(), image=7), "ImageBlock: its data must be bytes"),
    "image of a closed file": (
        lambda: ImageBlock(image=closed()),
        "ImageBlock: its file cannot be read: I/O",
    ),
    "image of a text file": (lambda: ImageBlock(image=io.StringIO("x")), "ImageBlock: its file must be open in binary"),
    "image by a local URL": (lambda: ImageBlock(url="file:///etc/passwd"), "ImageBlock: The URL of the"),
    "image by bad base64": (lambda: ImageBlock(url="data:image/png;base64,@@@@"), "ImageBlock: .*is not base64"),
    "image by two base64s": (lambda: ImageBlock(url="data:image/png;base64,AAAA,AAAA"), "ImageBlock: .*is not base64"),
    "image by no base64": (lambda: ImageBlock(url="data:image/png;base64,"), "ImageBlock: .*is not base64"),
    "image by a data URL of text": (
        lambda: ImageBlock(url="data:text/plain;base64,AAAA"),
        "ImageBlock: The URL of the",
    ),
    "image by no URL": (lambda: with_fields(ImageBlock(), url="dot.png"), "ImageBlock: The URL of the .*'dot.png'"),
    "image by a number": (lambda: with_fields(ImageBlock(), url=7), "ImageBlock: The URL of the .*'7'"),
    "image at a path of a directory": (
        lambda: with_fields(ImageBlock(), path=Path("/")),
        "ImageBlock: its file cannot",
    ),
    "image at a path that is gone": (
        lambda: with_fields(ImageBlock(), path=Path("/nowhere/a.png")),
        "ImageBlock: its file cannot be read: .*No such file",
    ),
    "image at an impossible path": (
        lambda: with_fields(ImageBlock(), path="a\0b"),
        "ImageBlock: its file cannot be read",
    ),
    "video of nothing": (VideoBlock, "VideoBlock: it holds neither data"),
    "video of an unknown type": (lambda: VideoBlock(video=b"what?"), "VideoBlock: .*set video_mimetype"),
    "video that is an image": (lambda: VideoBlock(video=PNG, video_mimetype="image/png"), "VideoBlock: .*'image/png'"),
    "document of nothing": (DocumentBlock, "DocumentBlock: it holds neither data"),
    "document at a path that is gone": (
        lambda: DocumentBlock(path="/nowhere/a.txt", title="Notes"),
        "DocumentBlock 'Notes': its file cannot be read: .*No such file",
    ),
    "document at a directory": (lambda: DocumentBlock(path="/"), "DocumentBlock: its file cannot be read"),
    "document that is none": (lambda: with_fields(DocumentBlock(), data={"a": 1}), "DocumentBlock: its data must be"),
    "document of zeros": (lambda: DocumentBlock(data=b"a\0b", title="Z"), "DocumentBlock 'Z' .*send its text"),
    "audio": (lambda: AudioBlock(audio=b"RIFF"), "AudioBlock: "),
    "citable of None": (lambda: with_fields(nested_citable(0), content=None), "CitableBlock 'T': its content must be"),
    "citable of audio": (
        lambda: with_fields(nested_citable(0), content=[AudioBlock(audio=b"RIFF")]),
        "AudioBlock: ",
    ),
    "citable 2,000 deep": (lambda: nested_citable(2_000), "CitableBlock 'T': it must not hold a CitableBlock"),
    "call of a tool": (lambda: ToolCallBlock(tool_name="a"), "ToolCallBlock: only an assistant message"),
    "dict": (lambda: {"type": "text", "text": "Hi"}, "dict: neither protocol takes such a block"),
    "string": (lambda: "Hi", "str: neither protocol takes such a block"),
    "None": (lambda: None, "NoneType: neither protocol takes such a block"),
}


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("make", "sentence"), IN_USER_MESSAGES.values(), ids=IN_USER_MESSAGES)
async def test_a_malformed_block_in_a_user_message_is_named(
    llm: StepPlan, plan: Sandbox, way: Way, make: Callable[[], Any], sentence: str
) -> None:
    message = ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="What is this?")])
    message.blocks.append(make())
    with pytest.raises(InvalidRequestError, match=sentence) as raised:
        await ask(llm, way, [message])

    assert len(str(raised.value)) < 300
    assert plan.requests == []


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize("blocks", [None, "Hi", 3, {"text": "Hi"}])
@pytest.mark.parametrize("role", MessageRole)
async def test_blocks_that_are_no_list_are_named(llm: StepPlan, role: MessageRole, blocks: Any) -> None:
    message = with_fields(ChatMessage("Hi", role=role), blocks=blocks)
    for way in WAYS:
        with pytest.raises(InvalidRequestError, match="ChatMessage: its blocks must be a list"):
            await ask(llm, way, [message])


CIRCULAR: dict[str, Any] = {}
CIRCULAR["self"] = CIRCULAR
DEEP: Any = 1
for _ in range(2_000):
    DEEP = {"a": DEEP}

IN_ANSWERS: dict[str, tuple[Callable[[], Any], str]] = {
    "text None": (lambda: TextBlock.model_construct(text=None), "TextBlock: its text must be a string"),
    "arguments in a circle": (
        lambda: ToolCallBlock(tool_name="look", tool_kwargs=CIRCULAR),
        "ToolCallBlock 'look': its tool_kwargs cannot be written as JSON: Circular",
    ),
    "arguments 2,000 deep": (
        lambda: ToolCallBlock(tool_name="look", tool_kwargs=DEEP),
        "ToolCallBlock 'look': its tool_kwargs cannot be written as JSON: nested deeper than 200 levels",
    ),
    "a date": (
        lambda: ToolCallBlock(tool_name="look", tool_kwargs={"on": date(2026, 1, 1)}),
        "cannot be written as JSON",
    ),
    "bytes": (lambda: ToolCallBlock(tool_name="look", tool_kwargs={"data": b"x"}), "cannot be written as JSON"),
    "no number": (lambda: ToolCallBlock(tool_name="look", tool_kwargs={"x": math.nan}), "cannot be written as JSON"),
    "no name": (lambda: with_fields(ToolCallBlock(tool_name=""), tool_name=None), "its tool_name must be a string"),
    "thinking of bytes": (
        lambda: with_fields(ThinkingBlock(content="", additional_information={"provider": "stepplan"}), content=b"Hm."),
        "ThinkingBlock: its content must be a string",
    ),
}


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("make", "sentence"), IN_ANSWERS.values(), ids=IN_ANSWERS)
async def test_a_malformed_block_in_an_assistant_message_is_named(
    llm: StepPlan, plan: Sandbox, way: Way, make: Callable[[], Any], sentence: str
) -> None:
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="Hello.")])
    message.blocks.append(make())
    with pytest.raises(InvalidRequestError, match=sentence):
        await ask(llm, way, [ChatMessage("Hi"), message, ChatMessage("And?")])

    assert plan.requests == []


@pytest.mark.guarantees("broken-call-talked-on")
@pytest.mark.parametrize("arguments", [None, [1], 3, "[1, 2", ""])
def test_arguments_of_any_shape_are_sent_as_an_object(llm: StepPlan, plan: Sandbox, arguments: Any) -> None:
    block = with_fields(ToolCallBlock(tool_call_id="1", tool_name="look"), tool_kwargs=arguments)
    llm.chat([ChatMessage("Hi"), ChatMessage(role="assistant", blocks=[block])])
    [(id, name, sent)] = sent_answer(plan).calls

    assert (id, name, isinstance(sent, dict)) == ("1", "look", True)


@pytest.mark.guarantees("malformed-blocks")
@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        ({"tool_calls": "look"}, "additional_kwargs\\['tool_calls'\\] must be a list"),
        ({"tool_calls": {"name": "look"}}, "must be a list"),
        ({"tool_calls": [None]}, "additional_kwargs: this is not a tool call: None"),
        ({"tool_calls": ["look"]}, "this is not a tool call: 'look'"),
        ({"tool_calls": [{"id": "1"}]}, "this tool call has no name"),
        ({"tool_calls": [{"id": "1", "function": None}]}, "this tool call has no name"),
        ({"tool_calls": [{"id": "1", "function": {"name": 3}}]}, "this tool call has no name"),
        ({"tool_calls": [{"function": {"name": "look", "arguments": CIRCULAR}}]}, "cannot be written as JSON"),
        ({"tool_calls": [{"function": {"name": "look", "arguments": DEEP}}]}, "cannot be written as JSON"),
        ({"function_call": "look"}, "this is not a tool call"),
        ({"function_call": {"arguments": "{}"}}, "this tool call has no name"),
    ],
)
def test_malformed_calls_in_the_kwargs_are_named(llm: StepPlan, kwargs: dict[str, Any], sentence: str) -> None:
    message = with_fields(ChatMessage("Hello.", role="assistant"), additional_kwargs=kwargs)
    with pytest.raises(InvalidRequestError, match=sentence):
        llm.chat([ChatMessage("Hi"), message])


@pytest.mark.parametrize("kwargs", [{"tool_call_id": ["1"]}, {"tool_call_id": 7}, {"stepplan": 3}])
@pytest.mark.parametrize("role", MessageRole)
def test_other_kwargs_of_any_shape_do_no_harm(llm: StepPlan, role: MessageRole, kwargs: Any) -> None:
    message = with_fields(ChatMessage("Hello.", role=role), additional_kwargs=kwargs)
    llm.chat([ChatMessage("Hi"), message])


@pytest.mark.parametrize("role", ["system", "developer"])
def test_an_image_in_the_instructions_is_refused(llm: StepPlan, role: str) -> None:
    with pytest.raises(InvalidRequestError, match="A system message may contain text only, not Image"):
        llm.chat([ChatMessage(role=role, blocks=[ImageBlock(image=PNG)]), ChatMessage("Hi")])


@pytest.mark.parametrize("item", [{"role": "user", "content": "Hi"}, TextBlock(text="Hi")])
async def test_what_is_no_message_is_named(llm: StepPlan, item: Any) -> None:
    from llama_index_stepplan._messages import to_messages

    with pytest.raises(InvalidRequestError, match="Messages must be ChatMessages"):
        to_messages([item])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(protocol: ProtocolName, plan: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    block = ImageBlock(path=path)
    path.chmod(0)
    with pytest.raises(InvalidRequestError, match=r"ImageBlock: its file cannot be read: .*Permission denied"):
        make_llm(plan, protocol).chat([ChatMessage(role="user", blocks=[block])])


def test_data_assigned_raw_is_sent_as_base64(llm: StepPlan, plan: Sandbox) -> None:
    block = with_fields(ImageBlock(image_mimetype="image/png"), image=PNG)
    llm.chat([ChatMessage(role="user", blocks=[block])])

    assert "iVBORw0KGgo" in str(plan.requests[0].body)
