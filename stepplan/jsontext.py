"""JSON text: the one place that calls the parser, and the text that the parser and the wire accept."""

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import from_json


def read_object(text: str | bytes, *, partial: bool = False, allow_nan: bool = True) -> dict[str, Any]:
    """The JSON object in `text`.

    Args:
        text: The text.
        partial: Read as much of it as there is, open strings included.
        allow_nan: Accept `NaN` and `Infinity`, which are not JSON but which some servers write.

    Raises:
        ValueError: It is not the JSON text of an object, or nested deeper than 200 levels.
    """
    data = utf8(text) if isinstance(text, str) else text
    value = from_json(data, allow_inf_nan=allow_nan, allow_partial="trailing-strings" if partial else False)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, not {text[:100]!r}")
    return cast("dict[str, Any]", value)


def utf8(text: str) -> bytes:
    """Text as UTF-8. The halves of a surrogate pair are joined; a lone half becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def argument_text(arguments: Mapping[str, Any]) -> str:
    """Arguments as JSON text, the way models write it.

    Raises:
        TypeError: A value has no JSON form.
        ValueError: A value is NaN, infinite or contains itself.
        RecursionError: They are nested too deeply.
    """
    return json.dumps(arguments, ensure_ascii=False, allow_nan=False)
