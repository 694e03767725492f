"""JSON Schemas of classes that contain themselves.

LangChain writes every definition out where it is used, and where one would contain itself it leaves `{}`, which tells
the model nothing. Such schemas keep their references; all others go the way of LangChain's other integrations.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from langchain_core.tools import BaseTool
from pydantic import BaseModel

_DEFINITIONS = "#/$defs/"


def recursive_schema(tool: Any) -> dict[str, Any] | None:
    """The schema of a class, or of a tool's arguments, with its references; `None` if it does not contain itself."""
    source = tool.tool_call_schema if isinstance(tool, BaseTool) else tool
    if not (isinstance(source, type) and issubclass(source, BaseModel)):
        return None
    schema = source.model_json_schema()
    definitions: dict[str, Any] = schema.get("$defs", {})
    if not any(name in _reached(name, definitions) for name in definitions):
        return None
    if (top := schema.pop("$ref", None)) is not None:  # the class itself is among its definitions
        schema = {**definitions[top.removeprefix(_DEFINITIONS)], **schema}
    return {name: value for name, value in schema.items() if name not in {"title", "description"}}


def _reached(name: str, definitions: Mapping[str, Any]) -> set[str]:
    """The definitions that this one uses, and those that they use."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        used = set(_references(definitions[waiting.pop()])) - found
        found |= used
        waiting += used
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if isinstance(reference := fields.get("$ref"), str):
            yield reference.removeprefix(_DEFINITIONS)
        for inner in fields.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in cast("Iterable[Any]", value):
            yield from _references(inner)
