"""StepFun's own tools: sent as documented, read with what they found, never taken for calls of the caller."""

import json
from typing import Any

import pytest

from stepplan import (
    MODELS,
    PROTOCOLS,
    InvalidRequestError,
    Message,
    NamedTool,
    Request,
    Response,
    Retrieval,
    ServerTool,
    ServerToolCall,
    ServerToolCalled,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    WebSearch,
)
from stepplan.integration.tools import to_tool
from tests.support.fixtures import FOUND, PAGE, decode, read

SEARCH = WebSearch("Searches for news.")
FOOD = Retrieval("food", "1712", "What is in food.", "Find {{query}} in {{knowledge}}")
NOW = Tool("now")
HELLO = (Message.user("Hello"),)
ON_THE_WIRE = [
    (SEARCH, {"type": "web_search", "function": {"description": "Searches for news."}}),
    (
        FOOD,
        {
            "type": "retrieval",
            "function": {
                "name": "food",
                "description": "What is in food.",
                "options": {"vector_store_id": "1712", "prompt_template": "Find {{query}} in {{knowledge}}"},
            },
        },
    ),
]


def body(**fields: Any) -> dict[str, Any]:
    return PROTOCOLS["openai"].encode(Request(messages=HELLO, **fields), stream=False)


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize(("tool", "wire"), ON_THE_WIRE)
def test_it_is_sent_as_documented(tool: ServerTool, wire: dict[str, Any]) -> None:
    assert body(tools=(tool,)) == {"model": "step-3.7-flash", "messages": body()["messages"], "tools": [wire]}


def test_what_is_not_set_is_not_sent() -> None:
    [search, food] = body(tools=(WebSearch(), Retrieval("food", "1712")))["tools"]
    assert search["function"]["description"]
    assert food["function"]["options"] == {"vector_store_id": "1712"}


def test_functions_stand_beside_it() -> None:
    sent = body(tools=(SEARCH, NOW), tool_choice="required", parallel_tool_calls=False)
    assert [tool["type"] for tool in sent["tools"]] == ["function", "web_search"]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert "tools" not in body(tools=(SEARCH, NOW), tool_choice="none")
    assert body(tools=(SEARCH, NOW), tool_choice=NamedTool("now"))["tool_choice"]["function"] == {"name": "now"}


def test_every_tool_has_a_name() -> None:
    offered = Request(messages=HELLO, tools=(SEARCH, FOOD, NOW)).tools
    assert [tool.name for tool in offered] == ["web_search", "food", "now"]


@pytest.mark.parametrize("choice", ["required", NamedTool("web_search")])
def test_only_functions_can_be_forced(choice: Any) -> None:
    with pytest.raises(InvalidRequestError, match="tool_choice"):
        Request(messages=HELLO, tools=(SEARCH,), tool_choice=choice)


@pytest.mark.parametrize("tool", [SEARCH, FOOD])
def test_messages_has_none(tool: ServerTool) -> None:
    with pytest.raises(
        InvalidRequestError, match=rf"Messages does not document the tool {tool.type}: use protocol='openai'\."
    ):
        PROTOCOLS["anthropic"].encode(Request(messages=HELLO, tools=(NOW, tool)), stream=False)


@pytest.mark.parametrize("model", [name for name, known in MODELS.items() if not known.web_search])
def test_a_model_that_cannot_search_is_named(model: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=f"{model} does not support web_search. These models do: step-3.7-flash"
    ):
        Request(messages=HELLO, model=model, tools=(SEARCH,))
    assert Request(messages=HELLO, model="step-99", tools=(SEARCH,)).server_tools == (SEARCH,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: WebSearch(3),  # type: ignore[arg-type]
        lambda: Retrieval("food", ""),
        lambda: Retrieval("food", 1712),  # type: ignore[arg-type]
        lambda: Retrieval("", "1712"),
        lambda: Retrieval("food", "1712", prompt_template=3),  # type: ignore[arg-type]
        lambda: to_tool({"type": "retrieval", "function": {"options": {"vector_store_id": "1712"}}}),
        lambda: to_tool({"type": "retrieval", "function": {"name": "food"}}),
    ],
)
def test_values_of_the_wrong_type_are_refused(make: Any) -> None:
    with pytest.raises(InvalidRequestError):
        make()


def call(id: str | None = "call_web", **function: Any) -> dict[str, Any]:
    named = {"name": "step_websearch", "arguments": '{"keyword": "weather"}', **function}
    return {"id": id, "type": "web_search", "function": named}


def stream(*deltas: dict[str, Any]) -> Response:
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    sent = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    events = decode([sent.encode()], "openai")
    end: Any = events[-1]
    response: Response = end.response
    return response


def whole(*calls: dict[str, Any], content: str = "It rains.") -> Response:
    message = {"role": "assistant", "content": content, "tool_calls": list(calls)}
    return read({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}, "openai")


def test_a_search_is_one_event_with_what_was_found() -> None:
    sent = {"choices": [{"index": 0, "delta": {"tool_calls": [call(results=[PAGE])]}}]}
    events = decode([f"data: {json.dumps(sent)}\n\n".encode()], "openai")
    assert events[1:] == [ServerToolCalled(0, FOUND)]


@pytest.mark.parametrize(
    "results",
    [[PAGE], json.dumps([PAGE]), PAGE, [PAGE, None]],
    ids=["list", "json", "object", "null"],
)
def test_results_are_read_in_any_form(results: Any) -> None:
    assert whole(call(results=results)).server_tool_calls == (FOUND,)


def test_results_that_are_not_objects_are_kept_as_text() -> None:
    assert whole(call(results=["a page"])).server_tool_calls[0].results == ({"summary": "a page"},)
    for text in ("nothing found", "[" * 100_000 + "]" * 100_000, "9" * 5000):
        assert whole(call(results=text)).server_tool_calls[0].results == ({"summary": text},)


def test_a_call_in_pieces_or_repeated_is_one_call() -> None:
    early = {"tool_calls": [{"index": 0, **call()}]}
    late = {"tool_calls": [{"index": 0, "id": "call_web", "type": "web_search", "function": {"results": [PAGE]}}]}
    assert stream(early, late, {"content": "It rains."}, late).content == (FOUND, Text("It rains."))


def test_a_call_without_results_is_kept() -> None:
    found = ServerToolCall("call_web", "web_search", '{"keyword": "weather"}')
    assert whole(call()).server_tool_calls == stream({"tool_calls": [call()]}).server_tool_calls == (found,)


def test_ids_are_distinct() -> None:
    [one, two] = whole(call(None, results=[PAGE]), call(None, results=[])).server_tool_calls
    assert one.id
    assert one.id != two.id


@pytest.mark.guarantees("stepfuns-tools")
@pytest.mark.parametrize("streamed", [True, False])
def test_functions_beside_a_search_are_the_callers(streamed: bool) -> None:
    function = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    calls = [{"index": at, **item} for at, item in enumerate([call(results=[PAGE]), function])]
    response = (
        stream(*({"tool_calls": [item]} for item in calls), {"content": "It rains."}) if streamed else whole(*calls)
    )
    assert response.server_tool_calls == (FOUND,)
    assert [parsed.call for parsed in response.tool_calls] == [ToolCall("call_1", "now", "{}")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_is_not_sent_back(protocol: Any) -> None:
    answer = Message.assistant(FOUND, Text("It rains."), ToolCall("call_1", "now", "{}"))
    result = Message.user(ToolResult("call_1", (Text("noon"),)))
    with_search = Request(messages=(*HELLO, answer, result))
    without = Request(messages=(*HELLO, Message.assistant(*answer.content[1:]), result))
    assert PROTOCOLS[protocol].encode(with_search, stream=False) == PROTOCOLS[protocol].encode(without, stream=False)


def test_a_user_message_cannot_hold_it() -> None:
    with pytest.raises(InvalidRequestError, match="ServerToolCall"):
        PROTOCOLS["openai"].encode(Request(messages=(Message.user(FOUND),)), stream=False)
