"""A stream says the same however its bytes are cut into pieces; cut short, it says so."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import (
    PROTOCOLS,
    APIConnectionError,
    IncompleteStreamError,
    MessageEnd,
    Response,
    ResponseDecodeError,
    fold,
)
from stepplan.answers import AnswerReader
from stepplan.sse import ServerSentEvent, SSEDecoder
from tests.support.driver import Reply, stream
from tests.support.fixtures import ASKED, FAILING, ROOT, STREAMS, Answer, decode

EVERY_STREAM = pytest.mark.parametrize("answer", STREAMS, ids=lambda answer: answer.name)
EVERY_STREAM_AND_FAILURE = pytest.mark.parametrize("answer", [*STREAMS, *FAILING], ids=lambda answer: answer.name)


END = {"openai": b"[DONE]", "anthropic": b'"message_stop"'}


def offsets(data: bytes) -> Iterable[int]:
    """Every offset; of a long stream some of those in the middle, which is more of the same."""
    if len(data) < 4000:
        return range(len(data))
    return itertools.chain(range(500), range(500, len(data) - 500, 41), range(len(data) - 500, len(data)))


def test_no_stream_is_left_out() -> None:
    assert {answer.path for answer in [*STREAMS, *FAILING]} == set(ROOT.rglob("*.sse"))
    assert {answer.path.parts[len(ROOT.parts)] for answer in STREAMS} == {"composed", "recorded"}


def sent(pieces: Iterable[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.guarantees("any-slicing")
@EVERY_STREAM_AND_FAILURE
def test_split_anywhere_the_server_sent_events_are_the_same(answer: Answer) -> None:
    # What follows sees whole server-sent events only, so slicing cannot reach it.
    data = answer.data
    whole = sent([data])
    for offset in offsets(data):
        assert sent([data[:offset], data[offset:]]) == whole


@pytest.mark.guarantees("any-slicing")
@EVERY_STREAM
def test_byte_by_byte_the_events_are_the_same(answer: Answer) -> None:
    data = answer.data
    pieces = [data[offset : offset + 1] for offset in range(len(data))]
    assert decode(pieces, answer.protocol) == decode([data], answer.protocol)


@pytest.mark.guarantees("any-slicing")
@given(st.sampled_from(STREAMS), st.data())
def test_in_pieces_of_any_size_the_events_are_the_same(answer: Answer, draw: st.DataObject) -> None:
    data = answer.data
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(data)), max_size=40)))
    pieces = [data[start:end] for start, end in itertools.pairwise([0, *cuts, len(data)])]
    assert decode(pieces, answer.protocol) == decode([data], answer.protocol)


@pytest.mark.guarantees("cut-stream")
@EVERY_STREAM
def test_a_connection_that_breaks_anywhere_is_an_error_with_what_had_arrived(answer: Answer) -> None:
    data = answer.data
    whole = decode([data], answer.protocol)
    arrived = arrivals(answer)
    for offset in offsets(data):
        broken = APIConnectionError("reset")
        outcome = stream(answer.protocol, [Reply([data[:offset], broken] if offset else [broken])])
        if outcome.error is None:  # the end had arrived; the missing bytes mean nothing
            assert outcome.items == whole
            assert END[answer.protocol] in data[:offset]
            continue
        assert outcome.error is broken
        assert arrived[offset] < len(whole)
        if arrived[offset] > 1:
            assert outcome.items == whole[: arrived[offset]]
            assert broken.partial == fold(outcome.items)
        else:  # the start alone is held back, so that the request can be sent again
            assert outcome.items == []
            assert broken.partial is None


@pytest.mark.guarantees("any-slicing")
@pytest.mark.parametrize(
    "body", [b'd\0ata: {"id": "1"}\n\n', b"<html>", b'{"choices": []}', b"\xef\xbb\xbf\r\n[1]", b"rest"]
)
def test_a_body_that_is_no_stream_is_refused_however_it_is_cut(body: bytes) -> None:
    whole = stream("openai", [Reply([body])])
    assert isinstance(whole.error, ResponseDecodeError)
    for offset in range(1, len(body)):
        assert type(stream("openai", [Reply([body[:offset], body[offset:]])]).error) is ResponseDecodeError


@pytest.mark.guarantees("cut-stream", "clean-end")
@EVERY_STREAM
def test_a_body_that_ends_anywhere_is_an_answer_if_it_gave_a_finish_reason(answer: Answer) -> None:
    data = answer.data
    whole = fold(decode([data], answer.protocol))
    answered = [offset for offset in offsets(data) if _is_answered(data[:offset], answer, whole)]
    assert answered, "the event that ends the stream is not needed"
    assert answered == [offset for offset in offsets(data) if offset >= answered[0]]
    assert b"reason" in data[: answered[0]]


def _is_answered(data: bytes, answer: Answer, whole: Response) -> bool:
    """Whether the data alone make an answer, which must then be the whole one but for token counts that came later."""
    outcome = stream(answer.protocol, [Reply([data] if data else [])])
    if outcome.error is not None:
        assert isinstance(outcome.error, IncompleteStreamError)
        return False
    last = outcome.items[-1]
    assert isinstance(last, MessageEnd)
    assert replace(last.response, usage=whole.usage) == whole
    assert last.response == fold(outcome.items)
    return True


def arrivals(answer: Answer) -> list[int]:
    """How many events the bytes before each offset bring."""
    sse, reader = SSEDecoder(), AnswerReader(PROTOCOLS[answer.protocol], ASKED)
    brought = [sum(len(reader.feed(sent)) for sent in sse.feed(bytes([byte]))) for byte in answer.data]
    return [0, *itertools.accumulate(brought)]
