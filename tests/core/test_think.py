"""`<think>...</think>` at the beginning of an answer's words is reasoning, if that is asked for."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import MessageEnd, MessageStart, ProtocolName, Reasoning, Request, Text, ToolCall, fold
from tests.support.clients import PROTOCOLS as NAMES
from tests.support.driver import Reply, stream
from tests.support.fixtures import decode, read

SPLITTING = Request(messages=(), think_tags=True)
CASES: dict[str, tuple[tuple[str, str], ...]] = {
    "<think>Hm.</think>\n\nYes.": (("Reasoning", "Hm."), ("Text", "Yes.")),
    "\n<think>\nHm.\n</think>Yes. <think>no</think>": (("Reasoning", "\nHm.\n"), ("Text", "Yes. <think>no</think>")),
    "<think></think>Yes.": (("Text", "Yes."),),
    "<think>Hm.</think>": (("Reasoning", "Hm."),),
    "<think>Hm, cut </thi": (("Reasoning", "Hm, cut </thi"),),
    "<think": (("Text", "<think"),),
    "<think>": (),
    "Hm.</think>\n\nYes.": (("Reasoning", "Hm."), ("Text", "Yes.")),
    "\n Hm.</think>": (("Reasoning", "\n Hm."),),
    "</think>Yes.": (("Text", "Yes."),),
    "Hm.</think>Yes.</think>": (("Reasoning", "Hm."), ("Text", "Yes.</think>")),
    "Hm.</thi": (("Text", "Hm.</thi"),),
    "Yes. <think>Hm.</think>": (("Text", "Yes. <think>Hm.</think>"),),
    " <thing>": (("Text", " <thing>"),),
    " ": (("Text", " "),),
}


def streamed(protocol: ProtocolName, pieces: list[str], request: Request = SPLITTING) -> list[tuple[str, str]]:
    """The blocks of an answer whose words come in these pieces, and a call behind them."""
    return shown(fold(decode([frames(protocol, pieces)], protocol, request)).content)


def shown(content: Any) -> list[tuple[str, str]]:
    return [(type(block).__name__, getattr(block, "text", "")) for block in content]


def frames(protocol: ProtocolName, pieces: list[str]) -> bytes:
    call = {"id": "a", "index": 0, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    if protocol == "openai":
        found: list[dict[str, Any]] = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
        found += [{"choices": [{"delta": {"tool_calls": [call]}}]}, {"choices": [{"finish_reason": "tool_calls"}]}]
        return b"".join(f"data: {json.dumps(frame)}\n\n".encode() for frame in found) + b"data: [DONE]\n\n"
    found = [{"type": "message_start", "message": {}}]
    found += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces]
    found.append({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "look"}})
    found += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]
    return b"".join(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode() for frame in found)


def whole(protocol: ProtocolName, words: str, request: Request = SPLITTING) -> list[tuple[str, str]]:
    body: dict[str, Any] = {"choices": [{"message": {"content": words}, "finish_reason": "stop"}]}
    if protocol == "anthropic":
        body = {"content": [{"type": "text", "text": words}], "stop_reason": "end_turn"}
    return shown(read(body, protocol, request).content)


CALL = ("ToolCall", "")


@pytest.mark.guarantees("think-tags")
@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize("words", CASES)
def test_the_words_are_split_alike_whole_and_in_pieces_of_any_size(protocol: ProtocolName, words: str) -> None:
    expected = list(CASES[words])
    assert whole(protocol, words) == expected
    for at in range(len(words) + 1):
        assert streamed(protocol, [words[:at], words[at:]]) == [*expected, CALL]
    assert streamed(protocol, list(words)) == [*expected, CALL]


@pytest.mark.guarantees("think-tags")
@given(st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "</th", " ", "\n", "a", "词"])), st.data())
def test_whole_and_streamed_agree_on_any_words(parts: list[str], data: st.DataObject) -> None:
    words = "".join(parts)
    at = data.draw(st.integers(0, len(words)))
    for protocol in NAMES:
        assert streamed(protocol, [words[:at], words[at:]]) == [*whole(protocol, words), CALL]


@pytest.mark.guarantees("think-tags")
@pytest.mark.parametrize("protocol", NAMES)
def test_without_the_option_no_word_is_touched(protocol: ProtocolName) -> None:
    plain = replace(SPLITTING, think_tags=False)
    for words in filter(None, CASES):
        assert whole(protocol, words, plain) == [("Text", words)]
        assert streamed(protocol, [words], plain) == [("Text", words), CALL]


@pytest.mark.guarantees("think-tags")
@pytest.mark.parametrize("protocol", NAMES)
@pytest.mark.parametrize("words", ["<think>Hm, cut </thi", "<think>Hm.</think>Yes", "Yes <thi", "<thi", " "])
def test_a_stream_that_breaks_off_holds_all_that_had_arrived(protocol: ProtocolName, words: str) -> None:
    whole_frames = frames(protocol, list(words))
    cut = whole_frames[: whole_frames.index(b"look")].rpartition(b"\n\n")[0] + b"\n\n"
    error = stream(protocol, [Reply([cut])], request=SPLITTING).error
    assert error is not None
    assert error.partial is not None
    assert shown(error.partial.content) == whole(protocol, words)


def test_reasoning_that_the_server_split_stays_as_it_is() -> None:
    data = frames("openai", ["<think>a</think>"]).replace(b'"content"', b'"reasoning": "Hm.", "content"', 1)
    content = fold(decode([data], "openai", SPLITTING)).content
    assert content[:2] == (Reasoning("Hm."), Text("<think>a</think>"))
    body = {"choices": [{"message": {"reasoning": "Hm.", "content": "<think>a</think>"}}]}
    assert read(body, "openai", SPLITTING).content == content[:2]


@pytest.mark.parametrize("protocol", NAMES)
def test_the_blocks_behind_move_up(protocol: ProtocolName) -> None:
    events = decode([frames(protocol, ["<think>Hm.</think>Yes."])], protocol, SPLITTING)
    indexes = [event.index for event in events if not isinstance(event, MessageStart | MessageEnd)]
    assert indexes == sorted(indexes)
    assert isinstance(events[-1], MessageEnd)
    assert isinstance(fold(events).content[2], ToolCall)
