"""Reads plain data that callers and other libraries stored, where any value may be of any type."""

from collections.abc import Mapping
from typing import Any, cast


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def string_at(source: Mapping[str, Any], name: str) -> str | None:
    """The value of this key if it is a string."""
    value = source.get(name)
    return value if isinstance(value, str) else None
