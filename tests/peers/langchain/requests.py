"""Features of requests: what goes in, tools, structured output, counting."""

import asyncio
import warnings
from typing import Any, cast

from langchain_core import exceptions as lc
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

from stepplan.sandbox import ToolCall, Turn
from tests.peers.features import Bench
from tests.peers.features import for_langchain as feature
from tests.peers.langchain.answers import failure, look
from tests.support.agents.langchain import create_agent

PICTURE = "AAAA"


class Place(BaseModel):
    """A place."""

    name: str
    sunny: bool


FOUND = '{"name": "Paris", "sunny": true}'


@feature("Input", "images in LangChain's, OpenAI's and Anthropic's formats")
def pictures(it: Bench) -> None:
    model = it.llm()
    for block in (
        {"type": "image", "base64": PICTURE, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": PICTURE, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
    ):
        model.invoke([HumanMessage([{"type": "text", "text": "look"}, block])])
        shape = "image_url" if it.protocol == "openai" else '"source"'
        assert shape in it.text(), f"{block} is sent as it is"


@feature("Input", "images in tool results")
def pictures_in_results(it: Bench) -> None:
    picture = {"type": "image", "base64": PICTURE, "mime_type": "image/png"}
    call = {"type": "tool_call", "id": "a", "name": "look", "args": {}}
    result = ToolMessage([{"type": "text", "text": "seen"}, picture], tool_call_id="a")
    it.llm().invoke([HumanMessage("go"), AIMessage("", tool_calls=[call]), result])
    sent = it.body()["messages"][2:]
    if it.protocol == "openai":
        parts = [part for turn in sent if turn["role"] == "user" for part in turn["content"]]
        assert any(part["type"] == "image_url" for part in parts), "they are lost"
    else:
        assert any(part["type"] == "image" for part in sent[0]["content"][0]["content"])


@feature("Input", "videos", absent={"anthropic": "Messages has no video"})
def videos(it: Bench) -> None:
    film = {"type": "video", "url": "https://example.org/a.mp4"}
    it.llm().invoke([HumanMessage([{"type": "text", "text": "look"}, film])])
    assert "video_url" in it.text(), "it is sent as it is"


@feature("Input", "unsupported content raises an error before anything is sent")
def refusals(it: Bench) -> None:
    document = {"type": "file", "base64": PICTURE, "mime_type": "application/pdf", "filename": "a.pdf"}
    error = failure(it.llm(), [HumanMessage([document])])
    assert not it.plan.requests, "the server had to refuse it"
    assert "pdf" in str(error)


@feature("Input", "several system messages, also later in the conversation")
def system_messages(it: Bench) -> None:
    history = [
        SystemMessage("one"),
        SystemMessage("two"),
        HumanMessage("hi"),
        SystemMessage("three"),
        HumanMessage("b"),
    ]
    it.llm().invoke(history)
    assert all(word in it.text() for word in ("one", "two", "three"))


@feature("Input", "consecutive messages of the same role")
def runs_of_one_role(it: Bench) -> None:
    history = [HumanMessage("one"), HumanMessage("two"), AIMessage("three"), AIMessage("four"), HumanMessage("five")]
    it.llm().invoke(history)
    assert all(word in it.text() for word in ("one", "two", "three", "four", "five")), "some are lost"


@feature("Input", "tool names and tool call ids that the API refuses are replaced")
def illegal_names(it: Bench) -> None:
    call = {"type": "tool_call", "id": "call:1/x", "name": "mcp.server/look", "args": {}}
    tool = {"name": "mcp.server/look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}
    model = it.llm().bind_tools([{"type": "function", "function": tool}])
    model.invoke([HumanMessage("go"), AIMessage("", tool_calls=[call]), ToolMessage("ok", tool_call_id="call:1/x")])
    assert "mcp.server/look" not in it.text(), "they are sent as they are"
    assert "call:1/x" not in it.text(), "they are sent as they are"


@feature("Input", "a tool call without a result raises an error before anything is sent")
def orphans(it: Bench) -> None:
    call = {"type": "tool_call", "id": "lost", "name": "look", "args": {}}
    history = [HumanMessage("go"), AIMessage("", tool_calls=[call]), HumanMessage("well?")]
    error = failure(it.llm(), history)
    assert not it.plan.requests, "the server had to refuse it"
    assert "lost" in str(error)


@feature("Input", "Chinese text in tool arguments is not escaped, and lone surrogates do not crash")
def text(it: Bench) -> None:
    call = {"type": "tool_call", "id": "a", "name": "look", "args": {"place": "北京"}}
    history = [HumanMessage("go \udc00"), AIMessage("", tool_calls=[call]), ToolMessage("ok", tool_call_id="a")]
    it.llm().invoke(history)
    assert "\\u5317" not in it.text(), "it is escaped"


@feature(
    "Tools",
    "`tool_choice` accepts `any`, `none`, `True`, a name, and OpenAI's and Anthropic's formats",
    absent={"anthropic": "Messages documents no tool_choice"},
)
def choices(it: Bench) -> None:
    named = {"type": "function", "function": {"name": "look"}}
    for choice, accepted in (
        ("any", ["required"]),
        (True, ["required", named]),
        ("look", [named]),
        (named, [named]),
        ({"type": "tool", "name": "look"}, [named]),
    ):
        it.llm().bind_tools([look], tool_choice=cast("Any", choice)).invoke("go")
        sent = it.body().get("tool_choice")
        assert sent in accepted, f"{choice!r} is sent as {sent!r}"


@feature("Tools", "`parallel_tool_calls=False`", absent={"anthropic": "Messages documents no such field"})
def one_at_a_time(it: Bench) -> None:
    it.llm().bind_tools([look], parallel_tool_calls=False).invoke("go")
    assert it.body().get("parallel_tool_calls") is False, "it is not sent"


@feature("Tools", "`strict=True`", absent={"anthropic": "Messages documents no such field"})
def strict_tools(it: Bench) -> None:
    it.llm().bind_tools([look], strict=True).invoke("go")
    assert it.body()["tools"][0]["function"].get("strict") is True, "it is not sent"


@feature("Tools", "a recursive Pydantic class keeps its schema")
def recursive_classes(it: Bench) -> None:
    it.llm().bind_tools([Node]).invoke("go")
    [tool] = it.body()["tools"]
    schema = tool["function"]["parameters"] if it.protocol == "openai" else tool["input_schema"]
    assert schema["properties"]["children"]["items"], "it is emptied"


class Node(BaseModel):
    """A node of a tree."""

    name: str
    children: list["Node"]


@feature("Tools", "only fields that StepFun documents are sent")
def documented_fields(it: Bench) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        it.llm(temperature=0).bind_tools([look], tool_choice="look").invoke("go")
        list(it.llm().stream("go"))
    unlisted = sorted({name for request in it.plan.requests for name in request.unlisted} - {"stream_options"})
    assert not unlisted, f"sends {', '.join(unlisted)}"


@feature(
    "Structured output",
    '`method="json_schema"` sends a JSON schema',
    absent={"anthropic": "Messages documents no response format"},
)
def json_schema(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Hm.", text=FOUND, tool_calls=[]))
    structured = it.llm().with_structured_output(Place, method="json_schema")
    structured.invoke("go")
    assert "response_format" in it.body(), "a tool is sent instead"


@feature("Structured output", '`method="function_calling"`')
def function_calling(it: Bench) -> None:
    it.plan.script(Turn(reasoning="Hm.", tool_calls=[ToolCall("Place", FOUND)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = it.llm().with_structured_output(Place, method="function_calling").invoke("go")
    assert found == Place(name="Paris", sunny=True)


@feature("Structured output", "an answer cut off by the token limit raises an error that says so")
def cut_off_objects(it: Bench) -> None:
    call = ToolCall("Place", '{"name": "Pa')
    it.plan.script(Turn(tool_calls=[call], finish_reason="length"))
    schema = {"title": "Place", "description": "A place.", "type": "object", "properties": {"name": {"type": "string"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structured = it.llm().with_structured_output(schema, method="function_calling")
        error = failure(structured, stream=True)
    assert "max_tokens" in str(error), f"says {str(error)[:60]!r}"


@feature("Structured output", "an answer stopped by moderation raises a refusal error")
def refused_objects(it: Bench) -> None:
    it.plan.script(Turn(text="I will not.", finish_reason="content_filter"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = failure(it.llm().with_structured_output(Place, method="function_calling"))
    assert isinstance(error, REFUSAL), f"it is a {type(error).__name__}"


# LangChain knows refusals since core 1.7.5.
REFUSAL: Any = getattr(lc, "ModelRefusalError", lc.ModelInvalidRequestError)


@feature("Structured output", "`create_agent(response_format=...)` with tools")
def agents(it: Bench) -> None:
    model = it.llm()
    by_text = bool((model.profile or {}).get("structured_output")) and it.protocol == "openai"
    answer = Turn(text=FOUND) if by_text else Turn(tool_calls=[ToolCall("Place", FOUND)])
    it.plan.script(Turn(reasoning="I look.", tool_calls=[ToolCall("look", {"place": "x"})]), answer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = create_agent(model, tools=[look], response_format=Place).invoke({"messages": [("user", "go")]})
    assert state["structured_response"] == Place(name="Paris", sunny=True)


@feature("Settings", "`reasoning_effort`")
def effort(it: Bench) -> None:
    it.llm(reasoning_effort="low").invoke("go")
    sent = it.body()
    assert (sent.get("reasoning_effort") or sent.get("output_config", {}).get("effort")) == "low", "it is not sent"


@feature(
    "Settings",
    "the default `max_tokens` leaves room for reasoning",
    absent={"openai": "Chat Completions needs none"},
)
def default_limit(it: Bench) -> None:
    it.llm().invoke("go")
    assert it.body()["max_tokens"] >= 16_000, f"it is {it.body()['max_tokens']}"


@feature("Settings", "headers for all calls, and for one call")
def headers(it: Bench) -> None:
    it.llm(default_headers={"X-One": "1"}).invoke("go", extra_headers={"X-Two": "2"})
    sent = it.plan.requests[-1].headers
    assert (sent.get("x-one"), sent.get("x-two")) == ("1", "2"), "they are not sent"


@feature("Tokens", "the server counts tokens, tools included, sync and async")
def counted(it: Bench) -> None:
    model: Any = it.llm()
    if hasattr(model, "acount_tokens"):
        assert model.count_tokens("hello", tools=[look]) == asyncio.run(model.acount_tokens("hello", tools=[look])) > 0
    else:
        assert model.get_num_tokens_from_messages([HumanMessage("hello")], tools=[look]) > 0
        assert it.plan.requests, "it is a guess"
        assert hasattr(model, "aget_num_tokens_from_messages"), "sync only"


@feature("Tokens", "tokens are estimated without a request or a download")
def estimated(it: Bench) -> None:
    count = it.llm().get_num_tokens_from_messages([HumanMessage("你好，世界。")])
    assert not it.plan.requests, "it is a request"
    assert 3 <= count <= 16, f"says {count}"
