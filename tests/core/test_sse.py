"""The decoder of server-sent events keeps to the specification, on bytes, and takes linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan.sse import ServerSentEvent, SSEDecoder


def decode(*pieces: bytes) -> list[tuple[str, str]]:
    decoder = SSEDecoder()
    return [(event.event, event.data.decode()) for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.guarantees("line-ends", "keep-alive-noise")
@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"", []),
        (b"data: x\n\n", [("message", "x")]),
        (b"data:x\n\n", [("message", "x")]),
        (b"data:  x \n\n", [("message", " x ")]),
        (b"data: x\r\n\r\n", [("message", "x")]),
        (b"data: x\r\r", [("message", "x")]),
        (b"data: x\n\r\n", [("message", "x")]),
        (b"data: x\r\n\n\rdata: y\n\n", [("message", "x"), ("message", "y")]),
        (b"event: a\ndata: x\n\ndata: y\n\n", [("a", "x"), ("message", "y")]),
        (b"event:a\ndata: x\n\n", [("a", "x")]),
        (b"event: a\nevent: b\ndata: x\n\n", [("b", "x")]),
        (b"event: a\n\ndata: x\n\n", [("message", "x")]),
        (b"event: \xe4\xbd\xa0\ndata: x\n\n", [("你", "x")]),
        (b"data: x\ndata: y\n\n", [("message", "x\ny")]),
        (b"data\ndata: y\n\n", [("message", "\ny")]),
        (b"data\n\n", [("message", "")]),
        (b"data:\n\n", [("message", "")]),
        (b": comment\n\ndata: x\n\n", [("message", "x")]),
        (b":\n\n:\n\n", []),
        (b"id: 1\nretry: 5\ndatum: z\nnonsense\ndata: x\n\n", [("message", "x")]),
        (b"data: x\n\n\n\n\ndata: y\n\n", [("message", "x"), ("message", "y")]),
        (b"data: x", []),
        (b"data: x\n", []),
        (b"\xef\xbb\xbfdata: x\n\n", [("message", "x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", [("message", "y")]),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\ndata: z\n\n", [("message", "x"), ("message", "z")]),
        (
            "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n\n".encode(),
            [("message", "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg")],
        ),
    ],
)
def test_events(data: bytes, events: list[tuple[str, str]]) -> None:
    assert decode(data) == events
    assert decode(*(data[at : at + 1] for at in range(len(data)))) == events


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: x\r", b"\n\r\n"],
        [b"data: x\r", b"\ndata: y\n\n"],
        [b"\xef\xbb\xbfdata", b": x\n\n"],
        [b": a\n", b"\xef\xbb\xbfdata: y\n", b"data: x\n\n"],
    ],
)
def test_empty_pieces_change_nothing(pieces: list[bytes]) -> None:
    expected = decode(*pieces)
    assert len(expected) == 1
    assert decode(*(piece for given in pieces for piece in (b"", given, b""))) == expected


@pytest.mark.guarantees("linear-sse")
@pytest.mark.parametrize("size", [64, 4096])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("lines", [1, 8])
def test_a_long_line_in_small_pieces_takes_linear_time(size: int, line_end: bytes, lines: int) -> None:
    def seconds(length: int) -> float:
        data = (b"data: " + b"x" * (length // lines) + line_end) * lines + line_end
        decoder = SSEDecoder()
        start = time.thread_time()
        events = [event for at in range(0, len(data), size) for event in decoder.feed(data[at : at + size])]
        took = time.thread_time() - start
        assert [len(event.data) for event in events] == [length + lines - 1]
        return took

    short, long = (min(seconds(length) for _ in range(3)) for length in (1 << 20, 1 << 23))
    assert long < 32 * short + 0.05, "8 times the bytes"
    assert long < 3


def test_an_event_is_handed_on_as_soon_as_its_blank_line_began() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: x\r\n\r") == [ServerSentEvent("message", b"x")]
    assert decoder.feed(b"\n") == []


def test_a_line_feed_after_the_next_pieces_carriage_return_is_not_swallowed() -> None:
    assert decode(b"data: x\r", b"\r", b"\ndata: y\n\n") == [("message", "x"), ("message", "y")]


_LINES = st.sampled_from([b"data: a", b"data: b\xe4\xbd\xa0", b"data", b"event: e", b": c", b"", b"", b"id: 7"])


@pytest.mark.guarantees("any-slicing")
@given(st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12), st.data())
def test_any_slicing_of_any_lines_gives_the_same_events(lines: list[tuple[bytes, bytes]], draw: st.DataObject) -> None:
    data = b"".join(line + end for line, end in lines)
    at = draw.draw(st.integers(0, len(data)))
    assert decode(data[:at], data[at:]) == decode(data)
    assert decode(*(data[at : at + 1] for at in range(len(data)))) == decode(data)
