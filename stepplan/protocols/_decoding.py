"""What several protocols need to read answers."""

import uuid
from collections.abc import Collection, Mapping
from typing import Any, cast

from stepplan.errors import ResponseDecodeError
from stepplan.jsontext import read_object, read_piece, utf8
from stepplan.refusals import error_from_frame, is_error
from stepplan.responses import FinishReason
from stepplan.sse import ServerSentEvent

DONE = b"[DONE]"
"""The data of the event that ends a stream of Chat Completions, and that some servers add to other protocols."""


def read_frame(sent: ServerSentEvent, events: Collection[str] = ()) -> dict[str, Any] | None:
    """The JSON object in one server-sent event; `None` for one that keeps the connection alive.

    Args:
        sent: The event.
        events: The names of the protocol's events. One of another name need not contain JSON.

    Raises:
        APIStatusError: The event reports an error.
        ResponseDecodeError: The event is not a JSON object.
    """
    if sent.event == "ping":
        return None
    try:
        frame = read_piece(sent.data)
    except ValueError as cause:
        if not sent.data.strip() or sent.data.strip() == DONE:
            return None
        text = sent.data.decode("utf-8", "replace")
        if sent.event == "error":
            raise error_from_frame(text) from cause
        if sent.event != "message" and sent.event not in events:
            return None
        said = f"The stream sent an event that is not a JSON object: {text[:200]!r}."
        raise ResponseDecodeError(said, body=text) from cause
    if sent.event == "error" or is_error(frame):
        raise error_from_frame(read_object(sent.data))
    return frame


def text(value: Any) -> str:
    """A value that the answer depends on.

    Raises:
        TypeError: It is not text.
    """
    if isinstance(value, str):
        return value
    raise TypeError(f"expected text, got {value!r}")


def text_or_none(value: Any) -> str | None:
    """A value that is only reported, such as the answer's id: anything but text counts as missing."""
    return utf8(value).decode() if isinstance(value, str) else None


def unique_id(id: object, taken: Collection[str]) -> str:
    """The server's id for a tool call, or a new one if it sent none or one that is `taken`."""
    if isinstance(id, str) and id not in {"", "null"} and id not in taken:
        return id
    return f"call_{uuid.uuid4().hex}"


def finish_reason(reason: FinishReason | None, *, has_calls: bool) -> FinishReason | None:
    """The finish reason; `tool_calls` if there are calls, although some of StepFun's own samples have `stop` then."""
    return "tool_calls" if has_calls and reason == "stop" else reason


def count(usage: Mapping[str, Any], *path: str) -> int:
    """The token count at this path; 0 if it, or anything above it, is absent or null."""
    value: Any = usage
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) else 0
