"""The sandbox sends the plan's known shapes: those of the composed streams and answers, field by field.

Texts, numbers, ids and the number of pieces may differ. Fields, the order of events, what is empty, null or zero, and
the names of types, roles and reasons may not.
"""

import json
from itertools import groupby, product
from pathlib import Path
from typing import Any

import pytest

from stepplan.sandbox import Dialect, Fault, Sandbox, ToolCall, Turn
from tests.support.wire import CHAT, MESSAGES, ask, body_for

SAMPLES = Path(__file__).parents[1] / "fixtures" / "composed"
PARIS, ROME = (ToolCall("get_weather", {"city": city}) for city in ("Paris", "Rome"))
TURNS = {
    "text": Turn(text="Hello there."),
    "reasoning": Turn(reasoning="2+2 is 4.", text="4"),
    "tool_call": Turn(reasoning="Need the weather tool.", tool_calls=[PARIS]),
    "parallel": Turn(text="Checking both.", tool_calls=[PARIS, ROME]),
    "blocked": Turn(text="Partial", finish_reason="content_filter"),
    "cut_off": Turn(reasoning="Let me think", finish_reason="length"),
}
PLAIN = [".".join(name) for name in product(TURNS, ("openai", "anthropic"), ("sse", "json"))]
LIVE = [f"{name}.live.openai.sse" for name in TURNS] + ["text.live.openai.json", "tool_call.live.openai.json"]
OLD = Dialect(chat_profile="old")
UNSIGNED = Dialect(messages_signature="absent")
DIALECTS = (
    dict.fromkeys(PLAIN, OLD)
    | dict.fromkeys(LIVE, Dialect())
    | {
        "tool_call.stop.openai.sse": Dialect(chat_profile="old", chat_tool_finish="stop"),
        "tool_call.whole.openai.sse": Dialect(chat_profile="old", chat_tool_pieces="whole"),
        "reasoning.reasoning_only.openai.json": Dialect(chat_profile="old", chat_reasoning_fields="reasoning"),
        "reasoning.reasoning_content_only.openai.json": Dialect(
            chat_profile="old", chat_reasoning_fields="reasoning_content"
        ),
        "text.docs.anthropic.sse": Dialect(messages_profile="docs"),
        "text.docs.anthropic.json": Dialect(messages_profile="docs", messages_model_field=False),
        "reasoning.no_signature.anthropic.sse": UNSIGNED,
        "reasoning.null_signature.anthropic.json": Dialect(messages_signature=None),
        "cut_off.anthropic.sse": UNSIGNED,
        "cut_off.anthropic.json": UNSIGNED,
    }
)

# The strings that are part of the shape.
NAMES = {"object", "type", "role", "finish_reason", "stop_reason"}
# Some of the plan's samples have these and some do not.
DETAILS = {
    *("prompt_tokens_details", "completion_tokens_details"),
    *("cache_creation_input_tokens", "cache_read_input_tokens"),
}


def shape(value: Any, name: str = "") -> Any:
    """The value with texts, numbers and a call's arguments replaced by their type, unless they are empty."""
    match value:
        case dict() if name == "input":
            return "arguments" if value else {}
        case dict():
            return {key: shape(item, key) for key, item in value.items() if key not in DETAILS}
        case list():
            return [shape(item) for item in value]
        case str():
            return "text" if value and name not in NAMES else value
        case int():
            return "number" if value and name != "index" else value
        case _:
            return value


def shapes(stream: str) -> list[list[Any]]:
    """The shapes of a stream's frames, without repetitions in a row."""
    frames = [[_line(line) for line in frame.split("\n")] for frame in stream.split("\n\n")]
    return [frame for frame, _ in groupby(frames)]


def _line(line: str) -> Any:
    return shape(json.loads(line.removeprefix("data: "))) if line.startswith("data: {") else line


async def sent(sample: str, turn: Turn, dialect: Dialect) -> str:
    """What the sandbox sends where the sample was sent."""
    path = CHAT if ".openai." in sample else MESSAGES
    return (await ask(Sandbox([turn], dialect=dialect), path, body_for(path, stream=sample.endswith(".sse")))).text


@pytest.mark.guarantees("sandbox-sdks")
@pytest.mark.parametrize("sample", DIALECTS)
async def test_an_answer_has_the_shape_of_the_sample(sample: str) -> None:
    expected = (SAMPLES / sample).read_text()
    text = await sent(sample, TURNS[sample.partition(".")[0]], DIALECTS[sample])
    if sample.endswith(".sse"):
        assert shapes(text) == shapes(expected)
    else:
        assert shape(json.loads(text)) == shape(json.loads(expected))


BLOCKED = {"type": "censorship_blocked", "message": "The answer is blocked."}


@pytest.mark.guarantees("sandbox-sdks")
@pytest.mark.parametrize(
    ("sample", "fault"),
    [
        ("ContentBlockedError.openai.sse", Fault(error_after=2, error=BLOCKED)),
        ("ContentBlockedError.bare.anthropic.sse", Fault(error_after=3, error=BLOCKED, error_shape="bare")),
        ("InternalServerError.typed.anthropic.sse", Fault(error_after=3)),
    ],
)
async def test_an_error_has_the_shape_of_the_sample(sample: str, fault: Fault) -> None:
    [expected] = _errors((SAMPLES / "errors" / sample).read_text())
    text = await sent(sample, Turn(text="Partial answer.", fault=fault), Dialect())
    assert "Partial" in text
    assert _errors(text) == [expected]


def _errors(stream: str) -> list[list[Any]]:
    return [frame for frame in shapes(stream) if "'error': {" in str(frame)]


@pytest.mark.parametrize(
    ("sample", "other"),
    [
        ("text.live.openai.sse", Dialect(ping=True)),
        ("text.live.openai.sse", OLD),
        ("text.openai.sse", Dialect(chat_profile="openai")),
        ("text.live.openai.sse", Dialect(chat_usage="last")),
        ("reasoning.live.openai.sse", Dialect(chat_reasoning_fields="reasoning")),
        ("text.anthropic.sse", Dialect(messages_profile="docs")),
        ("text.anthropic.sse", Dialect(messages_trailing_done=True)),
        ("reasoning.anthropic.sse", UNSIGNED),
    ],
)
async def test_another_dialect_has_another_shape(sample: str, other: Dialect) -> None:
    text = await sent(sample, TURNS[sample.partition(".")[0]], other)
    assert shapes(text) != shapes((SAMPLES / sample).read_text())
