"""Reads JSON of unknown shape without raising."""

import json
from typing import Any, TypeAlias, TypeGuard, cast

JSON: TypeAlias = dict[str, Any]


def as_object(value: object) -> JSON:
    """The value if it is a JSON object, else an empty one."""
    return cast("JSON", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a JSON array, else an empty one."""
    return value if _is_list(value) else []


def as_text(content: object) -> str:
    """The text of a message's content, which is a string or an array of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in map(as_object, as_list(content)) if "text" in part)


def dump(value: object) -> str:
    """A value's JSON text as the service writes it: compact, with non-ASCII characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
