"""Content blocks: each is converted, left out because it is only a mark, or refused in one clear sentence."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockingError, blockbuster_ctx
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError
from stepplan.sandbox import Sandbox

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def sent(llm: StepPlan, plan: Sandbox, *blocks: ContentBlock) -> Any:
    """The content of the user message that goes out."""
    llm.chat([ChatMessage(role="user", blocks=list(blocks))])
    return plan.requests[-1].body["messages"][-1]["content"]


def image(protocol: str, url: str) -> dict[str, Any]:
    if protocol == "openai":
        return {"type": "image_url", "image_url": {"url": url}}
    if url.startswith("data:"):
        kind, _, data = url.removeprefix("data:").partition(";base64,")
        return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
    return {"type": "image", "source": {"type": "url", "url": url}}


@pytest.mark.guarantees("images-everywhere")
@pytest.mark.parametrize("source", ["bytes", "stream", "path", "data URL"])
def test_an_image_is_sent_inline_whatever_it_was_made_from(
    llm: StepPlan, plan: Sandbox, tmp_path: Path, source: str
) -> None:
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    block = {
        "bytes": lambda: ImageBlock(image=PNG),
        "stream": lambda: ImageBlock(image=io.BytesIO(PNG)),
        "path": lambda: ImageBlock(path=path),
        "data URL": lambda: ImageBlock(url=PNG_URL),
    }[source]()
    content = sent(llm, plan, TextBlock(text="What is this?"), block)

    assert content == [{"type": "text", "text": "What is this?"}, image(llm.protocol, PNG_URL)]


def test_the_url_of_an_image_is_passed_on_and_not_loaded(llm: StepPlan, plan: Sandbox) -> None:
    content = sent(llm, plan, ImageBlock(url="https://example.invalid/a.png"))

    assert content == [image(llm.protocol, "https://example.invalid/a.png")]


@pytest.mark.parametrize(("detail", "expected"), [("low", "low"), ("high", "high"), ("auto", None), (None, None)])
def test_the_detail_of_an_image_is_sent_where_the_protocol_has_it(
    llm: StepPlan, plan: Sandbox, detail: str | None, expected: str | None
) -> None:
    [part] = sent(llm, plan, ImageBlock(image=PNG, detail=detail))

    assert part.get("image_url", {}).get("detail") == (expected if llm.protocol == "openai" else None)


def test_an_image_of_an_unknown_type_asks_for_the_type(llm: StepPlan, plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="set image_mimetype"):
        sent(llm, plan, ImageBlock(image=b"what is this"))


def test_an_empty_image_block_is_refused(llm: StepPlan, plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="neither data nor a path nor a URL"):
        sent(llm, plan, ImageBlock())


@pytest.mark.guarantees("videos")
@pytest.mark.parametrize("source", ["bytes", "stream", "path", "url"])
def test_a_video_goes_over_chat_completions_only(llm: StepPlan, plan: Sandbox, tmp_path: Path, source: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(MP4)
    block = {
        "bytes": lambda: VideoBlock(video=MP4),
        "stream": lambda: VideoBlock(video=io.BytesIO(MP4), video_mimetype="video/mp4"),
        "path": lambda: VideoBlock(path=path),
        "url": lambda: VideoBlock(url="https://example.invalid/a.mp4", fps=2),
    }[source]()
    if llm.protocol == "anthropic":
        with pytest.raises(InvalidRequestError, match="protocol='openai'"):
            sent(llm, plan, block)
        return
    [part] = sent(llm, plan, block)
    url = (
        "https://example.invalid/a.mp4"
        if source == "url"
        else f"data:video/mp4;base64,{base64.b64encode(MP4).decode()}"
    )

    assert part == {"type": "video_url", "video_url": {"url": url}}


@pytest.mark.guarantees("refused-content")
def test_a_model_without_pictures_says_which_take_them(llm: StepPlan, plan: Sandbox) -> None:
    llm.model = "step-3.5-flash"
    with pytest.raises(InvalidRequestError, match=r"does not accept images\. These models do: step-3\.7-flash"):
        sent(llm, plan, ImageBlock(image=PNG))


@pytest.mark.guarantees("refused-content")
def test_audio_is_refused_with_a_way_out(llm: StepPlan, plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="takes audio, on either protocol; send a transcript"):
        sent(llm, plan, AudioBlock(audio=b"RIFF", format="wav"))


@pytest.mark.parametrize("source", ["bytes", "path"])
def test_the_text_of_a_document_is_sent_under_its_title(
    llm: StepPlan, plan: Sandbox, tmp_path: Path, source: str
) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Größe")
    block = (
        DocumentBlock(data=path.read_bytes(), title="Notes")
        if source == "bytes"
        else DocumentBlock(path=path, title="Notes")
    )

    assert sent(llm, plan, block) == "Notes:\n# Größe"


def test_a_document_without_a_title_is_its_text(llm: StepPlan, plan: Sandbox) -> None:
    assert sent(llm, plan, DocumentBlock(data=b"plain words")) == "plain words"


@pytest.mark.guarantees("refused-content")
@pytest.mark.parametrize(
    ("block", "said"),
    [
        (DocumentBlock(data=b"%PDF-1.7\n\xe2\xe3\xcf\xd3", title="Bill"), r"'Bill' \(application/pdf\).*send its text"),
        (DocumentBlock(url="https://example.invalid/a.pdf"), "load it and send its text"),
    ],
)
def test_a_document_that_is_not_text_is_refused_with_a_way_out(
    llm: StepPlan, plan: Sandbox, block: DocumentBlock, said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        sent(llm, plan, block)


def test_citable_content_is_sent_under_its_title_and_source(llm: StepPlan, plan: Sandbox) -> None:
    content = sent(llm, plan, CitableBlock(title="Atlas", source="p. 3", content=[TextBlock(text="It is round.")]))

    text = content if isinstance(content, str) else "\n".join(part["text"] for part in content)
    assert text == "Atlas (p. 3):\nIt is round."


def test_marks_without_content_are_left_out(llm: StepPlan, plan: Sandbox) -> None:
    cited = CitationBlock(
        cited_content=TextBlock(text="x"), source="s", title="t", additional_location_info={"start": 1}
    )
    mark = CachePoint(cache_control=CacheControl(type="ephemeral"))
    content = sent(llm, plan, mark, TextBlock(text="Hello"), cited, ThinkingBlock(content="mine"))

    assert content == "Hello"


@pytest.mark.guarantees("foreign-histories")
def test_a_mixed_history_of_another_provider_can_be_sent(llm: StepPlan, plan: Sandbox) -> None:
    cited = CitationBlock(cited_content=TextBlock(text="x"), source="s", title="t", additional_location_info={})
    llm.chat(
        [
            ChatMessage("Question"),
            ChatMessage(
                role="assistant",
                blocks=[
                    ThinkingBlock(content="Theirs.", additional_information={"signature": "sig"}),
                    TextBlock(text="Answer."),
                    cited,
                    CachePoint(cache_control=CacheControl(type="ephemeral")),
                ],
            ),
            ChatMessage("Next"),
        ]
    )

    assert plan.requests[0].body["messages"][1] == {"role": "assistant", "content": "Answer."}
    assert "Theirs" not in str(plan.requests[0].body)


def test_a_tool_call_outside_of_an_assistant_message_is_refused(llm: StepPlan, plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="only an assistant message calls tools"):
        sent(llm, plan, ToolCallBlock(tool_name="a"))


@pytest.mark.guarantees("images-everywhere")
def test_images_in_tool_results_reach_the_model(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat(
        [
            ChatMessage("Look"),
            ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={})]),
            ChatMessage(
                role="tool",
                blocks=[
                    TextBlock(text="seen"),
                    CitableBlock(title="T", source="S", content=[ImageBlock(image=PNG)]),
                ],
                additional_kwargs={"tool_call_id": "1"},
            ),
        ]
    )
    messages = plan.requests[0].body["messages"]

    if llm.protocol == "openai":
        assert messages[2] == {"role": "tool", "tool_call_id": "1", "content": "seen\nT (S):"}
        assert messages[3] == {"role": "user", "content": [image("openai", PNG_URL)]}
    else:
        [result] = messages[2]["content"]
        assert result["content"] == [{"type": "text", "text": "seen\nT (S):"}, image("anthropic", PNG_URL)]


@pytest.mark.guarantees("nothing-blocks")
@pytest.mark.parametrize("source", ["path", "open file"])
async def test_files_are_read_outside_of_the_event_loop(
    llm: StepPlan, plan: Sandbox, tmp_path: Path, source: str
) -> None:
    path = tmp_path / "dot.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        block = ImageBlock(path=path) if source == "path" else ImageBlock(image=file)
        message = ChatMessage(role="user", blocks=[block])
        await llm.achat([message])  # opens the connection
        with blockbuster_ctx():
            answer = await llm.achat([message])
            chunks = [chunk async for chunk in await llm.astream_chat([message])]
            with pytest.raises(BlockingError):
                path.read_bytes()

    assert answer.message.content == chunks[-1].message.content
    assert plan.requests[1].body["messages"] == plan.requests[0].body["messages"]
