"""A conversation is put in order before it is sent, on both protocols alike: results paired, names and ids legal."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import InvalidRequestError, Message, Reasoning, Text, Tool, ToolCall, ToolResult
from stepplan.names import original_names, wire_id, wire_name
from stepplan.pairing import merge_same_role, pair_tool_results

HI = Message.user("Hi")
LEGAL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,256}")


def call(id: str) -> ToolCall:
    return ToolCall(id, "f", "{}")


def result(id: str, text: str = "ok") -> ToolResult:
    return ToolResult(id, (Text(text),))


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("get_weather", "get_weather"),
        ("_x-1", "_x-1"),
        ("a" * 64, "a" * 64),
        ("files.read", r"t_files_read_[0-9a-f]{10}"),
        ("1st", r"t_1st_[0-9a-f]{10}"),
        ("-x", r"t_-x_[0-9a-f]{10}"),
        ("", r"t__[0-9a-f]{10}"),
        ("天气", r"t____[0-9a-f]{10}"),
        ("a" * 65, r"t_a{48}_[0-9a-f]{10}"),
    ],
)
def test_a_name_is_itself_if_it_is_legal_and_a_readable_alias_if_not(name: str, alias: str) -> None:
    assert re.fullmatch(alias, wire_name(name))


@pytest.mark.guarantees("foreign-ids")
@given(st.text())
def test_every_name_and_id_becomes_legal_and_always_the_same(text: str) -> None:
    assert LEGAL_NAME.fullmatch(wire_name(text))
    assert LEGAL_ID.fullmatch(wire_id(text))
    assert wire_name(text) == wire_name(text)
    assert wire_id(text) == wire_id(text)
    assert wire_name(wire_name(text)) == wire_name(text)
    assert wire_id(wire_id(text)) == wire_id(text)


@pytest.mark.guarantees("illegal-names")
@given(st.sets(st.text(), max_size=20))
def test_distinct_names_stay_distinct_and_are_given_back(names: set[str]) -> None:
    aliases = {wire_name(name): name for name in names}
    assert len(aliases) == len(names)
    back = original_names(Tool(name) for name in names)
    assert {alias: back.get(alias, alias) for alias in aliases} == aliases


def test_halves_of_surrogate_pairs_have_names_too() -> None:
    assert LEGAL_NAME.fullmatch(wire_name("\ud83d"))
    assert LEGAL_ID.fullmatch(wire_id("\ud83d"))


@pytest.mark.guarantees("foreign-ids")
@pytest.mark.parametrize("id", ["call_1", "chatcmpl-tool-87f58e549286210a", "a" * 256])
def test_a_legal_id_is_not_touched(id: str) -> None:
    assert wire_id(id) == id


@pytest.mark.parametrize("id", ["", "functions.f:0", "call 1", "a" * 257, "呼び出し"])
def test_an_illegal_id_gets_an_alias(id: str) -> None:
    assert re.fullmatch(r"call_[0-9a-f]{24}", wire_id(id))


def test_a_conversation_in_order_is_not_touched() -> None:
    messages = [
        HI,
        Message.assistant(call("a"), call("b")),
        Message.user(result("a"), result("b")),
        Message.user("Bye"),
    ]
    assert pair_tool_results(messages) == messages


@pytest.mark.guarantees("results-in-order")
def test_results_come_right_after_their_calls_in_the_order_of_the_calls() -> None:
    messages = [
        HI,
        Message.assistant("Both.", call("a"), call("b")),
        Message.user(result("b")),
        Message.user("Wait."),
        Message.user(result("a")),
    ]
    assert pair_tool_results(messages) == [
        HI,
        Message.assistant("Both.", call("a"), call("b")),
        Message.user(result("a"), result("b")),
        Message.user("Wait."),
    ]


@pytest.mark.guarantees("results-in-order")
def test_words_beside_results_follow_them() -> None:
    messages = [HI, Message.assistant(call("a")), Message.user("Here:", result("a"), "Well?")]
    assert pair_tool_results(messages)[2:] == [Message.user(result("a")), Message.user("Here:", "Well?")]


def turn(id: str, text: str) -> list[Message]:
    return [Message.assistant(call(id)), Message.user(result(id, text))]


@pytest.mark.guarantees("same-ids-twice")
def test_an_id_that_comes_again_in_a_later_turn_is_made_distinct() -> None:
    messages = [HI, *turn("a", "one"), *turn("a", "two"), *turn("a_2", "three"), *turn("a", "four")]
    assert pair_tool_results(messages) == [
        HI,
        *turn("a", "one"),
        *turn("a_3", "two"),
        *turn("a_2", "three"),
        *turn("a_4", "four"),
    ]


def test_ids_stay_the_same_while_the_conversation_grows_and_take_linear_time() -> None:
    messages = [message for number in range(20_000) for message in turn("a", str(number))]
    began = time.thread_time()
    paired = pair_tool_results(messages)
    assert time.thread_time() - began < 3
    assert pair_tool_results(messages[:100]) == paired[:100]


@pytest.mark.guarantees("same-ids-twice")
def test_parallel_calls_with_one_id_get_distinct_ids_and_their_results_in_order() -> None:
    messages = [
        HI,
        Message.assistant(call("a"), call("b"), call("a"), call("a_2")),
        Message.user(result("a", "one"), result("b", "other")),
        Message.user(result("a", "two"), result("a_2", "three")),
    ]
    assert pair_tool_results(messages) == [
        HI,
        Message.assistant(call("a"), call("b"), call("a_3"), call("a_2")),
        Message.user(result("a", "one"), result("b", "other"), result("a_3", "two"), result("a_2", "three")),
    ]


def test_of_parallel_calls_with_one_id_the_one_without_a_result_is_named() -> None:
    messages = [HI, Message.assistant(call("a"), call("a")), Message.user(result("a", "one"))]
    with pytest.raises(InvalidRequestError, match="no result: a_2"):
        pair_tool_results(messages)
    *_, results = pair_tool_results(messages, repair=True)
    assert results.content[0] == result("a", "one")
    assert isinstance(results.content[1], ToolResult)
    assert results.content[1].is_error


def test_a_result_belongs_to_the_latest_message_with_its_id() -> None:
    messages = [HI, Message.assistant(call("a")), Message.assistant(call("a")), Message.user(result("a"))]
    _, _, first, _, second = pair_tool_results(messages, repair=True)
    assert [block.is_error for block in (*first.content, *second.content) if isinstance(block, ToolResult)] == [
        True,
        False,
    ]


def test_mending_is_logged_once_with_all_that_was_mended(caplog: pytest.LogCaptureFixture) -> None:
    messages = [HI, Message.assistant(call("a"), call("b")), Message.user(result("c"))]
    pair_tool_results(messages, repair=True)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "no result: a, b." in record.message
    assert "no call: c." in record.message
    caplog.clear()
    pair_tool_results(messages[:1], repair=True)
    assert not caplog.records


@pytest.mark.guarantees("unpaired-calls")
def test_calls_without_a_result_are_named_with_the_fix() -> None:
    messages = [HI, Message.assistant(call("a"), call("b"), call("c")), Message.user(result("b"))]
    with pytest.raises(InvalidRequestError, match=r"no result: a, c\..*repair_history=True"):
        pair_tool_results(messages)


@pytest.mark.guarantees("unpaired-calls")
def test_results_without_a_call_are_named_with_the_fix() -> None:
    with pytest.raises(InvalidRequestError, match=r"no call: a, b\..*repair_history=True"):
        pair_tool_results([HI, Message.user(result("a"), result("b"))])
    with pytest.raises(InvalidRequestError, match=r"no call: one without an id\."):
        pair_tool_results([HI, Message.user(result(""))])


def test_a_second_result_of_one_call_has_no_call() -> None:
    messages = [HI, Message.assistant(call("a")), Message.user(result("a"), result("a"))]
    with pytest.raises(InvalidRequestError, match="no call: a"):
        pair_tool_results(messages)


def test_a_result_before_its_call_has_no_call() -> None:
    with pytest.raises(InvalidRequestError, match="no result: a"):
        pair_tool_results([Message.user(result("a")), Message.assistant(call("a"))])


def test_repair_gives_interrupted_calls_an_error_result() -> None:
    messages = [HI, Message.assistant(call("a"), call("b")), Message.user("Never mind.")]
    [_, _, results, after] = pair_tool_results(messages, repair=True)
    assert [(block.tool_call_id, block.is_error) for block in results.content if isinstance(block, ToolResult)] == [
        ("a", True),
        ("b", True),
    ]
    assert after == Message.user("Never mind.")


def test_repair_keeps_what_came_and_only_fills_the_gaps() -> None:
    messages = [HI, Message.assistant(call("a"), call("b")), Message.user(result("b"))]
    [_, _, results] = pair_tool_results(messages, repair=True)
    assert results.content[1] == result("b")
    assert results.content[0] != result("a")


def test_repair_keeps_results_without_a_call_as_words() -> None:
    assert pair_tool_results([HI, Message.user(result("a", "sunny"), "Well?")], repair=True) == [
        HI,
        Message.user("Result of the tool call a:", "sunny", "Well?"),
    ]


def test_neighbours_of_one_role_are_joined_and_empty_turns_vanish() -> None:
    reasoning = Reasoning("Hm.")
    assert merge_same_role(
        [
            Message.user("a"),
            Message.assistant(),
            Message.user("b"),
            Message.assistant(reasoning),
            Message.assistant("c"),
        ]
    ) == [Message.user("a", "b"), Message.assistant(reasoning, "c")]


_BLOCKS = st.one_of(
    st.builds(Text, st.text(max_size=3)),
    st.builds(call, st.sampled_from("abc")),
    st.builds(result, st.sampled_from("abc")),
)


@pytest.mark.guarantees("unpaired-calls")
@given(
    st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(_BLOCKS, max_size=3).map(tuple)), max_size=8
    )
)
def test_repair_leaves_no_call_without_a_result_right_after_it_and_loses_no_words(messages: list[Message]) -> None:
    repaired = pair_tool_results(messages, repair=True)
    for before, after in zip([None, *repaired], [*repaired, None], strict=True):
        calls = [block.id for block in before.content if isinstance(block, ToolCall)] if before else []
        results = [block.tool_call_id for block in after.content if isinstance(block, ToolResult)] if after else []
        assert results == calls
    ids = [block.id for message in repaired for block in message.content if isinstance(block, ToolCall)]
    assert len(set(ids)) == len(ids)
    said = {block.text for message in messages for block in message.content if isinstance(block, Text)}
    kept = {block.text for message in repaired for block in message.content if isinstance(block, Text)}
    assert said <= kept
