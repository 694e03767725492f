"""JSON Schemas: those of Pydantic classes, and what servers want of them."""

from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from pydantic import BaseModel

DEFINITIONS = "#/$defs/"


def is_class(value: Any) -> TypeGuard[type[BaseModel]]:
    """Whether this is a Pydantic class."""
    return isinstance(value, type) and issubclass(value, BaseModel)


def class_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """The class's JSON Schema, with an object at the top: Pydantic gives a recursive class as a reference."""
    return object_at_top(cls.model_json_schema())


def object_at_top(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, with a reference at the top replaced by what it refers to."""
    top = dict(schema)
    definitions: Mapping[str, Any] = top.get("$defs") or {}
    name = str(top.get("$ref", "")).removeprefix(DEFINITIONS)
    if name in definitions:
        del top["$ref"]
        top = {**definitions[name], **top}
    return top


def closed(schema: Any) -> Any:
    """The schema as strict servers want it, at every depth: all properties are required and no others allowed."""
    if isinstance(schema, list):
        return [closed(item) for item in cast("list[Any]", schema)]  # type: ignore[redundant-cast]  # not to pyright
    if not isinstance(schema, Mapping):
        return schema
    strict: dict[str, Any] = dict(cast("Mapping[str, Any]", schema))
    for key in ("properties", "$defs", "definitions"):
        if key in strict:
            strict[key] = {name: closed(inner) for name, inner in strict[key].items()}
    for key in ("items", "prefixItems", "anyOf", "oneOf", "allOf"):
        if key in strict:
            strict[key] = closed(strict[key])
    if "properties" in strict or strict.get("type") == "object":
        strict["additionalProperties"] = False
        strict["required"] = list(strict.get("properties", ()))
    return strict
