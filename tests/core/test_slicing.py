"""A stream says the same however its bytes are cut into pieces; cut short, it says so."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import PROTOCOLS, IncompleteStreamError, fold
from stepplan.answers import AnswerReader
from stepplan.sse import ServerSentEvent, SSEDecoder
from tests.support.driver import Reply, stream
from tests.support.fixtures import ASKED, FAILING, ROOT, STREAMS, Answer, decode

EVERY_STREAM = pytest.mark.parametrize("answer", STREAMS, ids=lambda answer: answer.name)
EVERY_STREAM_AND_FAILURE = pytest.mark.parametrize("answer", [*STREAMS, *FAILING], ids=lambda answer: answer.name)


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


@EVERY_STREAM_AND_FAILURE
def test_split_anywhere_the_server_sent_events_are_the_same(answer: Answer) -> None:
    # What follows sees whole server-sent events only, so slicing cannot reach it.
    data = answer.data
    whole = sent([data])
    for offset in offsets(data):
        assert sent([data[:offset], data[offset:]]) == whole


@EVERY_STREAM
def test_byte_by_byte_the_events_are_the_same(answer: Answer) -> None:
    data = answer.data
    pieces = [data[offset : offset + 1] for offset in range(len(data))]
    assert decode(pieces, answer.protocol) == decode([data], answer.protocol)


@given(st.sampled_from(STREAMS), st.data())
def test_in_pieces_of_any_size_the_events_are_the_same(answer: Answer, draw: st.DataObject) -> None:
    data = answer.data
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(data)), max_size=40)))
    pieces = [data[start:end] for start, end in itertools.pairwise([0, *cuts, len(data)])]
    assert decode(pieces, answer.protocol) == decode([data], answer.protocol)


@EVERY_STREAM
def test_cut_anywhere_it_is_an_error_with_what_had_arrived(answer: Answer) -> None:
    data = answer.data
    whole = decode([data], answer.protocol)
    arrived = arrivals(answer)
    last = b"[DONE]" if answer.protocol == "openai" else b'"message_stop"'
    for offset in offsets(data):
        outcome = stream(answer.protocol, [Reply([data[:offset]] if offset else [])])
        if outcome.error is None:  # the end had come; what is missing says nothing
            assert outcome.items == whole
            assert last in data[:offset]
            continue
        assert isinstance(outcome.error, IncompleteStreamError)
        assert arrived[offset] < len(whole)
        if arrived[offset] > 1:
            assert outcome.items == whole[: arrived[offset]]
            assert outcome.error.partial == fold(outcome.items)
        else:  # the start alone is held back, so that the request can be sent again
            assert outcome.items == []
            assert outcome.error.partial is None
    assert stream(answer.protocol, [Reply([data])]).error is None


def arrivals(answer: Answer) -> list[int]:
    """How many events the bytes before each offset bring."""
    sse, reader = SSEDecoder(), AnswerReader(PROTOCOLS[answer.protocol], ASKED)
    brought = [sum(len(reader.feed(sent)) for sent in sse.feed(bytes([byte]))) for byte in answer.data]
    return [0, *itertools.accumulate(brought)]
