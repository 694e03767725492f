"""Making a model: its arguments under their own names, and checked before Pydantic converts them to other types."""

import functools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stepplan import arguments
from stepplan.endpoint import parse
from stepplan.errors import InvalidRequestError
from stepplan.integration.options import (
    REQUEST_OPTIONS,
    SETTINGS_OPTIONS,
    call_options,
    merged_options,
    to_request,
    to_settings,
)
from stepplan.integration.spelling import ALIASES, own_names

_HTTP_CLIENTS = {"http_client": False, "http_async_client": True, "async_http_client": True}
"""The fields of either model that hold a client of the caller's, and whether it is async."""
_ADDRESSES = {alias for alias, own in ALIASES.items() if own == "base_url"}


def model_arguments(
    cls: type[BaseModel], given: Mapping[str, Any], *, shared: Collection[str], advice: Mapping[str, str]
) -> dict[str, Any]:
    """The arguments that Pydantic is to make the model of. For a validator of mode `before`.

    Args:
        cls: The model's class. A user's subclass may have further arguments, with aliases, or allow any.
        given: Arguments as the caller wrote them.
        shared: The names of the arguments that both models have.
        advice: What to do about names that are not arguments.

    Raises:
        InvalidRequestError: A name is not known, an argument is given under two names, or a value cannot be right.
    """
    known, without_none = _names_of(cls), _names_without_none(cls)
    named = dict(given) if cls.model_config.get("extra") == "allow" else own_names(given, known, advice)
    named = {
        name: value
        for name, value in named.items()
        if value is not None or not (name in shared or name in without_none)
    }
    for alias in given.keys() & _ADDRESSES:  # so that an error names what the caller wrote
        if isinstance(given[alias], str):
            parse(given[alias], alias)
    for name, asynchronous in _HTTP_CLIENTS.items():
        if named.get(name) is not None:
            arguments.http_client(name, named[name], asynchronous=asynchronous)
    standing = arguments.fields("additional_kwargs", named.get("additional_kwargs", {}))
    # Of what was given alone, because defaults need no check, and making a model is to take microseconds.
    options = merged_options(named, call_options(standing, known))
    for name in ("tools", "tool_choice"):  # read at the call, in the forms of the framework
        options.pop(name, None)
    if not options.keys().isdisjoint(REQUEST_OPTIONS):
        to_request((), {"model": cls.model_fields["model"].default, **options})
    if not options.keys().isdisjoint(SETTINGS_OPTIONS):
        settings = to_settings(options, warn_again=True)
        if "timeout" in options:  # a lesser one holds for streams, too
            named.setdefault("stream_timeout", settings.stream_timeout)
    return named


@functools.lru_cache(maxsize=256)
def _names_of(cls: type[BaseModel]) -> frozenset[str]:
    """All names under which Pydantic takes a field of the class."""
    return frozenset(name for field in cls.model_fields.items() for name in _spellings(*field))


def _spellings(name: str, field: FieldInfo) -> Iterator[str]:
    yield name
    alias = field.validation_alias
    for spelling in alias.choices if isinstance(alias, AliasChoices) else [alias]:
        if spelling is not None:
            yield spelling if isinstance(spelling, str) else str(spelling.path[0])


@functools.lru_cache(maxsize=256)
def _names_without_none(cls: type[BaseModel]) -> frozenset[str]:
    """The fields of the class whose type does not allow `None`."""
    return frozenset(
        name
        for name, field in cls.model_fields.items()
        if field.annotation is not Any and type(None) not in get_args(field.annotation)
    )


def refusal(error: ValidationError) -> InvalidRequestError:
    """Pydantic's error as ours: one sentence for each argument, in which no value is shown."""
    sentences: list[str] = []
    for details in error.errors(include_url=False, include_input=False):
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, InvalidRequestError):
            return cause
        sentences.append(f"{'.'.join(map(str, details['loc'])) or 'The model'} is wrong: {details['msg']}.")
    return InvalidRequestError(" ".join(sentences))
