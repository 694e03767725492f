"""Making a model: its arguments under their own names, and checked before Pydantic converts them to other types."""

import functools
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stepplan import arguments
from stepplan.errors import InvalidRequestError
from stepplan.integration.names import own_names
from stepplan.integration.options import call_options, to_call


def model_arguments(
    cls: type[BaseModel], given: Mapping[str, Any], optional: Collection[str], advice: Mapping[str, str]
) -> dict[str, Any]:
    """The arguments that Pydantic is to make the model of. For a validator of mode `before`.

    Args:
        cls: The model's class, whose own arguments may have aliases of their own.
        given: Arguments as the caller wrote them.
        optional: The names of arguments that `None` gives their default.
        advice: What to do about names that are not arguments.

    Raises:
        InvalidRequestError: A name is not known, an argument is given under two names, or a value cannot be right.
    """
    named = own_names(given, _names_of(cls), advice) if cls.model_config.get("extra") != "allow" else dict(given)
    named = {name: value for name, value in named.items() if value is not None or name not in optional}
    standing = arguments.fields("additional_kwargs", named.get("additional_kwargs", {}))
    # Options that go together are looked at together, such as a model and the effort that it takes.
    to_call((), {"model": cls.model_fields["model"].default, **named}, call_options(standing, advice))
    return named


@functools.lru_cache(maxsize=256)
def _names_of(cls: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for field in cls.model_fields.items() for name in _spellings(*field))


def _spellings(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    aliases = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [name, *(other if isinstance(other, str) else str(other.path[0]) for other in aliases if other is not None)]


def refusal(error: ValidationError) -> InvalidRequestError:
    """Pydantic's error as ours: one sentence for each argument, in which no value is shown."""
    sentences: list[str] = []
    for details in error.errors(include_url=False, include_input=False):
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, InvalidRequestError):
            return cause
        sentences.append(f"{'.'.join(map(str, details['loc'])) or 'The model'} is wrong: {details['msg']}.")
    return InvalidRequestError(" ".join(sentences))
