"""Options, wherever they were set -> a request of the core."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llama_index_stepplan._tools import to_response_format, to_tool_choice, to_tools
from stepplan import InvalidRequestError, Message, Request


def _to_stop(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


_AS_GIVEN = (
    "model",
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "frequency_penalty",
    "reasoning_effort",
    "parallel_tool_calls",
    "replay_reasoning",
    "repair_history",
    "think_tags",
    "stream_usage",
)
_CONVERTED: Mapping[str, Callable[[Any], Any]] = {
    "stop": _to_stop,
    "tools": to_tools,
    "tool_choice": to_tool_choice,
    "response_format": to_response_format,
}
_MERGED = ("extra_body", "extra_headers")

REQUEST_OPTIONS = frozenset((*_AS_GIVEN, *_CONVERTED, *_MERGED))
"""What may be set for one call; `timeout` besides."""


def merge_options(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One set of options; later layers win, and `None` means not set. Extra fields and headers add up.

    Raises:
        InvalidRequestError: An option is not known.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in REQUEST_OPTIONS and name != "timeout":
                hint = "What is not documented goes in extra_body, as it is."
                raise InvalidRequestError(f"{unknown(name, (*REQUEST_OPTIONS, 'timeout'))} {hint}")
            if value is not None:
                merged[name] = {**merged.get(name, {}), **value} if name in _MERGED else value
    return merged


def to_request(messages: tuple[Message, ...], options: Mapping[str, Any]) -> Request:
    """The request that these options ask for.

    Raises:
        InvalidRequestError: A value is of no known shape, or outside its documented range.
    """
    fields = {name: _CONVERTED[name](value) if name in _CONVERTED else value for name, value in options.items()}
    return Request(messages=messages, **fields)


def unknown(name: str, known: Iterable[str]) -> str:
    """A sentence about a name that is not known, with the likeliest that is."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"{name!r} is not known." + (f" Did you mean {near[0]!r}?" if near else "")
