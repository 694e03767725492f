"""The targets: what is put in, and what has to hold of what comes out."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage
from pydantic import SecretStr, ValidationError

from stepplan import Event, MessageEnd, ProtocolName, Response, RetryPolicy, StepPlanError, fold
from stepplan.exchange import exchange
from stepplan.integration.spelling import ALIASES
from stepplan.sse import SSEDecoder
from tests.fuzz.histories import langchain_histories, llama_index_histories
from tests.fuzz.options import given
from tests.fuzz.streams import ANYTHING, pieces, streams, whole_answers
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX
from tests.support.both import FRAMEWORKS, PROTOCOLS, WAYS, Asking, Server
from tests.support.composed import Answer
from tests.support.driver import HTTP, ORIGIN, Outcome, Reply, drive, send, stream

_protocols: st.SearchStrategy[ProtocolName] = st.sampled_from(PROTOCOLS)
_KEY = "sk-the-key"

SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
"""What all runs of the targets share."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Attributes:
        name: What the report calls it.
        holds: What has to hold, as a sentence for the report.
        inputs: What is put in.
        check: Puts it in. Returns what came of it, in a word or two; raises if something does not hold.
    """

    name: str
    holds: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], str]


def _named(error: StepPlanError) -> str:
    assert str(error).encode(), "an error without a sentence"
    return type(error).__name__


def _kind(error: StepPlanError | None) -> type[StepPlanError] | None:
    """The core's class of an error: LangChain's errors are subclasses."""
    return next((cls for cls in type(error).__mro__ if cls.__module__ == "stepplan.errors"), None)


def _outcome(outcome: Outcome[Any]) -> str:
    return "an answer" if outcome.error is None else _named(outcome.error)


# ------------------------------------------------------------------------------------------------------ bytes, the core


def assert_valid(value: Event | Response) -> None:
    """All numbers are numbers, and all text is text."""
    fields: dict[str, Any] = asdict(value)
    usage, blocks = fields.pop("usage", None), fields.pop("content", ())
    assert all(isinstance(number, int) for number in (usage or {}).values())
    assert isinstance(fields.pop("index", 0), int)
    call = fields.pop("call", {})  # of a tool that the server ran
    for part in (fields, call, *blocks):
        assert all(isinstance(result, dict) for result in part.pop("results", ()))
        assert all(isinstance(text, str | None) for text in part.values())


@st.composite
def _sliced(draw: st.DrawFn) -> tuple[ProtocolName, bytes, list[bytes]]:
    protocol = draw(_protocols)
    lines = st.lists(
        st.sampled_from([b"data: {}", b"data", b":", b"event: x", b"\r", b"\n", b"\xef\xbb\xbf"]), max_size=9
    )
    data = draw(streams(protocol) | st.binary(max_size=60) | st.builds(b"\n".join, lines))
    return protocol, data, draw(pieces(data))


def _check_slices(given: tuple[ProtocolName, bytes, list[bytes]]) -> str:
    protocol, data, cut = given
    decoder = SSEDecoder()
    assert [event for piece in cut for event in decoder.feed(piece)] == SSEDecoder().feed(data)
    sliced = stream(protocol, [Reply([piece for piece in cut if piece])])
    whole = stream(protocol, [Reply([data] if data else [])])
    assert _without_ids_made_up(sliced.items) == _without_ids_made_up(whole.items)
    assert type(sliced.error) is type(whole.error)
    return _outcome(whole)


def _without_ids_made_up(events: list[Event]) -> str:
    """The events, with every id alike that was made up for a call whose server sent none."""
    return re.sub(r"call_[0-9a-f]{32}", "call_", repr(events))


@st.composite
def _answers(draw: st.DrawFn) -> tuple[ProtocolName, bytes, bool]:
    protocol, streamed = draw(_protocols), draw(st.booleans())
    return protocol, draw(streams(protocol) if streamed else whole_answers(protocol)), streamed


def _check_answer(given: tuple[ProtocolName, bytes, bool]) -> str:
    protocol, data, streamed = given
    if not streamed:
        whole = send(protocol, [Reply([data] if data else [], headers={"content-type": "application/json"})])
        for response in whole.items:
            assert_valid(response)
        return _outcome(whole)
    outcome = stream(protocol, [Reply([data] if data else [])])
    for event in outcome.items:
        assert_valid(event.response if isinstance(event, MessageEnd) else event)
    arrived = fold(outcome.items)
    if outcome.error is None:
        assert isinstance(end := outcome.items[-1], MessageEnd)
        assert arrived == end.response
    elif outcome.items:
        assert outcome.error.partial is not None, "what had arrived is lost"
        assert outcome.error.partial.content == arrived.content
    return _outcome(outcome)


_STATUSES = st.sampled_from(
    [100, 300, 302, 304, *range(400, 419), 422, 425, 429, 431, 451, 500, 502, 503, 504, 529, 599]
)
_HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "content-type", "x-trace-id"]),
    st.sampled_from(["", "0", "-1", "nan", "inf", "1e400", "true", "false", "Wed, 21 Oct 2099 07:28:00 GMT", "\xfc"]),
    max_size=2,
)


def _check_refusal(given: tuple[int, Any, dict[str, str]]) -> str:
    status, body, headers = given
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = replace(HTTP, headers={}, key=SecretStr(_KEY))
    reply = Reply([data] if data else [], status, headers)
    outcome: Outcome[Any] = drive(exchange(request, _never_read, RetryPolicy(max_retries=0), lambda: ORIGIN), [reply])
    assert outcome.error is not None
    assert getattr(outcome.error, "status_code", None) == status
    assert _KEY not in f"{outcome.error} {outcome.error!r} {vars(outcome.error)}"
    return _named(outcome.error)


def _never_read(_: object) -> Any:
    raise AssertionError("a refusal was read as an answer")


_with_the_key = st.builds(lambda value: {"error": {"message": f"Key {_KEY}", "code": value, "type": value}}, ANYTHING)
_bodies = (
    ANYTHING | _with_the_key | st.binary(max_size=20) | st.sampled_from([b"[" * 5000, b'{"a":' * 5000, b"9" * 5000])
)


# ------------------------------------------------------------------------------------------------------ both frameworks


def _check_adapters(given: tuple[ProtocolName, bytes, bool]) -> str:
    protocol, data, streamed = given
    mode, kind = ("streamed", "text/event-stream") if streamed else ("whole", "application/json")
    askings = [Asking(protocol, framework, mode, way) for framework in FRAMEWORKS for way in WAYS]
    first, *others = [asking.got(data, kind, timeout=1) for asking in askings]
    for got in others:
        assert _kind(got.error) == _kind(first.error)
        assert (got.text, got.reasoning) == (first.text, first.reasoning)
        assert got.calls == first.calls
        assert len(got.invalid) == len(first.invalid)  # their ids may be made up
    if first.error is not None:
        return _named(first.error)
    json.dumps(first.calls, allow_nan=False)
    return "an answer with calls" if first.calls else "an answer"


def _sent(
    framework: str, protocol: ProtocolName, messages: Any, of_model: dict[str, Any], of_call: dict[str, Any]
) -> dict[str, Any] | Exception:
    """The body that goes out, or why none does."""
    server = Server(Answer(text=("ok",)).whole(protocol).encode(), "application/json")
    http = httpx.Client(transport=httpx.MockTransport(server.answer))
    given = {"api_key": _KEY, "protocol": protocol, "http_client": http, **of_model}
    try:
        if framework == "langchain":
            LANGCHAIN(**given).invoke(messages or "Hello", **of_call)
        else:
            LLAMA_INDEX(**given).chat(messages or [ChatMessage("Hello")], **of_call)
    except (StepPlanError, ValidationError) as error:
        return error
    [body] = server.bodies
    json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    return body


def _check_history(given: tuple[str, ProtocolName, list[Any]]) -> str:
    framework, protocol, messages = given
    before = copy.deepcopy(messages)
    sent = _sent(framework, protocol, messages, {}, {})
    assert messages == before, "the history was changed"
    if isinstance(sent, Exception):
        assert isinstance(sent, StepPlanError)
        return _named(sent)
    assert _sent(framework, protocol, messages, {}, {}) == sent
    return f"sent by {framework}"


def _check_options(given: tuple[ProtocolName, dict[str, Any], bool]) -> str:
    protocol, options, to_model = given
    of_model, of_call = (options, {}) if to_model else ({}, options)
    first, second = (_sent(framework, protocol, None, of_model, of_call) for framework in FRAMEWORKS)
    if isinstance(first, Exception) or isinstance(second, Exception):
        assert isinstance(first, Exception), f"ChatStepPlan takes it, StepPlan does not: {second}"
        assert isinstance(second, Exception), f"StepPlan takes it, ChatStepPlan does not: {first}"
        names = {name.removesuffix("s") for option in options for name in (option, ALIASES.get(option, option))}
        for error in (first, second):
            assert any(name in str(error) for name in names), f"names none of the options: {error}"
        return "refused"
    assert first == second
    return "sent"


TARGETS = (
    Target(
        "slices",
        "A stream gives the same events and the same error, however its bytes are split.",
        _sliced(),
        _check_slices,
    ),
    Target(
        "answers",
        "Any stream or body becomes a valid answer or an error of the library, whose `partial` holds what had arrived.",
        _answers(),
        _check_answer,
    ),
    Target(
        "refusals",
        "Any refusal, whatever its status, headers and body, becomes an error that has the status but not the key.",
        st.tuples(_STATUSES, _bodies, _HEADERS),
        _check_refusal,
    ),
    Target(
        "adapters",
        "Both frameworks, sync and async, read the same text, reasoning and tool calls, or raise the same error.",
        _answers(),
        _check_adapters,
    ),
    Target(
        "LangChain histories",
        "Any messages are sent as valid JSON or refused by an error of the library, and are left unchanged.",
        st.tuples(st.just("langchain"), _protocols, langchain_histories()),
        _check_history,
    ),
    Target(
        "LlamaIndex histories",
        "As for LangChain.",
        st.tuples(st.just("llama_index"), _protocols, llama_index_histories()),
        _check_history,
    ),
    Target(
        "options",
        "For any value of any option, both frameworks send the same, or both raise an error that names the option.",
        st.tuples(_protocols, given(), st.booleans()),
        _check_options,
    ),
)
