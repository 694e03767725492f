"""Checks of the arguments that callers pass: each error is one sentence that names the argument and what it may be."""

import inspect
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from stepplan.errors import InvalidRequestError
from stepplan.jsontext import check_depth

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100
_NUMBERS = (int, float)
_AROUND = " \t\r\n\u00a0\u200b\ufeff\"'"
# The common types come first, because a check by an abstract class costs more than all else here.
_SEQUENCES = (tuple, list, Sequence)
_MAPPINGS = (dict, Mapping)

Check = Callable[[str, Any], Any]
"""Takes an argument's name and its value, and returns the value to use. Raises `InvalidRequestError`."""


def number(limits: str, valid: Callable[[Any], bool], noun: str = "a number") -> Check:
    """A number for which `valid` is true; `limits` describes those numbers."""

    def check(name: str, value: Any) -> Any:
        if not _is_number(value):
            raise wrong_type(name, value, f"{noun} {limits}")
        if not valid(value):
            raise InvalidRequestError(f"{name}={value!r} is out of range: it must be {limits}.")
        return value if isinstance(value, int | float) else float(value)

    return check


def _is_number(value: object) -> bool:
    return type(value) in _NUMBERS or (not isinstance(value, bool) and isinstance(value, Real))


def whole_number(limits: str, valid: Callable[[Any], bool]) -> Check:
    """A whole number for which `valid` is true; `limits` describes those numbers."""
    in_range = number(limits, valid, "a whole number")

    def check(name: str, value: Any) -> int:
        if in_range(name, value) != int(value):
            raise InvalidRequestError(f"{name}={value!r} is not a whole number.")
        return int(value)

    return check


SECONDS = number("seconds, over 0", lambda value: 0 < value < math.inf, "a number of")


def pasted(text: str) -> str:
    """The text without white space and quotes around it. Web pages, env files and Windows' `set` leave them there."""
    return text.strip(_AROUND)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise wrong_type(name, value, "True or False")
    return value


def text(name: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong_type(name, value, "a string")
    return value


def label(name: str, value: Any) -> str:
    """A string that is not empty."""
    if given := text(name, value):
        return given
    raise InvalidRequestError(f"{name} must not be empty.")


def sequence(kind: type | tuple[type, ...], noun: str) -> Check:
    """A sequence of values of these types, as a tuple."""

    def check(name: str, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str) or not isinstance(value, _SEQUENCES):
            raise wrong_type(name, value, f"a sequence of {noun}")
        items = tuple[Any, ...](value)  # pyright: ignore[reportUnknownArgumentType] - checked below
        for item in items:
            if not isinstance(item, kind):
                raise InvalidRequestError(f"{name} may hold {noun} only, not a value of type {type(item).__name__}.")
        return items

    return check


def fields(name: str, value: Any) -> Mapping[str, Any]:
    """A mapping whose keys are strings."""
    if not isinstance(value, _MAPPINGS) or not all(isinstance(key, str) for key in value):  # pyright: ignore[reportUnknownVariableType] - checked here
        raise wrong_type(name, value, "a mapping whose keys are strings")
    return value  # pyright: ignore[reportUnknownVariableType] - see above


def http_client(name: str, value: Any, *, asynchronous: bool) -> None:
    """An HTTP client as httpx's, sync or async.

    Raises:
        InvalidRequestError: It is none, or one of the other kind.
    """
    expected = f"an {'httpx.AsyncClient' if asynchronous else 'httpx.Client'} or the like"
    if isinstance(value, type) or not all(
        callable(getattr(value, method, None)) for method in ("build_request", "send")
    ):
        raise wrong_type(name, value, expected)
    is_async = inspect.iscoroutinefunction(value.send) or (
        hasattr(value, "__aenter__") and not hasattr(value, "__enter__")
    )
    if is_async != asynchronous:
        kind = "async" if is_async else "sync"
        raise InvalidRequestError(f"{name} must be {expected}: {type(value).__name__} is {kind}.")


def json_fields(name: str, value: Any) -> Mapping[str, Any]:
    """A mapping whose keys are strings, to be written as JSON: nested no deeper than that is read on any Python."""
    given = fields(name, value)
    try:
        check_depth(given)
    except ValueError as error:
        raise InvalidRequestError(f"{name} must not be {error}.") from None
    return given


def shown(value: object) -> str:
    """The value as an error shows it: short, however long, deep or circular it is."""
    return _SHORT.repr(value)


def instance(name: str, value: Any, cls: type) -> None:
    """Refuse a value that is not an instance of the class."""
    if not isinstance(value, cls):
        raise wrong_type(name, value, f"a {cls.__name__}")


def wrong_type(name: str, value: Any, expected: str) -> InvalidRequestError:
    """The error for a value of the wrong type. It shows no text, which may be a key in the wrong argument."""
    given = repr(value) if value is None or isinstance(value, bool) else f"of type {type(value).__name__}"
    return InvalidRequestError(f"{name} must be {expected}, not {given}.")
