"""What a tool returned never ends a run: content that no protocol takes becomes text that says what it is."""

import base64
import json
import logging
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from langchain_stepplan import ChatStepPlan, InvalidRequestError
from stepplan.sandbox import Sandbox, ToolCall, Turn
from tests.support.agents.langchain import ask, create_agent, messages_of
from tests.support.ways.langchain import WAYS, Way, body_of

PDF = base64.b64encode(b"%PDF-1.4 ten ten ten").decode()
CALL = {"type": "tool_call", "id": "c", "name": "look", "args": {}}

# A block, and the text that stands for it.
DESCRIBED: dict[str, tuple[dict[str, Any], str]] = {
    "an MCP resource link": (
        {
            "type": "resource_link",
            "uri": "https://example.org/r",
            "name": "r",
            "title": "Report",
            "mimeType": "text/html",
            "size": 1200,
        },
        "[resource link: Report, text/html, 1,200 bytes, https://example.org/r]",
    ),
    "one as LangChain's MCP adapters make it": (
        {"type": "file", "url": "https://example.org/r", "mime_type": "text/html", "id": "lc_1"},
        "[file: text/html, https://example.org/r]",
    ),
    "one to a place that no server reaches": (
        {"type": "image", "url": "notes://7/plan.png", "mime_type": "image/png"},
        "[image: image/png, notes://7/plan.png]",
    ),
    "an MCP resource of text": (
        {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "Inside."}},
        "[resource: text/plain, file:///a.txt]\nInside.",
    ),
    "an MCP resource of bytes": (
        {"type": "resource", "resource": {"uri": "file:///a.bin", "blob": "AAAA"}},
        "[resource: 3 bytes, file:///a.bin]",
    ),
    "a PDF": (
        {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"},
        "[file: a.pdf, application/pdf, 20 bytes]",
    ),
    "a PDF of Chat Completions": (
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
        "[file: a.pdf, application/pdf, 20 bytes]",
    ),
    "a PDF of Messages": (
        {
            "type": "document",
            "title": "Paper",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        },
        "[document: Paper, application/pdf, 20 bytes]",
    ),
    "a PDF of Bedrock": (
        {"document": {"format": "pdf", "name": "Paper", "source": {"bytes": base64.b64decode(PDF)}}},
        "[document: Paper, pdf, 20 bytes]",
    ),
    "a PDF by URL": (
        {"type": "document", "title": "Paper", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        "[document: Paper, https://example.org/a.pdf]",
    ),
    "JSON": ({"type": "json", "json": {"place": "北京"}}, '{"place": "北京"}'),
    "JSON of Bedrock": ({"json": {"place": "北京"}}, '{"place": "北京"}'),
    "much JSON": ({"type": "json", "json": ["row"] * 10_000}, json.dumps(["row"] * 10_000)),
    "the output of a custom tool": (
        {"type": "custom_tool_call_output", "output": "line\n" * 10_000},
        "[custom tool call output]\n" + "line\n" * 10_000,
    ),
    "data of an unknown type": ({"type": "hologram", "voxels": "A" * 30_000}, "[hologram]"),
    "a search result": (
        {
            "type": "search_result",
            "title": "News",
            "source": "https://example.org/n",
            "content": [{"type": "text", "text": "Found."}, {"type": "text", "text": "More."}],
        },
        "[search result: News, https://example.org/n]\nFound.\nMore.",
    ),
    "audio": ({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}, "[audio: audio/wav, 3 bytes]"),
    "audio of Chat Completions": (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        "[input audio: wav, 3 bytes]",
    ),
    "an image by id": ({"type": "image", "file_id": "file-1"}, "[image: file-1]"),
    "an unknown type": ({"type": "hologram", "depth": 3}, '{"type": "hologram", "depth": 3}'),
    "no type": ({"city": "Paris", "sunny": True}, '{"city": "Paris", "sunny": true}'),
    "an image without data": ({"type": "image_url"}, '{"type": "image_url"}'),
    "no base64": ({"type": "image", "base64": "!", "mime_type": "image/png"}, "[image: image/png, 0 bytes]"),
    "text that is none": ({"type": "text", "text": None}, '{"type": "text", "text": null}'),
}


def nested(depth: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": "x"}
    for _ in range(depth):
        block = {"type": "tool_result", "tool_use_id": "c", "content": [block]}
    return block


def circular(name: str) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": "c"}
    block[name] = [block]
    return block


# Nothing can be told of these, but the run goes on.
ODD: dict[str, Any] = {
    "results in results": nested(2_000),
    "a result in itself": circular("content"),
    "a block in itself": {**circular("me"), "type": "custom"},
    "bytes": b"abc",
    "no content": None,
    "a number in it": [5],
    "a list in it": [["a"]],
}


def result_on_the_wire(model: ChatStepPlan, content: Any) -> str:
    """The text of a result that goes out."""
    message = ToolMessage("", tool_call_id="c")
    message.content = content
    last = body_of(model, [HumanMessage("go"), AIMessage("", tool_calls=[CALL]), message])["messages"][-1]
    if model.protocol == "openai":
        assert last["role"] == "tool"
        return str(last["content"])
    [result] = last["content"]
    return str(result["content"])


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize(("block", "text"), DESCRIBED.values(), ids=DESCRIBED)
def test_what_no_protocol_takes_is_described(
    model: ChatStepPlan, block: dict[str, Any], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert result_on_the_wire(model, ["Seen:", block, "That is all."]) == f"Seen:\n{text}\nThat is all."
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "tool call c" in record.getMessage()


@pytest.mark.parametrize(("block", "text"), DESCRIBED.values(), ids=DESCRIBED)
def test_it_is_described_in_a_result_that_is_a_block_and_wrapped(
    model: ChatStepPlan, block: dict[str, Any], text: str
) -> None:
    result = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "non_standard", "value": block}]}
    assert result_on_the_wire(model, [result]) == text
    turn = body_of(model, [AIMessage("", tool_calls=[CALL]), HumanMessage([result])])["messages"][-1]
    assert (turn if model.protocol == "openai" else turn["content"][0])["content"] == text


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_no_content_of_a_result_ends_a_run(model: ChatStepPlan, content: Any) -> None:
    result_on_the_wire(model, content)
    result_on_the_wire(model, [content, "and text"])


def test_a_description_is_logged_once_per_result(model: ChatStepPlan, caplog: pytest.LogCaptureFixture) -> None:
    result_on_the_wire(model, [block for block, _ in DESCRIBED.values()])
    assert len(caplog.records) == 1


def test_what_the_model_takes_is_not_logged(model: ChatStepPlan, caplog: pytest.LogCaptureFixture) -> None:
    assert result_on_the_wire(model, ["a", {"type": "text", "text": "b"}, {"type": "text-plain", "text": "c"}]) == (
        "a\nb\nc"
    )
    assert result_on_the_wire(model, [{"type": "reasoning", "reasoning": "SECRET"}, "a"]) == "a"
    assert not caplog.records


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize("block", [block for block, _ in DESCRIBED.values() if block.get("type") != "image"])
def test_what_a_person_wrote_is_refused(model: ChatStepPlan, block: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"messages\[0\]\.content\[1\]"):
        model.invoke([HumanMessage(["look", block])])


@pytest.mark.guarantees("tool-results-never-end-a-run")
@pytest.mark.parametrize("way", WAYS)
async def test_an_agents_thread_goes_on_after_such_a_result(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    kinds = {"document", "file", "json", "search_result"}  # LangGraph itself makes text of what it does not know

    @tool(response_format="content_and_artifact")
    def look() -> tuple[list[Any], Any]:
        """Look."""
        return [block for block, _ in DESCRIBED.values() if block.get("type") in kinds], {"artifact": object()}

    plan.script(Turn(tool_calls=[ToolCall("look", {}, "c")]), Turn(text="A report."), Turn(text="Yes."))
    agent = create_agent(model, tools=[look])
    messages = messages_of(agent.invoke(ask("look")))
    assert messages[-1].content == "A report."
    assert (await way(model, [*messages, HumanMessage("sure?")])).content == "Yes."
    body = json.dumps(plan.requests[-1].body, ensure_ascii=False)
    assert "[file: a.pdf, application/pdf, 20 bytes]" in body
    assert PDF not in body
