"""Every spelling of a content block that LangChain knows arrives as the protocol's own, or is refused by name."""

import base64
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_stepplan import ChatStepPlan
from stepplan import InvalidRequestError, ProtocolName
from tests.support.ways.langchain import body_of

URL = "https://example.org/a.png"
DATA = "AAAA"
DATA_URL = f"data:image/png;base64,{DATA}"
FILM = "https://example.org/a.mp4"

IMAGES: list[tuple[dict[str, Any], str]] = [
    ({"type": "image", "url": URL}, URL),
    ({"type": "image", "base64": DATA, "mime_type": "image/png"}, DATA_URL),
    ({"type": "image", "base64": DATA}, DATA_URL),
    ({"type": "image", "source_type": "url", "url": URL}, URL),
    ({"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"}, DATA_URL),
    ({"type": "image_url", "image_url": {"url": URL}}, URL),
    ({"type": "image_url", "image_url": {"url": DATA_URL}}, DATA_URL),
    ({"type": "image_url", "image_url": URL}, URL),
    ({"type": "input_image", "image_url": URL}, URL),
    ({"type": "image", "source": {"type": "url", "url": URL}}, URL),
    ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}, DATA_URL),
    ({"type": "media", "mime_type": "image/png", "data": DATA}, DATA_URL),
    ({"type": "media", "mime_type": "image/png", "data": base64.b64decode(DATA)}, DATA_URL),
    ({"type": "media", "mime_type": "image/png", "file_uri": URL}, URL),
    ({"type": "file", "mime_type": "image/png", "base64": DATA}, DATA_URL),
    ({"type": "image", "mimeType": "image/jpeg", "data": DATA}, f"data:image/jpeg;base64,{DATA}"),
    ({"type": "image_url", "image_url": {"url": f" {URL}\n"}}, URL),
    ({"type": "image_url", "image_url": URL.replace("https", "HTTPS")}, URL),
    ({"type": "image", "url": DATA_URL.replace("data", "Data")}, DATA_URL),
    ({"image": {"format": "png", "source": {"bytes": base64.b64decode(DATA)}}}, DATA_URL),
    ({"type": "non_standard", "value": {"type": "image_url", "image_url": {"url": URL}}}, URL),
    ({"type": "image", "url": URL, "id": "lc_1", "index": 0, "cache_control": {"type": "ephemeral"}}, URL),
]
VIDEOS: list[tuple[dict[str, Any], str]] = [
    ({"type": "video", "url": FILM}, FILM),
    ({"type": "video", "base64": DATA, "mime_type": "video/mp4"}, f"data:video/mp4;base64,{DATA}"),
    ({"type": "video_url", "video_url": {"url": FILM}}, FILM),
    ({"type": "video_url", "video_url": FILM}, FILM),
    ({"type": "video", "source": {"type": "url", "url": FILM}}, FILM),
    (
        {"type": "video", "source": {"type": "base64", "media_type": "video/webm", "data": DATA}},
        f"data:video/webm;base64,{DATA}",
    ),
    ({"type": "video", "source": {"type": "base64", "data": DATA}}, f"data:video/mp4;base64,{DATA}"),
    ({"type": "media", "mime_type": "video/mp4", "file_uri": FILM}, FILM),
]
TEXTS: list[dict[str, Any] | str] = [
    "words",
    {"type": "text", "text": "words"},
    {"type": "text", "text": "words", "cache_control": {"type": "ephemeral"}, "id": "lc_1"},
    {"type": "input_text", "text": "words"},
    {"text": "words"},
    {"type": "text-plain", "text": "words", "mime_type": "text/plain"},
    {"type": "file", "source_type": "text", "text": "words"},
    {"type": "file", "source_type": "text", "text": "words", "mime_type": "text/markdown"},
    {"type": "text-plain", "base64": base64.b64encode(b"words").decode(), "mime_type": "text/plain"},
    {"type": "file", "base64": base64.b64encode(b"words").decode(), "mime_type": "text/plain"},
    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"type": "file", "base64": DATA, "mime_type": "application/pdf"}, "application/pdf"),
    ({"type": "file", "url": "https://example.org/a.pdf"}, "file"),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        "application/pdf",
    ),
    ({"type": "audio", "base64": DATA, "mime_type": "audio/wav"}, "audio"),
    ({"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}, "audio"),
    ({"type": "image", "file_id": "file-1"}, "image"),
    ({"type": "image_url"}, "image_url"),
    ({"type": "image_url", "image_url": {"detail": "low"}}, "image_url"),
    ({"type": "video_url", "video_url": {}}, "video_url"),
    ({"type": "hologram", "value": 1}, "hologram"),
    ({"odd": 1}, "odd"),
]


def image_on_the_wire(protocol: ProtocolName, url: str) -> dict[str, Any]:
    if protocol == "openai":
        return {"type": "image_url", "image_url": {"url": url}}
    if url.startswith("data:"):
        media_type = url.removeprefix("data:").partition(";")[0]
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": DATA}}
    return {"type": "image", "source": {"type": "url", "url": url}}


@pytest.mark.guarantees("images-everywhere")
@pytest.mark.parametrize(("block", "url"), IMAGES)
def test_every_spelling_of_an_image_arrives(model: ChatStepPlan, block: dict[str, Any], url: str) -> None:
    [turn] = body_of(model, [HumanMessage([{"type": "text", "text": "look"}, block])])["messages"]
    assert turn["content"] == [{"type": "text", "text": "look"}, image_on_the_wire(model.protocol, url)]


@pytest.mark.guarantees("images-everywhere")
@pytest.mark.parametrize(("block", "url"), IMAGES)
def test_every_spelling_of_an_image_arrives_in_a_tool_result(
    model: ChatStepPlan, block: dict[str, Any], url: str
) -> None:
    call = {"type": "tool_call", "id": "c", "name": "look", "args": {}}
    turns = body_of(model, [AIMessage("", tool_calls=[call]), ToolMessage(["seen", block], tool_call_id="c")])[
        "messages"
    ]
    picture = image_on_the_wire(model.protocol, url)
    if model.protocol == "openai":
        assert turns[1:] == [
            {"role": "tool", "tool_call_id": "c", "content": "seen"},
            {"role": "user", "content": [picture]},
        ]
    else:
        result = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "seen"}, picture]}
        assert turns[1:] == [{"role": "user", "content": [result]}]


@pytest.mark.guarantees("images-everywhere")
@pytest.mark.parametrize(("block", "url"), IMAGES)
def test_every_spelling_of_an_image_arrives_in_a_result_that_is_a_block(
    model: ChatStepPlan, block: dict[str, Any], url: str
) -> None:
    call = {"type": "tool_use", "id": "c", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [block]}
    last = body_of(model, [AIMessage([call]), HumanMessage([result])])["messages"][-1]
    picture = image_on_the_wire(model.protocol, url)
    if model.protocol == "openai":
        assert last == {"role": "user", "content": [picture]}
    else:
        assert last["content"] == [{"type": "tool_result", "tool_use_id": "c", "content": [picture]}]


def test_a_tool_message_in_the_shape_of_messages_loses_nothing(model: ChatStepPlan) -> None:
    """LangChain's Anthropic model takes a ToolMessage that holds a `tool_result` block, so there are such histories."""
    call = {"type": "tool_call", "id": "c", "name": "look", "args": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [TEXTS[1], IMAGES[0][0]], "is_error": True}
    turns = body_of(model, [AIMessage("", tool_calls=[call]), ToolMessage([result], tool_call_id="c")])["messages"]
    picture = image_on_the_wire(model.protocol, URL)
    if model.protocol == "openai":
        assert [turn["content"] for turn in turns[1:]] == ["Error: words", [picture]]
    else:
        [sent] = turns[1]["content"]
        assert sent["content"] == [{"type": "text", "text": "Error: words"}, picture]
        assert sent["is_error"] is True


@pytest.mark.guarantees("refused-content")
def test_a_picture_for_a_model_that_takes_none_is_refused_with_those_that_do(model: ChatStepPlan) -> None:
    with pytest.raises(InvalidRequestError, match=r"step-3\.5-flash does not accept images.*step-3\.7-flash"):
        body_of(model, [HumanMessage([IMAGES[0][0]])], model="step-3.5-flash")


def test_marks_for_a_cache_are_never_sent(model: ChatStepPlan) -> None:
    """StepFun's Messages page does not list `cache_control`, and says not to send what it does not list."""
    mark = {"cache_control": {"type": "ephemeral"}}
    call = {"type": "tool_use", "id": "c", "name": "look", "input": {}, **mark}
    body = body_of(
        model,
        [
            SystemMessage([{"type": "text", "text": "Be brief.", **mark}]),
            HumanMessage([{"type": "text", "text": "go", **mark}, {**IMAGES[0][0], **mark}]),
            AIMessage([{"type": "text", "text": "I look.", **mark}, call]),
            ToolMessage([{"type": "text", "text": "seen", **mark}], tool_call_id="c"),
        ],
        tools=[{"name": "look", "description": "Look.", "input_schema": {"type": "object"}, **mark}],
    )
    assert "cache_control" not in str(body)
    assert all(words in str(body) for words in ("Be brief.", "go", "I look.", "seen", URL))


@pytest.mark.guarantees("videos")
@pytest.mark.parametrize(("block", "url"), VIDEOS)
def test_every_spelling_of_a_video_arrives_where_it_can(model: ChatStepPlan, block: dict[str, Any], url: str) -> None:
    messages = [HumanMessage([block])]
    if model.protocol == "anthropic":
        with pytest.raises(InvalidRequestError, match=r"videos.*protocol='openai'"):
            body_of(model, messages)
    else:
        [turn] = body_of(model, messages)["messages"]
        assert turn["content"] == [{"type": "video_url", "video_url": {"url": url}}]


@pytest.mark.guarantees("roles-and-strings")
@pytest.mark.parametrize("block", TEXTS)
@pytest.mark.parametrize("kind", [HumanMessage, SystemMessage])
def test_every_spelling_of_text_arrives_as_a_string(
    model: ChatStepPlan, kind: type[HumanMessage | SystemMessage], block: dict[str, Any] | str
) -> None:
    body = body_of(model, [kind([block]), HumanMessage("and?")])
    if kind is SystemMessage and model.protocol == "anthropic":
        assert body["system"] == "words"
    elif model.protocol == "openai":
        assert body["messages"][0]["content"] == "words"
    else:
        assert body["messages"][0]["content"] == [{"type": "text", "text": "words"}, {"type": "text", "text": "and?"}]


@pytest.mark.guarantees("refused-content")
@pytest.mark.parametrize(("block", "named"), REFUSED)
def test_what_no_protocol_takes_is_refused_before_sending(
    model: ChatStepPlan, block: dict[str, Any], named: str
) -> None:
    for kind in (HumanMessage, SystemMessage):
        with pytest.raises(InvalidRequestError, match=named):
            body_of(model, [kind(["look", block]), HumanMessage("and?")])


@pytest.mark.guarantees("refused-content")
@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("url", ["file:///a.png", "a.png", "gs://bucket/a", "www.example.org/a.png"])
def test_an_address_that_no_server_loads_is_refused_by_name(model: ChatStepPlan, kind: str, url: str) -> None:
    for block in ({"type": kind, "url": url}, {"type": f"{kind}_url", f"{kind}_url": {"url": url}}):
        with pytest.raises(
            InvalidRequestError, match=url if (kind, model.protocol) != ("video", "anthropic") else kind
        ):
            body_of(model, [HumanMessage(["look", block])])


def test_a_file_that_was_uploaded_to_stepfun_goes_over_chat_completions(model: ChatStepPlan) -> None:
    """In a question and in a tool's result; Messages does not document its scheme."""
    block = {"type": "image", "url": "stepfile://abc"}
    call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "c"}])
    if model.protocol == "anthropic":
        with pytest.raises(InvalidRequestError, match=r"stepfile://abc.*protocol='openai'"):
            body_of(model, [HumanMessage([block])])
        turns = body_of(model, [HumanMessage("go"), call, ToolMessage([block], tool_call_id="c")])["messages"]
        assert turns[-1]["content"][0]["content"] == "[image: stepfile://abc]"
        return
    part = {"type": "image_url", "image_url": {"url": "stepfile://abc"}}
    assert body_of(model, [HumanMessage([block])])["messages"][-1]["content"] == [part]
    turns = body_of(model, [HumanMessage("go"), call, ToolMessage([block], tool_call_id="c")])["messages"]
    assert turns[-1] == {"role": "user", "content": [part]}


def test_the_detail_of_an_image_goes_over_chat_completions(model: ChatStepPlan) -> None:
    for block in (
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        {"type": "image", "url": URL, "extras": {"detail": "low"}},
    ):
        [turn] = body_of(model, [HumanMessage([block])])["messages"]
        [image] = turn["content"]
        assert (image.get("image_url") or {}).get("detail") == ("low" if model.protocol == "openai" else None)


def test_a_tool_result_in_the_shape_of_messages_is_one_on_both(model: ChatStepPlan) -> None:
    turns = body_of(
        model,
        [
            HumanMessage("pick"),
            AIMessage([{"type": "tool_use", "id": "c", "name": "pick", "input": {"color": "green"}}]),
            HumanMessage(
                [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c",
                        "content": [{"type": "text", "text": "no"}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "and now?"},
                ]
            ),
        ],
    )["messages"]
    if model.protocol == "openai":
        assert turns[1]["tool_calls"][0]["function"] == {"name": "pick", "arguments": '{"color": "green"}'}
        assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "user"]
        assert turns[2]["content"] == "Error: no"
    else:
        assert turns[1]["content"] == [{"type": "tool_use", "id": "c", "name": "pick", "input": {"color": "green"}}]
        result, text = turns[2]["content"]
        assert result["is_error"] is True
        assert text == {"type": "text", "text": "and now?"}
