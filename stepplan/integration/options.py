"""Options: what the model, its standing options and one call set, merged into one request and its settings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, cast

from stepplan import arguments
from stepplan.headers import Headers, checked
from stepplan.integration.spelling import own_names
from stepplan.integration.tools import Reader, one_call_at_most, to_response_format, to_tool, to_tool_choice, to_tools
from stepplan.messages import Message
from stepplan.protocols import ProtocolName, wire_protocol
from stepplan.requests import Request
from stepplan.settings import Settings

REQUEST_OPTIONS = tuple(option.name for option in fields(Request) if option.name != "messages")
_OF_CALLS_SETTINGS = ("timeout", "stream_timeout", "connect_timeout", "max_retries")
_OF_MODELS_SETTINGS = ("api_key", "region", "base_url", "max_concurrency", "proxy", "verify", "default_headers")
SETTINGS_OPTIONS = (*_OF_CALLS_SETTINGS, *_OF_MODELS_SETTINGS)
_MODEL_OPTIONS = (*REQUEST_OPTIONS, *SETTINGS_OPTIONS)

CALL_OPTIONS = frozenset((*REQUEST_OPTIONS, *_OF_CALLS_SETTINGS))
"""The options that one call may set."""

_CONVERTED = ("tools", "tool_choice", "response_format", "stop")
_AS_THEY_ARE = tuple(name for name in REQUEST_OPTIONS if name not in _CONVERTED)
_ADDED_UP = {"extra_body", "extra_headers"}


@dataclass(frozen=True, slots=True)
class Call:
    """What one call sends, and how."""

    request: Request
    settings: Settings


def call_options(
    given: Mapping[str, Any], of_model: Collection[str], advice: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The options of one call under their own names.

    Args:
        given: Options as the caller wrote them.
        of_model: The names of the model's arguments, of which most are no options of a call.
        advice: What to do about names that are neither.

    Raises:
        InvalidRequestError: A name is not known, or an option is given under two names.
    """
    return own_names(given, CALL_OPTIONS, advice, of_model)


def hide_headers(options: dict[str, Any]) -> None:
    """Have the headers among a call's options hide their values.

    Tools that report errors show the variables of every frame, and the frames of a call hold its options.
    """
    for name in ("extra_headers", "default_headers"):
        if isinstance(given := options.get(name), Mapping):
            options[name] = Headers(cast("Mapping[str, str]", given))


def to_call(
    messages: tuple[Message, ...], model: Mapping[str, Any], *layers: Mapping[str, Any], reader: Reader = to_tool
) -> Call:
    """One call.

    Args:
        messages: The conversation.
        model: The model's fields; others among them are passed over.
        *layers: Options under their own names. Later layers win, and `None` means that nothing is set. Extra fields and
            headers add up. A `timeout` is one for streams too, unless `stream_timeout` is set in its layer or later.
        reader: Reads a tool in the forms of the framework.

    Raises:
        InvalidRequestError: A value is of the wrong type or out of its range, or values contradict each other.
    """
    options = merged_options(model, *layers)
    return Call(to_request(messages, options, reader), to_settings(options))


def merged_options(model: Mapping[str, Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are set, by the rules of `to_call`."""
    merged = {name: value for name in _MODEL_OPTIONS if (value := model.get(name)) is not None}
    for layer in layers:
        given = {name: value for name, value in layer.items() if value is not None}
        if "timeout" in given:
            merged.pop("stream_timeout", None)
        for name in _ADDED_UP & given.keys():
            added_up = {**merged.get(name, {}), **arguments.fields(name, given[name])}
            given[name] = Headers(added_up) if name == "extra_headers" else added_up
        merged |= given
    return merged


def output_limit(options: Mapping[str, Any], protocol: ProtocolName) -> int | None:
    """The `max_tokens` that will be sent; `None` if none will be."""
    limit = options.get("extra_body", {}).get("max_tokens", options.get("max_tokens"))
    return wire_protocol(protocol).FACTS.default_max_tokens if limit is None else limit


def to_request(messages: tuple[Message, ...], options: Mapping[str, Any], reader: Reader = to_tool) -> Request:
    """The request that merged options ask for.

    Raises:
        InvalidRequestError: A value is of the wrong type or out of its range, or values contradict each other.
    """
    tools = to_tools(options["tools"], reader) if "tools" in options else ()
    stop = options.get("stop", ())
    as_they_are = {name: options[name] for name in _AS_THEY_ARE if name in options}
    if one_call_at_most(options.get("tool_choice")):
        as_they_are.setdefault("parallel_tool_calls", False)
    return Request(
        messages=messages,
        tools=tools,
        tool_choice=to_tool_choice(options.get("tool_choice"), tools),
        response_format=to_response_format(options.get("response_format")),
        stop=(stop,) if isinstance(stop, str) else stop,
        **as_they_are,
    )


def to_settings(options: Mapping[str, Any], *, warn_again: bool = False) -> Settings:
    """How the plan is reached, by merged options or by a model's fields. `warn_again` is that of `Settings`.

    Raises:
        InvalidRequestError: A value cannot be right.
    """
    values = {name: options.get(name) for name in SETTINGS_OPTIONS}
    headers = values.pop("default_headers")
    return Settings(**values, headers=checked("default_headers", headers) if headers else None, warn_again=warn_again)
