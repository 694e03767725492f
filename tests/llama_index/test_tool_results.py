"""Tool results: whatever a tool returned, the run goes on, and the model is told what it does not get."""

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.tools import FunctionTool

from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.llama_index import run
from tests.support.marks import agents_use_old_pydantic
from tests.support.turns import sent_answer
from tests.support.ways.llama_index import WAYS, Way, ask

PDF = b"%PDF-1.7\n\xe2\xe3\xcf\xd3"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
CALLED = ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="1", tool_name="look")])


def history(*blocks: Any) -> list[ChatMessage]:
    """A conversation in which a tool returned these blocks, of whatever type."""
    result = ChatMessage(role=MessageRole.TOOL, additional_kwargs={"tool_call_id": "1"})
    result.blocks = list(blocks)
    return [ChatMessage("Look."), CALLED, result]


class ResourceLink:
    """As MCP has it."""

    def __init__(self) -> None:
        self.type, self.name, self.uri = "resource_link", "Report", "file:///srv/report.pdf"
        self.mimeType = "application/pdf"


CITED = TextBlock(text="It is round.")
NAMED: dict[str, tuple[Any, str]] = {
    "document": (DocumentBlock(data=PDF, title="Bill"), "[document: Bill, application/pdf, 13 bytes]"),
    "document of ASCII": (DocumentBlock(data=b"%PDF-1.7", title="Bill"), "[document: Bill, application/pdf, 8 bytes]"),
    "document by URL": (
        DocumentBlock(url="https://example.invalid/a.pdf"),
        "[document: application/pdf, https://example.invalid/a.pdf]",
    ),
    "document that is gone": (DocumentBlock(path="/nowhere/a.pdf"), "[document: a.pdf, application/pdf]"),
    "audio": (AudioBlock(audio=b"RIFF, then sound", format="wav"), "[audio: wav, 16 bytes]"),
    "audio by URL": (AudioBlock(url="https://example.invalid/a.mp3"), "[audio: mp3, https://example.invalid/a.mp3]"),
    "empty image": (ImageBlock(), "[image]"),
    "image of no type": (ImageBlock(image=b"what?"), "[image: 5 bytes]"),
    "image that is a document": (ImageBlock(image=PDF), "[image: application/pdf, 13 bytes]"),
    "tool call": (ToolCallBlock(tool_name="look"), "[tool_call: look]"),
    "resource link": (ResourceLink(), "[resource_link: Report, application/pdf, file:///srv/report.pdf]"),
    "data": ({"type": "resource", "uri": "mcp://notes/1"}, "[resource: mcp://notes/1]"),
    "text without text": (TextBlock.model_construct(text=None), "[text]"),
    "nothing": (None, "[NoneType]"),
}


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("block", "named"), NAMED.values(), ids=NAMED)
async def test_a_block_that_cannot_be_sent_is_named_to_the_model_and_in_the_log(  # noqa: PLR0917
    llm: StepPlan, plan: Sandbox, way: Way, block: Any, named: str, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(llm, way, history(TextBlock(text="Found:"), block))

    assert sent_answer(plan).results == [("1", f"Found:\n{named}")]
    [record] = caplog.records
    assert record.message.startswith(f"In a tool result, the model gets {named!r} instead.")


def test_half_a_surrogate_pair_in_a_block_that_cannot_be_sent_can_be_logged(
    llm: StepPlan, caplog: pytest.LogCaptureFixture
) -> None:
    llm.chat(history({"type": "resource", "uri": "mcp://\ud83d"}))

    [record] = caplog.records
    assert record.message.encode()


def test_the_size_of_a_file_is_named(llm: StepPlan, plan: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "bill.pdf"
    path.write_bytes(PDF)
    llm.chat(history(DocumentBlock(path=path)))

    assert sent_answer(plan).results == [("1", "[document: bill.pdf, application/pdf, 13 bytes]")]


def test_what_is_cited_is_text_under_its_title(llm: StepPlan, plan: Sandbox) -> None:
    cited = CitationBlock(cited_content=CITED, source="p. 4", title="Atlas", additional_location_info={})
    citable = CitableBlock(title="Bills", source="May", content=[CITED, DocumentBlock(data=PDF, title="Bill")])
    llm.chat(history(cited, citable))

    assert sent_answer(plan).results == [
        ("1", "Atlas (p. 4):\nIt is round.\nBills (May):\nIt is round.\n[document: Bill, application/pdf, 13 bytes]")
    ]


def test_a_citable_block_within_itself_is_named(llm: StepPlan, plan: Sandbox) -> None:
    block = CitableBlock(title="Loop", source="s", content=[])
    nested: Any = block.content
    nested.append(block)
    llm.chat(history(block))

    assert sent_answer(plan).results == [("1", "[citable: Loop]")]


def test_marks_are_left_out(llm: StepPlan, plan: Sandbox) -> None:
    mark = CachePoint(cache_control=CacheControl(type="ephemeral"))
    llm.chat(history(TextBlock(text="Seen."), mark, ThinkingBlock(content="Hm.")))

    assert sent_answer(plan).results == [("1", "Seen.")]


def test_an_image_is_sent_and_a_video_where_the_protocol_takes_one(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat(history(ImageBlock(image=PNG), VideoBlock(url="https://example.invalid/a.mp4")))
    body = str(plan.requests[0].body)

    assert base64.b64encode(PNG).decode() in body
    if llm.protocol == "openai":
        assert "{'type': 'video_url', 'video_url': {'url': 'https://example.invalid/a.mp4'}}" in body
    else:
        assert "[video: https://example.invalid/a.mp4]" in body


@pytest.mark.parametrize(
    "block",
    [
        ImageBlock(image=PNG),
        ImageBlock(url="https://example.invalid/a.png"),
        VideoBlock(video=b"mp4", video_mimetype="video/mp4"),
    ],
)
def test_a_model_that_takes_no_images_is_told_of_them(
    llm: StepPlan, plan: Sandbox, block: Any, caplog: pytest.LogCaptureFixture
) -> None:
    llm.model = "step-3.5-flash"
    llm.chat(history(TextBlock(text="Seen."), block))

    [(_, text)] = sent_answer(plan).results
    assert text.startswith(f"Seen.\n[{block.block_type}: ")
    assert len(caplog.records) == 1


@pytest.mark.guarantees("tool-results-never-end-a-run")
@agents_use_old_pydantic
@pytest.mark.parametrize(
    "returned",
    [
        [TextBlock(text="Seen."), DocumentBlock(data=PDF, title="Bill")],
        AudioBlock(audio=b"RIFF", format="wav"),
        {"json": [1, 2, {"deep": None}]},
        ResourceLink(),
        b"bytes",
        None,
        [],
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_agent_ends_whatever_its_tool_returned(llm: StepPlan, plan: Sandbox, returned: Any) -> None:
    plan.script(Turn(tool_calls=[ToolCall("look", {}, "1")]), Turn(text="Done."), Turn(text="You are welcome."))
    tool = FunctionTool.from_defaults(lambda: returned, name="look", description="Looks.")
    agent = FunctionAgent(tools=[tool], llm=llm)

    assert str(await run(agent, "Look.")) == "Done."


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize(
    ("block", "name"),
    [(DocumentBlock(data=PDF, title="Bill"), "DocumentBlock 'Bill'"), (AudioBlock(audio=b"RIFF"), "AudioBlock")],
)
def test_a_person_is_told_instead(llm: StepPlan, block: Any, name: str) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        llm.chat([ChatMessage(role="user", blocks=[block])])


def test_an_open_file_is_read_from_its_start(llm: StepPlan, plan: Sandbox) -> None:
    file = io.BytesIO(PNG)
    file.read()
    llm.chat(history(ImageBlock(image=file)))

    assert base64.b64encode(PNG).decode() in str(plan.requests[0].body)
