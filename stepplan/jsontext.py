"""Reading JSON objects: the one place that calls the parser."""

from typing import Any, cast

from pydantic_core import from_json


def read_object(text: str | bytes, *, partial: bool = False, allow_nan: bool = True) -> dict[str, Any]:
    """The JSON object in `text`.

    Args:
        text: The text.
        partial: Read as much of it as there is, open strings included.
        allow_nan: Take `NaN` and `Infinity`, which are not JSON but which some servers write.

    Raises:
        ValueError: It is not the JSON text of an object.
    """
    value = from_json(text, allow_inf_nan=allow_nan, allow_partial="trailing-strings" if partial else False)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, not {text[:100]!r}")
    return cast("dict[str, Any]", value)
