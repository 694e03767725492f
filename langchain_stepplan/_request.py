"""One request for the core, from the model's fields and the arguments of one call."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage

from langchain_stepplan._messages import to_messages
from langchain_stepplan._tools import to_openai_tools, to_response_format, to_tool, to_tool_choice
from stepplan import InvalidRequestError, Request

# Fields that a call may override. They have the same names in the core.
SIMPLE = (
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
_OF_A_CALL = (*SIMPLE, "stop", "tools", "tool_choice", "response_format", "extra_body", "extra_headers")

# Other names that users of LangChain know these by.
ALIASES = {
    "model_name": "model",
    "stop_sequences": "stop",
    "model_kwargs": "extra_body",
    "request_timeout": "timeout",
    "max_completion_tokens": "max_tokens",
    "stepfun_api_key": "api_key",
    "step_api_key": "api_key",
}
# Marks that LangChain leaves among the arguments, for itself.
_MARKS = {"stream", "ls_structured_output_format", "structured_output_format"}


def to_request(
    fields: Mapping[str, Any], messages: Sequence[BaseMessage], stop: Sequence[str] | None, call: Mapping[str, Any]
) -> Request:
    """The request; what the call says wins over the model's fields.

    Raises:
        InvalidRequestError: An argument is not known, or a value is out of range.
    """
    given = named_arguments({name: value for name, value in call.items() if name not in _MARKS}, _OF_A_CALL)
    tools = tuple(map(to_tool, to_openai_tools(given.get("tools") or ())))
    values = {name: given.get(name, fields[name]) for name in SIMPLE}
    return Request(
        **{**values, "model": values["model"] or fields["model"]},
        messages=to_messages(messages),
        stop=to_stop(stop if stop is not None else given.get("stop", fields["stop"])),
        tools=tools,
        tool_choice=to_tool_choice(given.get("tool_choice"), tools),
        response_format=cast("Any", to_response_format(given.get("response_format"))),
        extra_body={**fields["extra_body"], **(given.get("extra_body") or {})},
        extra_headers=given.get("extra_headers") or {},
    )


def to_stop(stop: Sequence[str] | str | None) -> tuple[str, ...]:
    """Stop sequences, of which one may be given as it is."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def named_arguments(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The arguments under their own names. LangChain would drop unknown ones in silence.

    Raises:
        InvalidRequestError: One is not known, or is given twice.
    """
    names = frozenset(known)
    unknown = [name for name in given if name not in names and ALIASES.get(name) not in names]
    if unknown:
        raise InvalidRequestError(_unknown(unknown, [*names, *ALIASES]))
    named: dict[str, Any] = {}
    for name, value in given.items():
        own = name if name in names else ALIASES[name]
        if own in named:
            raise InvalidRequestError(f"{own!r} is given twice, under different names: {', '.join(given)}.")
        named[own] = value
    return named


def _unknown(unknown: Iterable[str], known: Sequence[str]) -> str:
    """The sentence that says so, with what was perhaps meant."""
    said: list[str] = []
    for name in sorted(unknown):
        near = difflib.get_close_matches(name, known, n=1)
        said.append(f"{name!r}" + (f" (did you mean {ALIASES.get(near[0], near[0])!r}?)" if near else ""))
    return f"Unknown argument {', '.join(said)}. Fields to send as they are go into extra_body={{...}}."
