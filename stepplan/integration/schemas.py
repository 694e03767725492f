"""JSON Schemas: those of Pydantic classes, and what servers want of them."""

from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from pydantic import BaseModel, PydanticUserError

from stepplan.errors import InvalidRequestError

_KEYS_OF_DEFINITIONS = ("$defs", "definitions")  # the second is older; Pydantic 1 has it


def is_class(value: Any) -> TypeGuard[type[BaseModel]]:
    """Whether this is a Pydantic class."""
    return isinstance(value, type) and issubclass(value, BaseModel)


def class_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """The class's JSON Schema, with an object at the top: Pydantic gives a recursive class as a reference.

    Raises:
        InvalidRequestError: It has none, because of the type of a field.
    """
    try:
        return object_at_top(cls.model_json_schema())
    except PydanticUserError as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequestError(f"{cls.__name__} has no JSON Schema: {reason}") from error


def object_at_top(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, with a reference at the top replaced by what it refers to."""
    top = dict(schema)
    for key in _KEYS_OF_DEFINITIONS:
        definitions: Mapping[str, Any] = top.get(key) or {}
        name = str(top.get("$ref", "")).removeprefix(f"#/{key}/")
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
    for key in ("properties", *_KEYS_OF_DEFINITIONS):
        if isinstance(strict.get(key), Mapping):  # servers of MCP write null for no properties
            strict[key] = {name: closed(inner) for name, inner in strict[key].items()}
    for key in ("items", "prefixItems", "anyOf", "oneOf", "allOf"):
        if key in strict:
            strict[key] = closed(strict[key])
    if "properties" in strict or strict.get("type") == "object":
        strict["additionalProperties"] = False
        properties: Any = strict.get("properties")
        strict["required"] = list(cast("Mapping[str, Any]", properties)) if isinstance(properties, Mapping) else []
    return strict
