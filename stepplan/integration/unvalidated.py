"""pydantic objects made without validating what is known to be right, for the pieces of a stream."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_new = object.__new__
_set = object.__setattr__


def maker(example: M) -> Callable[[dict[str, Any]], M]:
    """What makes further objects like the (validated) example: the given fields are set, the others are as in it."""
    cls, extra = type(example), example.__pydantic_extra__
    known: dict[str, Any] = dict(example.__dict__)
    fresh: list[tuple[str, type]] = [(name, type(value)) for name, value in known.items() if value in ([], {})]

    def make(given: dict[str, Any]) -> M:
        made = _new(cls)
        values = known | given
        for name, new in fresh:
            if name not in given:
                values[name] = new()
        _set(made, "__dict__", values)
        _set(made, "__pydantic_fields_set__", set(given))
        _set(made, "__pydantic_extra__", None if extra is None else {})
        _set(made, "__pydantic_private__", None)
        return made

    return make
