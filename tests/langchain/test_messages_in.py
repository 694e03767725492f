"""Conversations that others began, or that are out of order, arrive in a shape that the API takes."""

import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

from langchain_stepplan import ChatStepPlan
from stepplan import InvalidRequestError, ProtocolName
from tests.support.servers import CannedServer
from tests.support.ways.langchain import body_of, model_of

CALL = ToolCall(type="tool_call", id="call_1", name="look", args={"place": "北京"})

# One answer as each integration leaves it: it thought SECRET, said "Let me look." and called the tool.
FOREIGN: dict[str, AIMessage] = {
    "openai chat completions": AIMessage(
        "Let me look.",
        tool_calls=[CALL],
        response_metadata={"model_provider": "openai", "finish_reason": "tool_calls"},
        additional_kwargs={"refusal": None},
    ),
    "openai responses": AIMessage(
        [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "SECRET"}]},
            {"type": "text", "text": "Let me look.", "annotations": [], "id": "msg_1"},
            {"type": "function_call", "call_id": "call_1", "id": "fc_1", "name": "look", "arguments": "{}"},
        ],
        tool_calls=[CALL],
        response_metadata={"model_provider": "openai"},
    ),
    "anthropic": AIMessage(
        [
            {"type": "thinking", "thinking": "SECRET", "signature": "SECRET"},
            {"type": "redacted_thinking", "data": "SECRET"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "北京"}},
        ],
        tool_calls=[CALL],
        response_metadata={"model_provider": "anthropic", "stop_reason": "tool_use"},
    ),
    "gemini": AIMessage(
        [
            {"type": "thinking", "thinking": "SECRET", "signature": "SECRET"},
            {"type": "text", "text": "Let me look.", "extras": {"signature": "SECRET"}},
            {"type": "executable_code", "executable_code": "SECRET"},
        ],
        tool_calls=[CALL],
        response_metadata={"model_provider": "google_genai"},
    ),
    "deepseek": AIMessage(
        "Let me look.",
        additional_kwargs={"reasoning_content": "SECRET"},
        tool_calls=[CALL],
        response_metadata={"model_provider": "deepseek", "finish_reason": "tool_calls"},
    ),
    "bedrock converse": AIMessage(
        [
            {"type": "reasoning_content", "reasoning_content": {"text": "SECRET", "signature": "SECRET"}},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "北京"}},
        ],
        tool_calls=[CALL],
        response_metadata={"model_provider": "bedrock_converse"},
    ),
    "standard content": AIMessage(
        [
            {"type": "reasoning", "reasoning": "SECRET", "extras": {"signature": "SECRET"}},
            {"type": "text", "text": "Let me look."},
            {"type": "server_tool_call", "id": "s", "name": "web_search", "args": {"q": "SECRET"}},
            {"type": "server_tool_result", "tool_call_id": "s", "status": "success", "output": "SECRET"},
            {"type": "tool_call", "id": "call_1", "name": "look", "args": {"place": "北京"}},
            {"type": "non_standard", "value": {"type": "redacted_thinking", "data": "SECRET"}},
        ],
        tool_calls=[CALL],
        response_metadata={"output_version": "v1", "model_provider": "anthropic"},
    ),
    "strings and a refusal": AIMessage(
        ["Let me ", {"type": "refusal", "refusal": "look."}], tool_calls=[CALL], response_metadata={}
    ),
    "nobody's": AIMessage("Let me look.", additional_kwargs={"reasoning_content": "SECRET"}, tool_calls=[CALL]),
}


@pytest.mark.guarantees("foreign-histories")
@pytest.mark.parametrize("message", FOREIGN.values(), ids=FOREIGN.keys())
def test_an_answer_of_another_model_keeps_its_text_and_calls_and_loses_its_reasoning(
    model: ChatStepPlan, message: AIMessage
) -> None:
    history: list[BaseMessage] = [HumanMessage("how is it?"), message, ToolMessage("sunny", tool_call_id="call_1")]
    body = body_of(model, history)
    assert "SECRET" not in json.dumps(body)
    said, result = body["messages"][1:]
    if model.protocol == "openai":
        function = {"name": "look", "arguments": '{"place": "北京"}'}
        assert said == {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
        assert result == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    else:
        texts = [block for block in said["content"] if block["type"] == "text"]
        assert "".join(block["text"] for block in texts) == "Let me look."
        assert said["content"] == [
            *texts,
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "北京"}},
        ]
        assert result["content"] == [{"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}]


@pytest.mark.guarantees("system-messages")
def test_several_and_late_system_messages_are_kept_in_order(model: ChatStepPlan) -> None:
    body = body_of(model, [SystemMessage("one"), SystemMessage("two"), HumanMessage("hi"), SystemMessage("three")])
    if model.protocol == "openai":
        assert [(turn["role"], turn["content"]) for turn in body["messages"]] == [
            ("system", "one"),
            ("system", "two"),
            ("user", "hi"),
            ("system", "three"),
        ]
    else:
        assert body["system"] == "one\n\ntwo\n\nthree"
        assert body["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.guarantees("roles-and-strings")
def test_neighbours_of_one_role_go_in_one_turn_where_roles_must_alternate(model: ChatStepPlan) -> None:
    body = body_of(model, [HumanMessage("a"), HumanMessage("b"), AIMessage("c"), AIMessage("d"), HumanMessage("e")])
    roles = [turn["role"] for turn in body["messages"]]
    if model.protocol == "openai":
        assert roles == ["user", "user", "assistant", "assistant", "user"]
    else:
        assert roles == ["user", "assistant", "user"]


@pytest.mark.guarantees("results-in-order")
def test_results_out_of_order_are_put_behind_their_calls(model: ChatStepPlan) -> None:
    calls = [ToolCall(type="tool_call", id=id, name="look", args={}) for id in ("a", "b")]
    history = [
        HumanMessage("go"),
        AIMessage("", tool_calls=calls),
        ToolMessage("of b", tool_call_id="b"),
        HumanMessage("and?"),
        ToolMessage("of a", tool_call_id="a"),
    ]
    turns = body_of(model, history)["messages"]
    if model.protocol == "openai":
        assert [turn.get("tool_call_id") for turn in turns] == [None, None, "a", "b", None]
    else:
        assert [block.get("tool_use_id") for block in turns[2]["content"]] == ["a", "b", None]


@pytest.mark.guarantees("unpaired-calls")
def test_a_call_without_result_is_named_or_repaired(model: ChatStepPlan) -> None:
    history = [HumanMessage("go"), AIMessage("", tool_calls=[CALL]), HumanMessage("never mind")]
    with pytest.raises(InvalidRequestError, match=r"call_1.*repair_history=True"):
        body_of(model, history)
    turns = body_of(model, history, repair_history=True)["messages"]
    assert "interrupted" in json.dumps(turns[2])


@pytest.mark.guarantees("unpaired-calls")
def test_a_result_without_call_is_named_or_kept_as_text(model: ChatStepPlan) -> None:
    history = [HumanMessage("go"), ToolMessage("sunny", tool_call_id="lost")]
    with pytest.raises(InvalidRequestError, match=r"lost.*repair_history=True"):
        body_of(model, history)
    assert "sunny" in json.dumps(body_of(model, history, repair_history=True)["messages"])


@pytest.mark.guarantees("illegal-names", "foreign-ids")
def test_ids_and_names_the_api_refuses_travel_under_aliases(model: ChatStepPlan) -> None:
    id, name = "call:1/ü", "mcp.server/look up"
    call = ToolCall(type="tool_call", id=id, name=name, args={})
    body = body_of(model, [HumanMessage("go"), AIMessage("", tool_calls=[call]), ToolMessage("ok", tool_call_id=id)])
    wire = json.dumps(body)
    assert id not in wire
    assert name not in wire
    said, result = body["messages"][1:]
    if model.protocol == "openai":
        assert said["tool_calls"][0]["id"] == result["tool_call_id"]
    else:
        assert said["content"][0]["id"] == result["content"][0]["tool_use_id"]


def test_calls_without_an_id_stay_apart(model: ChatStepPlan) -> None:
    calls = [ToolCall(type="tool_call", id=None, name=name, args={}) for name in ("look", "listen")]
    history = [HumanMessage("go"), AIMessage("", tool_calls=calls), HumanMessage("and?")]
    wire = json.dumps(body_of(model, history, repair_history=True))
    assert '"look"' in wire
    assert '"listen"' in wire


@pytest.mark.guarantees("empty-text")
@pytest.mark.parametrize("empty", ["", [], [{"type": "text", "text": ""}], [{"type": "text", "text": None}]])
def test_an_empty_turn_is_sent_in_no_refused_shape(model: ChatStepPlan, empty: Any) -> None:
    turns = body_of(model, [HumanMessage("a"), AIMessage(empty), HumanMessage("b")])["messages"]
    if model.protocol == "openai":
        assert [turn["content"] for turn in turns] == ["a", "", "b"]
    else:
        assert turns == [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]


def test_a_failed_tool_is_reported_as_failed(model: ChatStepPlan) -> None:
    result = ToolMessage("boom", tool_call_id="call_1", status="error")
    last = body_of(model, [HumanMessage("go"), AIMessage("", tool_calls=[CALL]), result])["messages"][-1]
    if model.protocol == "openai":
        assert last["content"] == "Error: boom"
    else:
        assert last["content"][0]["is_error"] is True


def test_roles_of_chat_messages_are_known_or_refused(model: ChatStepPlan) -> None:
    turns = [ChatMessage(role=role, content=role) for role in ("developer", "user", "assistant", "human")]
    body = body_of(model, turns)
    roles = [turn["role"] for turn in body["messages"]]
    assert roles == ["system", "user", "assistant", "user"][model.protocol == "anthropic" :]
    with pytest.raises(InvalidRequestError, match="clown"):
        body_of(model, [ChatMessage(role="clown", content="hi")])
    with pytest.raises(InvalidRequestError, match="FunctionMessage"):
        body_of(model, [FunctionMessage(name="f", content="hi")])


def test_marks_of_bedrocks_prompt_cache_are_left_out(model: ChatStepPlan) -> None:
    mark = {"cachePoint": {"type": "default"}}
    history = [
        SystemMessage([{"type": "text", "text": "Be brief."}, mark]),
        HumanMessage([{"type": "text", "text": "Look."}, mark]),
        AIMessage([{"type": "text", "text": "I look."}, mark], tool_calls=[CALL]),
        ToolMessage([{"type": "text", "text": "sunny"}, mark], tool_call_id="call_1"),
    ]
    sent = json.dumps(body_of(model, history))
    assert "cachePoint" not in sent
    assert all(text in sent for text in ("Be brief.", "Look.", "I look.", "sunny"))


def test_a_picture_in_an_answer_is_refused_by_name(model: ChatStepPlan) -> None:
    drawn = AIMessage([{"type": "image", "url": "https://example.org/a.png"}])
    with pytest.raises(InvalidRequestError, match="image"):
        body_of(model, [HumanMessage("draw"), drawn, HumanMessage("again")])


@pytest.mark.guarantees("other-scripts", "lone-surrogates")
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_chinese_is_sent_as_it_is_and_halves_of_pairs_are_joined_or_replaced(protocol: ProtocolName) -> None:
    """In words, arguments, results and schemas; escapes would cost tokens and put models off."""
    odd = "北京 \ud83d\ude00 \udc00"
    call = ToolCall(type="tool_call", id="c", name=odd, args={odd: odd})
    schema = {"type": "object", "description": odd, "properties": {"地点": {"type": "string"}}}
    tool = {"name": odd, "description": odd, "input_schema": schema}
    history = [
        SystemMessage(odd),
        HumanMessage(odd),
        AIMessage(odd, tool_calls=[call]),
        ToolMessage(odd, tool_call_id="c"),
    ]
    answer: dict[str, Any] = {"choices": [{"message": {"content": "."}}], "content": []}
    server = CannedServer([answer])
    model_of(server, protocol).bind_tools([tool]).invoke([*history, HumanMessage("再见")])
    sent = server.requests[-1].content.decode("utf-8", "strict")
    assert "\\u" not in sent
    assert sent.count("北京 😀 \ufffd") >= 7
    assert "地点" in sent


def test_a_name_on_a_message_is_no_field_on_the_wire(model: ChatStepPlan) -> None:
    [turn] = body_of(model, [HumanMessage("hi", name="Ann")])["messages"]
    assert turn == {"role": "user", "content": "hi"}
