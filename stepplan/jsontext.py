"""JSON text: the one place that calls the parser, and the text that the parser and the wire accept."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from pydantic_core import from_json

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_TO_REPAIR = re.compile(
    r"(?P<control>[\x00-\x1f])"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)
_CUT_OFF_ESCAPE = re.compile(
    rb"(?<!\\)(?:\\\\)*(?P<cut>(?:\\u[dD][89abAB][0-9a-fA-F]{2})?(?:\\(?:u[0-9a-fA-F]{0,3})?)?)\Z"
)
_LONGEST_CUT_OFF_ESCAPE = 11
_LARGE_NUMBER = re.compile(rb"\d[eE]\+?\d\d|\d{300}")
_NESTING = (dict, list, tuple)
_DEEPEST = 200  # pydantic_core's limit; the json module's own differs from one Python to the next


def read_object(text: str | bytes, *, partial: bool = False, allow_nan: bool = True) -> dict[str, Any]:
    """The JSON object in `text`.

    Two faults of models and servers are tolerated: control characters within strings are kept, and an escaped half of a
    surrogate pair becomes U+FFFD.

    Args:
        text: The text.
        partial: Read as much of it as there is, open strings included.
        allow_nan: Accept numbers that JSON cannot express: `NaN`, `Infinity`, and those too large for a float.

    Raises:
        ValueError: It is not the JSON text of an object, or nested deeper than 200 levels.
    """
    data = utf8(text) if isinstance(text, str) else text
    if partial:
        data = _without_cut_off_escape(data)
    try:
        return _parse(data, partial=partial, allow_nan=allow_nan)
    except ValueError:
        repaired = _repaired(data)
        if repaired == data:
            raise
        return _parse(repaired, partial=partial, allow_nan=allow_nan)


def read_piece(data: bytes) -> dict[str, Any]:
    """The JSON object in one event of a stream, where a character may be cut in two.

    An escaped half of a surrogate pair stays in the text as it is, so that the next piece can complete it.

    Raises:
        ValueError: It is not the JSON text of an object, or nested deeper than 200 levels.
    """
    try:
        value = from_json(data)
    except ValueError:
        value = read_value(data.decode("utf-8", "replace"), strict=False)
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return cast("dict[str, Any]", value)


def read_value(text: str, *, strict: bool = True) -> Any:
    """Any JSON value, of the same depth on every Python.

    Args:
        text: Its JSON text.
        strict: Refuse control characters within strings, as `json.loads` does.

    Raises:
        ValueError: It is not JSON, an integer has too many digits for Python, or it is nested deeper than 200 levels.
    """
    try:
        value = json.loads(text, strict=strict)
    except RecursionError:
        raise _too_deep() from None
    check_depth(value)
    return value


def is_strict_object(text: str) -> bool:
    """Whether the text is a JSON object that every parser accepts, without the tolerance of `read_object`."""
    try:
        _parse(utf8(text), partial=False, allow_nan=False)
    except ValueError:
        return False
    return True


def utf8(text: str) -> bytes:
    """Text as UTF-8. The halves of a surrogate pair are joined; a lone half becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def argument_text(arguments: object, *, allow_nan: bool = False) -> str:
    """Arguments as JSON text, the way models write it.

    Args:
        arguments: The arguments: a mapping, unless a call of another provider stored something else.
        allow_nan: Write `NaN` and `Infinity`, which are not JSON, for such numbers.

    Raises:
        TypeError: A value has no JSON form.
        ValueError: A value contains itself, or is NaN or infinite; or they are nested deeper than 200 levels, so that
            `read_object` could not read them again.
    """
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=allow_nan)
    except RecursionError:
        raise _too_deep() from None
    if text.count("{") + text.count("[") > _DEEPEST:
        check_depth(arguments)
    return text


def check_depth(value: Any) -> None:
    """Accept what `read_object` could read, were it text.

    Raises:
        ValueError: It is nested deeper than 200 levels.
    """
    for depth, _ in enumerate(_levels(value)):
        if depth > _DEEPEST:
            raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"nested deeper than {_DEEPEST} levels")


def _parse(data: bytes, *, partial: bool, allow_nan: bool) -> dict[str, Any]:
    value = from_json(data, allow_inf_nan=allow_nan, allow_partial="trailing-strings" if partial else False)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, not {data[:100].decode('utf-8', 'replace')!r}")
    found = cast("dict[str, Any]", value)
    if not allow_nan and _LARGE_NUMBER.search(data):
        _check_finite(found)
    return found


def _without_cut_off_escape(data: bytes) -> bytes:
    """The text without an escape that its end cuts off: before 2.50, pydantic_core would lose the whole string."""
    start = max(len(data) - _LONGEST_CUT_OFF_ESCAPE, 0)
    while data[start - 1 : start] == b"\\":
        start -= 1
    found = _CUT_OFF_ESCAPE.search(data, start)
    return data[: found.start("cut")] if found else data


def _repaired(data: bytes) -> bytes:
    return _STRING.sub(_repair_string, data.decode("utf-8", "replace")).encode()


def _repair_string(string: re.Match[str]) -> str:
    return _TO_REPAIR.sub(_repair, string[0])


def _repair(found: re.Match[str]) -> str:
    if found["control"]:
        return f"\\u{ord(found['control']):04x}"
    return r"\ufffd" if found["half"] else found[0]


def _check_finite(value: dict[str, Any]) -> None:
    for level in _levels(value):
        for item in level:
            if isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number is too large")


def _levels(value: Any) -> Iterator[list[Any]]:
    """What is in a JSON value, level by level."""
    level: list[Any] = [value]
    while level:
        yield level
        level = [inner for item in level if isinstance(item, _NESTING) for inner in _inner(item)]


def _inner(value: Any) -> Iterable[Any]:
    return cast("dict[str, Any]", value).values() if isinstance(value, dict) else value
