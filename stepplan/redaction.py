"""Keeps the key out of errors, where a server repeats what it was sent."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote

from pydantic import SecretStr

from stepplan.errors import StepPlanError

_SHORTEST = 8
"""Characters. Shorter keys are placeholders, such as `none`, which local servers take; they stand in ordinary text."""

_HIDDEN = "***"


def redact(error: StepPlanError, key: SecretStr) -> bool:
    """Replace the key by `***` in the error's message, body and response.

    Returns:
        Whether the server had repeated it.
    """
    text = key.get_secret_value()
    if len(text) < _SHORTEST:
        return False
    spellings = [text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text, safe="")]
    before = (error.args, error.body, error.response)
    error.body = _without(spellings, error.body)
    if error.response is not None:
        headers = {name: _without(spellings, value) for name, value in error.response.headers.items()}
        error.response = replace(error.response, headers=headers, text=_without(spellings, error.response.text))
    if before != (error.args, error.body, error.response):
        # The message may end within the key, because a long text is cut.
        spellings += [text[:length] for length in range(len(text) - 1, _SHORTEST - 1, -1)]
    error.args = tuple(_without(spellings, part) for part in error.args)
    return before != (error.args, error.body, error.response)


def _without(spellings: Sequence[str], value: Any) -> Any:
    if isinstance(value, str):
        for spelling in spellings:
            value = value.replace(spelling, _HIDDEN)
        return value
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {_without(spellings, name): _without(spellings, inner) for name, inner in items}
    if isinstance(value, list):
        return [_without(spellings, inner) for inner in cast("Sequence[Any]", value)]
    return value
