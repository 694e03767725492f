"""Makes values that satisfy a JSON Schema, taken from the question where it holds something that fits."""

import math
import re
import sys
from typing import Any

from stepplan.sandbox.hints import Hints
from stepplan.sandbox.jsontools import JSON, as_list, as_object

# After this many references, recursive schemas are ended.
_SHALLOW = 2
# Schemas that cannot end are cut at this depth.
_DEEPEST = 24
_FORMATS = {
    "date": (r"\d{4}-\d\d-\d\d", "2026-01-31"),
    "date-time": (r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)", "2026-01-31T12:00:00Z"),
    "time": (r"\b\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", "12:00:00Z"),
    "duration": (r"\bP\d+[YMWD]\b", "P1D"),
    "email": (r"[\w.+-]+@[\w-]+\.[\w.-]*\w", "someone@example.com"),
    "hostname": (r"\b[\w-]+\.(?:com|org|net|ai)\b", "example.com"),
    "ipv4": (r"\b\d+\.\d+\.\d+\.\d+\b", "127.0.0.1"),
    "ipv6": (r"(?!)", "::1"),
    "uri": (r"https?://[^\s\"'<>]*\w/?", "https://example.com/"),
    "url": (r"https?://[^\s\"'<>]*\w/?", "https://example.com/"),
    "uuid": (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-4000-8000-000000000000"),
}
_NAMED_GROUP = re.compile(r"(?<!\\)\(\?<(?![=!])")


def fill(schema: JSON, hints: Hints) -> Any:
    """A value that satisfies the schema."""
    return _Filler(schema, hints).value(schema, "", 0)


class _Filler:
    def __init__(self, root: JSON, hints: Hints) -> None:
        self._root = root
        self._hints = hints

    def value(self, schema: object, name: str, depth: int) -> Any:
        """A value for the schema of a property with this name."""
        rules, depth = self._resolve(as_object(schema), depth)
        for key in ("anyOf", "oneOf"):
            if options := as_list(rules.get(key)):
                rest = {other: rule for other, rule in rules.items() if other not in (key, "default")}
                return self.value(_merge(rest, self._option(options, depth)), name, depth + 1)
        if "const" in rules:
            return rules["const"]
        if allowed := as_list(rules.get("enum")):
            return self._choice(rules, allowed)
        if "default" in rules:
            return rules["default"]
        return self._typed(rules, name, depth)

    def _typed(self, rules: JSON, name: str, depth: int) -> Any:
        kind = _kind(rules)
        if kind == "object":
            return self._object(rules, depth)
        if kind == "array":
            return self._array(rules, name, depth)
        if kind in ("integer", "number"):
            return self._number(rules, whole=kind == "integer")
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string(rules, name)

    def _resolve(self, schema: JSON, depth: int) -> tuple[JSON, int]:
        """The schema with its references and `allOf` resolved, and the depth; each reference adds one."""
        rules = schema
        while "$ref" in rules and depth < _DEEPEST:
            target: Any = self._root
            for step in str(rules["$ref"]).removeprefix("#").strip("/").split("/"):
                target = target if not step else as_object(target).get(step.replace("~1", "/").replace("~0", "~"))
            siblings = {key: rule for key, rule in rules.items() if key != "$ref"}
            rules = _merge(as_object(target), siblings)
            depth += 1
        for part in as_list(rules.get("allOf")):
            resolved, depth = self._resolve(as_object(part), depth)
            rules = _merge({key: rule for key, rule in rules.items() if key != "allOf"}, resolved)
        return rules, depth

    def _option(self, options: list[Any], depth: int) -> JSON:
        """The first option that is not null; at depth, one that ends."""
        resolved = [as_object(option) for option in options]
        empty = [option for option in resolved if _kind(option) == "null"]
        full = [option for option in resolved if option not in empty]
        flat = [option for option in full if "$ref" not in option]
        order = [*empty, *flat, *full] if depth > _SHALLOW else [*full, *empty]
        return order[0]

    def _choice(self, rules: JSON, allowed: list[Any]) -> Any:
        named = next((value for value in allowed if value is not None and self._hints.mentions(value)), None)
        return rules.get("default", allowed[0]) if named is None else named

    def _object(self, rules: JSON, depth: int) -> JSON:
        """The required properties, or all of them if the schema has no `required`."""
        properties = as_object(rules.get("properties"))
        if "required" in rules:
            wanted = [str(name) for name in as_list(rules["required"])]
        else:
            wanted = [name for name, rule in properties.items() if "default" not in as_object(rule)]
            wanted = [] if depth > _SHALLOW else wanted
        order = [name for name in properties if name in wanted]
        order += [name for name in wanted if name not in properties]
        return {name: self.value(properties.get(name), name, depth) for name in order}

    def _array(self, rules: JSON, name: str, depth: int) -> list[Any]:
        least = int(rules.get("minItems", 0))
        shallow = 0 if depth > _SHALLOW else 1
        size = min(max(least, shallow), int(rules.get("maxItems", max(least, 1))))
        items = [self.value(part, name, depth + 1) for part in as_list(rules.get("prefixItems"))]
        while len(items) < size:
            item = self.value(rules.get("items"), name, depth + 1)
            items.append(self._another(rules, item, items) if rules.get("uniqueItems") and item in items else item)
        return items

    def _another(self, rules: JSON, item: Any, items: list[Any]) -> Any:
        """A value that the array does not hold yet."""
        schema, _ = self._resolve(as_object(rules.get("items")), 0)
        unused = [value for value in as_list(schema.get("enum")) if value not in items]
        if unused:
            return unused[0]
        return item + len(items) if isinstance(item, int | float) else f"{item} {len(items) + 1}"

    def _number(self, rules: JSON, *, whole: bool) -> float:
        """The question's next number, moved between the bounds."""
        low, high = _bounds(rules, whole=whole)
        found = self._hints.number(whole=whole)
        value = min(max(1.0 if found is None else found, low), high)
        if factor := rules.get("multipleOf"):
            value = factor * (math.floor(value / factor) if value + factor > high else math.ceil(value / factor))
        return int(value) if whole or float(value).is_integer() else value

    def _string(self, rules: JSON, name: str) -> str:
        if "pattern" in rules:
            return self._matching(str(rules["pattern"]), rules, name)
        if rules.get("format") in _FORMATS:
            shape, sample = _FORMATS[rules["format"]]
            return self._hints.match(re.compile(shape)) or sample
        text = self._hints.phrase(name)
        least, most = _lengths(rules)
        if len(text) < least:
            text = (f"{text} " * least)[: least - 1] + "."
        return text[:most]

    def _matching(self, pattern: str, rules: JSON, name: str) -> str:
        """A passage of the question that matches the pattern, or a made-up string that does."""
        least, most = _lengths(rules)
        # Named groups are spelled differently outside Python.
        spelled = _NAMED_GROUP.sub("(?P<", pattern)
        try:
            whole, part = re.compile(spelled), re.compile(spelled.removeprefix("^").removesuffix("$"))
        except (re.error, FutureWarning):  # FutureWarning: an ambiguous set, where warnings are errors
            # Another language's regular expression cannot be checked here.
            return self._hints.phrase(name)

        def accepts(text: str) -> bool:
            # In JSON Schema `$` does not match before a final newline, so one more must make no difference.
            ending = "\n" if text.endswith("\n") else ""
            return least <= len(text) <= most and whole.search(text + ending) is not None

        found = self._hints.match(part, accepts)
        if found is not None:
            return found
        # Imported here: it takes half a second, and few schemas have a pattern.
        from stepplan.sandbox.pattern import example  # noqa: PLC0415

        made = example(whole, accepts)
        return self._hints.phrase(name) if made is None else made


def _lengths(rules: JSON) -> tuple[int, int]:
    """The smallest and the largest accepted length of a string."""
    return int(rules.get("minLength", 0)), int(rules.get("maxLength", sys.maxsize))


def _merge(first: JSON, second: JSON) -> JSON:
    """Both schemas in one: properties and requirements together, otherwise the second's value."""
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**as_object(first["properties"]), **as_object(second["properties"])}
    if "required" in first and "required" in second:
        merged["required"] = list(dict.fromkeys([*as_list(first["required"]), *as_list(second["required"])]))
    return merged


def _kind(rules: JSON) -> str:
    """The type of a schema's values, inferred if it is missing."""
    kind = rules.get("type")
    if kinds := as_list(kind):
        return str(next((name for name in kinds if name != "null"), "null"))
    if isinstance(kind, str):
        return kind
    for hint, inferred in (("properties", "object"), ("required", "object"), ("items", "array"), ("minimum", "number")):
        if hint in rules:
            return inferred
    return "string"


def _bounds(rules: JSON, *, whole: bool) -> tuple[float, float]:
    """The smallest and the largest accepted number."""
    low, high = float(rules.get("minimum", -math.inf)), float(rules.get("maximum", math.inf))
    above, below = float(rules.get("exclusiveMinimum", -math.inf)), float(rules.get("exclusiveMaximum", math.inf))
    gap = (min(below, high) - max(above, low)) / 2
    step = 1.0 if whole or math.isinf(gap) else gap
    low, high = max(low, above + step), min(high, below - step)
    if whole:
        low = low if math.isinf(low) else math.ceil(low)
        high = high if math.isinf(high) else math.floor(high)
    return low, high
