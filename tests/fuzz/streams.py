"""Strategies of what a server sends: answers of the fixtures, spoiled."""

import json
from typing import Any

from hypothesis import strategies as st

from stepplan import ProtocolName
from tests.support.both import PROTOCOLS
from tests.support.fixtures import COMPOSED, FAILING, STREAMS

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "x", "null", "{}", "[]", "error", "0", "\ud83d", "tool_use", 1e308, 2**64, 0.5])
)
_WORDS = sorted({*"abc", "choices", "delta", "message", "content", "text", "error", "usage", "index", "type", "id"})
ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3)
)
"""Any JSON, in the words of the protocols."""

_ENDS: dict[ProtocolName, bytes] = {"openai": b"data: [DONE]", "anthropic": b'data: {"type": "message_stop"}'}
STREAMED = {
    protocol: [answer.data for answer in [*STREAMS, *FAILING] if answer.protocol == protocol] for protocol in PROTOCOLS
}
WHOLE = {
    protocol: [answer.data for answer in COMPOSED if answer.protocol == protocol and answer.path.suffix == ".json"]
    for protocol in PROTOCOLS
}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be put in place of what is there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, item in items for inner in _paths(item, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def _respelled(draw: st.DrawFn, text: bytes) -> bytes:
    """JSON with anything in one place; what is not JSON stays as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_replaced(value, draw(st.sampled_from(_paths(value))), draw(ANYTHING))).encode()


def _with_other_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """A stretch of a few bytes becomes another."""
    start = draw(st.integers(0, len(data)))
    return data[:start] + draw(st.binary(max_size=4)) + data[start + draw(st.integers(0, 8)) :]


@st.composite
def streams(draw: st.DrawFn, protocol: ProtocolName) -> bytes:
    """A stream whose events are spoiled, left out, doubled, taken from others, or in another order."""
    events = draw(st.sampled_from(STREAMED[protocol])).split(b"\n\n")
    for _ in range(draw(st.integers(0, 3))):
        index = draw(st.integers(0, len(events) - 1))
        match draw(st.sampled_from(["spoil", "leave out", "double", "swap", "cut", "mix in"])):
            case "spoil":
                head, mark, json_text = events[index].rpartition(b"data: ")
                events[index] = head + mark + _respelled(draw, json_text)
            case "leave out":
                events[index] = b""
            case "double":
                events.insert(index, events[index])
            case "swap":
                other = draw(st.integers(0, len(events) - 1))
                events[index], events[other] = events[other], events[index]
            case "cut":
                events = [*events[: index + 1], *draw(st.sampled_from([[], [_ENDS[protocol]]]))]
            case _:
                others = draw(st.sampled_from(STREAMED[protocol])).split(b"\n\n")
                events.insert(index, draw(st.sampled_from(others)))
    data = b"\n\n".join(events) + draw(st.sampled_from([b"\n\n", b""]))
    return _with_other_bytes(draw, data) if draw(st.integers(0, 3)) == 0 else data


@st.composite
def whole_answers(draw: st.DrawFn, protocol: ProtocolName) -> bytes:
    """The body of a whole answer with anything in up to three places, and sometimes other bytes."""
    body = draw(st.sampled_from(WHOLE[protocol]))
    for _ in range(draw(st.integers(0, 3))):
        body = _respelled(draw, body)
    return _with_other_bytes(draw, body) if draw(st.integers(0, 3)) == 0 else body


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes, cut in up to six places."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
