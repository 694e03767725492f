"""What both protocols need to read answers."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, cast

from stepplan.errors import ResponseDecodeError
from stepplan.jsontext import read_object
from stepplan.refusals import error_from_frame, is_error
from stepplan.responses import FinishReason
from stepplan.sse import ServerSentEvent


def read_frame(sent: ServerSentEvent) -> dict[str, Any]:
    """The JSON object in one stream event.

    Raises:
        APIStatusError: It is an error.
        ResponseDecodeError: It is not a JSON object.
    """
    try:
        frame = read_object(sent.data)
    except ValueError as cause:
        text = sent.data.decode("utf-8", "replace")
        if sent.event == "error":
            raise error_from_frame(text) from cause
        raise ResponseDecodeError(f"The stream brought an event that is no JSON: {text[:200]!r}.", body=text) from cause
    if sent.event == "error" or is_error(frame):
        raise error_from_frame(frame)
    return frame


def text(value: Any) -> str:
    """A piece of an answer.

    Raises:
        TypeError: It is something else than text.
    """
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r} stands where text belongs")


def text_or_none(value: Any) -> str | None:
    """What is said about an answer; nothing depends on it, so that anything else than text counts as nothing."""
    return value if isinstance(value, str) else None


def unique_id(id: object, taken: Iterable[str]) -> str:
    """The server's id for a tool call, or a new one if it sent none, or one it sent before."""
    if isinstance(id, str) and id not in {"", "null"} and id not in taken:
        return id
    return f"call_{uuid.uuid4().hex}"


def finish_reason(reason: FinishReason | None, *, has_calls: bool) -> FinishReason | None:
    """`tool_calls` where there are calls: some of StepFun's own samples say `stop` then."""
    return "tool_calls" if has_calls and reason == "stop" else reason


def count(usage: Mapping[str, Any], *path: str) -> int:
    """A token count, however deep; 0 where it, or anything above it, is absent or null."""
    value: Any = usage
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) else 0
