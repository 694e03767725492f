"""Of other vendors' answers, text and ordinary calls stay; what their servers ran is left out, whatever it is."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall, ToolMessage

from langchain_stepplan import ChatStepPlan
from langchain_stepplan._messages import to_messages
from stepplan import InvalidRequestError, Message, Text
from stepplan import ToolCall as Call
from stepplan.sandbox import Sandbox, Turn
from tests.support.ways.langchain import WAYS, Way, body_of

CALL = ToolCall(type="tool_call", id="call_1", name="look", args={"place": "北京"})
RESULT = {"type": "text", "text": "SECRET"}

HOSTED: dict[str, dict[str, list[dict[str, Any]]]] = {
    "anthropic": {
        "web_search": [
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "SECRET"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srv_1",
                "content": [{"type": "web_search_result", "url": "SECRET", "encrypted_content": "SECRET"}],
            },
        ],
        "web_fetch": [
            {"type": "server_tool_use", "id": "srv_1", "name": "web_fetch", "input": {"url": "SECRET"}},
            {
                "type": "web_fetch_tool_result",
                "tool_use_id": "srv_1",
                "content": {
                    "type": "web_fetch_result",
                    "url": "SECRET",
                    "content": {"type": "document", "source": {"type": "text", "data": "SECRET"}},
                },
            },
        ],
        "code_execution": [
            {"type": "server_tool_use", "id": "srv_1", "name": "bash_code_execution", "input": {"command": "SECRET"}},
            {
                "type": "bash_code_execution_tool_result",
                "tool_use_id": "srv_1",
                "content": {"type": "bash_code_execution_result", "stdout": "SECRET", "content": []},
            },
            {"type": "code_execution_tool_result", "tool_use_id": "srv_2", "content": {"stdout": "SECRET"}},
            {"type": "text_editor_code_execution_tool_result", "tool_use_id": "srv_3", "content": {}},
            {"type": "container_upload", "file_id": "SECRET"},
        ],
        "mcp": [
            {"type": "mcp_tool_use", "id": "mcp_1", "name": "SECRET", "server_name": "x", "input": {}},
            {"type": "mcp_tool_result", "tool_use_id": "mcp_1", "content": [RESULT]},
        ],
        "tool search": [{"type": "tool_search_tool_result", "tool_use_id": "srv_1", "content": {"text": "SECRET"}}],
    },
    "openai": {
        "image_generation_call": [{"type": "image_generation_call", "id": "ig_1", "result": "SECRET"}],
        "mcp": [
            {"type": "mcp_list_tools", "id": "mcpl_1", "tools": [{"name": "SECRET"}]},
            {"type": "mcp_call", "id": "mcp_1", "name": "x", "arguments": "{}", "output": "SECRET"},
            {"type": "mcp_approval_request", "id": "mcpr_1", "name": "x", "arguments": "SECRET"},
        ],
        "computer_call": [{"type": "computer_call", "id": "cu_1", "call_id": "call_cu", "action": {"text": "SECRET"}}],
        "searches": [
            {"type": "file_search_call", "id": "fs_1", "queries": ["SECRET"], "results": [{"text": "SECRET"}]},
            {"type": "web_search_call", "id": "ws_1", "action": {"query": "SECRET"}},
            {"type": "code_interpreter_call", "id": "ci_1", "code": "SECRET"},
        ],
        "shells": [
            {"type": "local_shell_call", "id": "ls_1", "call_id": "call_ls", "action": {"command": ["SECRET"]}},
            {"type": "shell_call", "id": "sh_1", "call_id": "call_sh", "action": {"commands": ["SECRET"]}},
            {"type": "apply_patch_call", "id": "ap_1", "call_id": "call_ap", "operation": {"diff": "SECRET"}},
        ],
        "an image it drew": [{"type": "image", "base64": "SECRET", "mime_type": "image/png"}],
    },
    "google_genai": {
        "code": [
            {"type": "executable_code", "executable_code": "SECRET", "language": "python"},
            {"type": "code_execution_result", "code_execution_result": "SECRET", "outcome": 1},
        ],
        "an image it drew": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,SECRET"}}],
        "audio it spoke": [{"type": "media", "mime_type": "audio/wav", "data": "SECRET"}],
    },
    "bedrock_converse": {
        "guard": [{"guardContent": {"text": {"text": "SECRET"}}}, {"type": "guard_content", "content": "SECRET"}],
        "hosted tools": [{"type": "server_tool_use", "id": "s", "name": "x", "input": {"q": "SECRET"}}],
    },
    "standard": {
        "blocks": [
            {"type": "server_tool_call", "id": "s", "name": "web_search", "args": {"q": "SECRET"}},
            {"type": "server_tool_result", "tool_call_id": "s", "status": "success", "output": "SECRET"},
            {"type": "non_standard", "value": {"type": "compaction", "content": "SECRET"}},
            {"type": "file", "base64": "SECRET", "mime_type": "application/pdf"},
        ],
    },
    "tomorrow": {
        "unknown types": [
            {"type": "quantum_tool_use", "id": "q", "input": {"text": "SECRET"}},
            {"type": "quantum_tool_result", "tool_use_id": "q", "content": [RESULT], "error": None},
            {"type": None, "value": "SECRET"},
            {"value": "SECRET"},
        ],
    },
}
CASES = [
    pytest.param(provider, blocks, id=f"{provider} {name}")
    for provider, tools in HOSTED.items()
    for name, blocks in tools.items()
]


def answer_with(provider: str, blocks: list[dict[str, Any]], kind: type[AIMessage] = AIMessage) -> AIMessage:
    content: list[Any] = [{"type": "text", "text": "Let me "}, *blocks, {"type": "text", "text": "look."}]
    return kind(content, tool_calls=[CALL], response_metadata={"model_provider": provider})


SENT = Message("assistant", (Text("Let me "), Text("look."), Call("call_1", "look", '{"place": "北京"}')))


@pytest.mark.guarantees("foreign-histories")
@pytest.mark.parametrize("kind", [AIMessage, AIMessageChunk])
@pytest.mark.parametrize(("provider", "blocks"), CASES)
def test_what_a_vendors_server_ran_is_left_out(
    model: ChatStepPlan, provider: str, blocks: list[dict[str, Any]], kind: type[AIMessage]
) -> None:
    answer = answer_with(provider, blocks, kind)
    history: list[BaseMessage] = [HumanMessage("go"), answer, ToolMessage("sunny", tool_call_id="call_1")]
    assert to_messages(history)[1] == SENT
    assert "SECRET" not in json.dumps(body_of(model, history))


@pytest.mark.parametrize(("provider", "blocks"), CASES)
def test_it_is_left_out_of_a_message_whose_metadata_was_lost_too(provider: str, blocks: list[dict[str, Any]]) -> None:
    answer = answer_with(provider, blocks)
    answer.response_metadata = {}
    if provider in {"tomorrow", "anthropic"} or all("call" in block["type"] for block in blocks if "type" in block):
        assert to_messages([answer]) == (SENT,)


@pytest.mark.guarantees("foreign-histories")
@pytest.mark.parametrize("way", WAYS)
async def test_a_conversation_goes_on_after_all_of_them(way: Way, model: ChatStepPlan, plan: Sandbox) -> None:
    history: list[BaseMessage] = []
    for provider, tools in HOSTED.items():
        for blocks in tools.values():
            history += [HumanMessage("go"), answer_with(provider, blocks), ToolMessage("ok", tool_call_id="call_1")]
    plan.script(Turn(text="Done."))
    assert (await way(model, [*history, HumanMessage("and?")])).content == "Done."
    assert "SECRET" not in json.dumps(plan.requests[-1].body)


def test_results_for_hosted_tools_that_the_client_gave_are_left_out_with_them() -> None:
    """As ChatOpenAI has them: a screenshot for its computer, output of its shells, the approval of an MCP call."""
    blocks = [block for blocks in HOSTED["openai"].values() for block in blocks]
    screenshot = ToolMessage(
        [{"type": "input_image", "image_url": "data:image/png;base64,SECRET"}],
        tool_call_id="call_cu",
        additional_kwargs={"type": "computer_call_output"},
    )
    output = ToolMessage("SECRET", tool_call_id="call_ls", additional_kwargs={"type": "local_shell_call_output"})
    approval = {"type": "mcp_approval_response", "approve": True, "approval_request_id": "mcpr_1"}
    result = ToolMessage("sunny", tool_call_id="call_1")
    turns = to_messages([answer_with("openai", blocks), screenshot, output, result, HumanMessage([approval, "Do it."])])
    assert [turn.role for turn in turns] == ["assistant", "user", "user"]
    assert "SECRET" not in str(turns)
    assert turns[-1] == Message("user", (Text("Do it."),))


def test_a_block_of_an_approval_that_nobody_asked_for_is_refused() -> None:
    approval = {"type": "mcp_approval_response", "approve": True, "approval_request_id": "mcpr_1"}
    with pytest.raises(InvalidRequestError, match=r"content\[0\] \(mcp_approval_response\)"):
        to_messages([HumanMessage([approval])])


def test_an_answer_of_hosted_tools_alone_is_sent_in_no_refused_shape(model: ChatStepPlan, plan: Sandbox) -> None:
    drawn = AIMessage(
        [{"type": "image_generation_call", "id": "ig_1", "result": "SECRET"}],
        response_metadata={"model_provider": "openai"},
    )
    plan.script(Turn(text="Yes."))
    assert model.invoke([HumanMessage("draw"), drawn, HumanMessage("nice")]).content == "Yes."


# --------------------------------------------------------------------------------------------------------------- calls


WRITTEN: list[dict[str, Any]] = [
    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"place": "北京"}},
    {"type": "tool_call", "id": "call_1", "name": "look", "args": {"place": "北京"}},
    {"type": "function_call", "call_id": "call_1", "id": "fc_1", "name": "look", "arguments": '{"place":"北京"}'},
]


@pytest.mark.guarantees("other-scripts")
@pytest.mark.parametrize("block", WRITTEN)
@pytest.mark.parametrize("provider", ["openai", "anthropic", None])
def test_chinese_arguments_of_foreign_calls_stay_readable(
    model: ChatStepPlan, block: dict[str, Any], provider: str | None
) -> None:
    """Escapes would cost tokens and put models off."""
    metadata = {"model_provider": provider} if provider else {}
    for calls in ([CALL], [] if block["type"] == "tool_use" and not provider else [CALL]):
        answer = AIMessage([block, {"type": "text", "text": "Now."}], tool_calls=calls, response_metadata=metadata)
        assert to_messages([answer]) == (
            Message("assistant", (Call("call_1", "look", '{"place": "北京"}'), Text("Now."))),
        )
        body = body_of(model, [HumanMessage("go"), answer, ToolMessage("ok", tool_call_id="call_1")])
        assert "北京" in json.dumps(body, ensure_ascii=False)
        assert "\\u" not in str(body)


def test_a_call_that_was_taken_out_of_a_foreign_answer_does_not_come_back_from_its_content() -> None:
    for block in WRITTEN:
        answer = AIMessage(["Now.", block], tool_calls=[], response_metadata={"model_provider": "anthropic"})
        assert to_messages([answer]) == (Message("assistant", (Text("Now."),)),)


def test_edited_calls_of_a_foreign_answer_are_sent_as_edited() -> None:
    answer = answer_with("anthropic", WRITTEN[:1])
    answer.tool_calls[0]["args"]["place"] = "Köln"
    call = Call("call_1", "look", '{"place": "Köln"}')
    assert to_messages([answer])[0].content == (Text("Let me "), call, Text("look."))


def test_a_broken_call_does_not_take_the_result_of_a_good_one_with_its_id() -> None:
    broken = {"type": "invalid_tool_call", "id": "a", "name": "pay", "args": "{", "error": "cut off"}
    good = ToolCall(type="tool_call", id="a", name="look", args={})
    both = AIMessage("", tool_calls=[good], invalid_tool_calls=[broken])
    first, _ = to_messages([both, ToolMessage("seen", tool_call_id="a")])
    assert first.content == (Call("a", "look", "{}"),)
    first, *_ = to_messages(
        [both, ToolMessage("seen", tool_call_id="a"), ToolMessage("it was cut off", tool_call_id="a")]
    )
    assert first.content == (Call("a", "look", "{}"), Call("a", "pay", "{"))
    earlier = AIMessage("", invalid_tool_calls=[broken])
    first, second, _ = to_messages([earlier, AIMessage("", tool_calls=[good]), ToolMessage("seen", tool_call_id="a")])
    assert first.content == ()
    assert second.content == (Call("a", "look", "{}"),)


# ------------------------------------------------------------------------------------------------------- the provider


@pytest.mark.guarantees("foreign-histories")
def test_reasoning_is_replayed_only_from_answers_that_carry_our_name() -> None:
    for provider, replayed in (("stepplan", 1), ("openai", 0), (None, 0)):
        metadata = {"finish_reason": "stop"} | ({"model_provider": provider} if provider else {})
        answer = AIMessage("Yes.", additional_kwargs={"reasoning_content": "Hm."}, response_metadata=metadata)
        assert len(to_messages([answer])[0].content) == 1 + replayed


@pytest.mark.parametrize("way", WAYS)
async def test_every_answer_carries_the_provider(way: Way, model: ChatStepPlan) -> None:
    assert (await way(model, "hi")).response_metadata["model_provider"] == "stepplan"
    assert {chunk.response_metadata["model_provider"] for chunk in model.stream("hi")} == {"stepplan"}


@pytest.mark.guarantees("same-ids-twice")
@pytest.mark.parametrize("id", ["call_1", "", None])
@pytest.mark.parametrize("as_content", [False, True])
def test_parallel_calls_with_one_id_are_two_calls_with_their_results_in_order(
    model: ChatStepPlan, id: str | None, as_content: bool
) -> None:
    calls = [ToolCall(type="tool_call", id=id, name="look", args={"place": place}) for place in ("x", "y")]
    content: Any = [{"type": "tool_use", "id": id, "name": "look", "input": {}} for _ in calls] if as_content else ""
    answer = AIMessage(content, tool_calls=calls, response_metadata={"model_provider": "google_genai"})
    results = [ToolMessage(f"of {place}", tool_call_id=id or "") for place in ("x", "y")]
    said, *rest = body_of(model, [HumanMessage("go"), answer, *results])["messages"][1:]
    if model.protocol == "openai":
        ids = [call["id"] for call in said["tool_calls"]]
        arguments = [json.loads(call["function"]["arguments"]) for call in said["tool_calls"]]
        answered = [(turn["tool_call_id"], turn["content"]) for turn in rest]
    else:
        ids = [block["id"] for block in said["content"]]
        arguments = [block["input"] for block in said["content"]]
        answered = [(block["tool_use_id"], block["content"]) for block in rest[0]["content"]]
    assert len(set(ids)) == 2
    assert arguments == [{"place": "x"}, {"place": "y"}]
    assert answered == [(ids[0], "of x"), (ids[1], "of y")]
