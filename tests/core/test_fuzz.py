"""Whatever a server sends, what comes of it is a valid value or an error of ours."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepplan import Event, MessageEnd, ProtocolName, Response, StepPlanError, fold
from stepplan.errors import ErrorResponse
from stepplan.refusals import error_from_response
from tests.support.clients import PROTOCOLS
from tests.support.driver import ORIGIN, Reply, send, stream
from tests.support.fixtures import COMPOSED, FAILING

_SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "null", "{}", "error"])
_WORDS = sorted({*"abc", "choices", "delta", "message", "content", "text", "error", "usage", "index", "type", "id"})
_ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3)
)


def _frames() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {protocol: [] for protocol in PROTOCOLS}
    for answer in [*COMPOSED, *FAILING]:
        for line in answer.data.split(b"\n"):
            if line.startswith((b"data: {", b"{")):
                try:
                    found[answer.protocol].append(json.loads(line.removeprefix(b"data: ")))
                except ValueError:
                    continue
    return found


FRAMES = _frames()


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


@st.composite
def spoiled(draw: st.DrawFn, protocol: ProtocolName) -> Any:
    """A real frame or answer, with anything in one place."""
    frame = draw(st.sampled_from(FRAMES[protocol]))
    return _replaced(frame, draw(st.sampled_from(_paths(frame))), draw(_ANYTHING))


def assert_valid(value: Event | Response) -> None:
    """All numbers are numbers, all words are words."""
    fields: dict[str, Any] = asdict(value)
    usage, blocks = fields.pop("usage", None), fields.pop("content", ())
    assert all(isinstance(number, int) for number in (usage or {}).values())
    assert isinstance(fields.pop("index", 0), int)
    call = fields.pop("call", {})  # of a tool that the server ran
    for part in (fields, call, *blocks):
        assert all(isinstance(result, dict) for result in part.pop("results", ()))
        assert all(isinstance(text, str | None) for text in part.values())


@pytest.mark.guarantees("any-bytes")
@given(st.data())
def test_any_stream_is_valid_events_or_an_error_of_ours(data: st.DataObject) -> None:
    protocol: ProtocolName = data.draw(st.sampled_from(PROTOCOLS))
    frames = data.draw(st.lists(spoiled(protocol), max_size=4))
    ends = ["[DONE]"] if protocol == "openai" else ['{"type": "message_stop"}']
    sent = "".join(f"data: {frame}\n\n" for frame in [*map(json.dumps, frames), *ends])
    outcome = stream(protocol, [Reply([sent.encode()])])
    for event in outcome.items:
        assert_valid(event.response if isinstance(event, MessageEnd) else event)
    assert_valid(fold(outcome.items))


@pytest.mark.guarantees("any-bytes")
@given(st.data())
def test_any_whole_answer_is_a_valid_response_or_an_error_of_ours(data: st.DataObject) -> None:
    protocol: ProtocolName = data.draw(st.sampled_from(PROTOCOLS))
    outcome = send(protocol, [Reply([json.dumps(data.draw(spoiled(protocol))).encode()])])
    for response in outcome.items:
        assert_valid(response)
        assert len(response.tool_calls) <= len(response.content)


@pytest.mark.guarantees("any-bytes", "odd-error-bodies")
@given(st.sampled_from([400, 401, 402, 403, 404, 408, 429, 451, 500, 529]), _ANYTHING | st.binary(max_size=20))
def test_any_refusal_is_an_error_of_ours(status: int, body: Any) -> None:
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else json.dumps(body)
    error = error_from_response(ErrorResponse(status, {}, text), ORIGIN)
    assert isinstance(error, StepPlanError)
    assert error.status_code == status
    assert str(error)
