"""Filling a JSON Schema. Each case says what the value must be, or must look like."""

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from stepplan.sandbox.hints import Hints
from stepplan.sandbox.schema import fill

Schema = dict[str, Any]
TEXT = {"type": "string"}


def filled(schema: Schema, *texts: str) -> Any:
    return fill(schema, Hints(*texts))


def of(schema: Schema, *texts: str, name: str = "city") -> Any:
    """The value of a property with this schema."""
    return filled({"type": "object", "properties": {name: schema}, "required": [name]}, *texts)[name]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"type": ["null"]}, None),
        ({"const": "fixed"}, "fixed"),
        ({"enum": ["b", "a"]}, "b"),
        ({"enum": [None, 3]}, None),
        ({"enum": ["b", "a"], "default": "a"}, "a"),
        ({"type": "string", "default": "Oslo"}, "Oslo"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -2.5}, -3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "minimum": 4, "multipleOf": 3}, 6),
        ({"type": "integer", "maximum": 1, "multipleOf": 3}, 0),
        ({"type": "number", "maximum": 0.25}, 0.25),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, 0.25),
        ({"minimum": 7}, 7),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}], "default": None}, 1),
        ({"oneOf": [{"type": "string", "const": "x"}, {"type": "integer"}]}, "x"),
        ({"allOf": [{"type": "integer"}, {"minimum": 9}]}, 9),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [1, 2, 3]),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True}, ["a", "b"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "maxItems": 2}, [1, True]),
        ({"items": {"type": "boolean"}}, [True]),
        ({"properties": {"x": {"type": "integer"}}}, {"x": 1}),
        ({"type": "object"}, {}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {}),
        ({"required": ["x"]}, {"x": "sample x"}),
        ({}, "sample city"),
        (True, "sample city"),
    ],
)
def test_a_value_by_its_schema(schema: Schema, value: Any) -> None:
    found = of(schema)
    assert found == value
    assert type(found) is type(value)


def test_only_what_is_required_is_filled() -> None:
    properties = {"a": TEXT, "b": {"type": "integer", "default": 3}, "c": {"type": "integer"}}
    assert filled({"type": "object", "properties": properties, "required": ["c"]}) == {"c": 1}
    assert filled({"type": "object", "properties": properties, "required": []}) == {}
    assert filled({"type": "object", "properties": properties}) == {"a": "sample a", "c": 1}


def test_numbers_of_the_question_come_in_order() -> None:
    schema = {
        "type": "object",
        "properties": {"price": {"type": "number"}, "count": {"type": "integer"}, "more": {"type": "integer"}},
        "required": ["price", "count", "more"],
    }
    assert filled(schema, "Buy for 2.5 dollars each, 12 pieces") == {"price": 2.5, "count": 12, "more": 1}
    assert of({"type": "integer", "maximum": 10}, "all 99 of them") == 10
    assert of({"type": "integer"}, "2.5 or 3") == 3
    assert of({"type": "integer"}, "magic_function(-3)?") == -3


def test_words_of_the_question_are_recognised() -> None:
    assert of({"enum": ["celsius", "Fahrenheit"]}, "in fahrenheit, please") == "Fahrenheit"
    assert of({"enum": ["c", "f"]}, "in fahrenheit, please") == "c"
    two = {"type": "object", "properties": {"origin": TEXT, "goal": TEXT}, "required": ["origin", "goal"]}
    assert filled(two, "Fly from Rome to New York") == {"origin": "Rome", "goal": "New York"}
    assert filled(two, "Fly from Rome to 'nowhere'")["origin"] == "nowhere"
    assert of(TEXT, "Using the tool, generate a Pirate greeting.") == "Pirate"
    assert of(TEXT, "What's the result?", "It is in Oslo.") == "Oslo"


def test_lengths() -> None:
    assert len(of({"type": "string", "minLength": 30})) == 30
    assert of({"type": "string", "maxLength": 3}, "Paris") == "Par"


@pytest.mark.parametrize(
    ("kind", "question", "value"),
    [
        ("date", "on 2027-03-04", "2027-03-04"),
        ("date", "soon", "2026-01-31"),
        ("date-time", "at 2027-03-04T05:06:07Z", "2027-03-04T05:06:07Z"),
        ("email", "write to ann@example.org.", "ann@example.org"),
        ("uri", "open https://example.org/a?b=c, please", "https://example.org/a?b=c"),
        ("uuid", "", "00000000-0000-4000-8000-000000000000"),
        ("ipv6", "at 10.0.0.1", "::1"),
        ("no such format", "Oslo", "Oslo"),
    ],
)
def test_formats(kind: str, question: str, value: str) -> None:
    assert of({"type": "string", "format": kind}, question) == value


PATTERNS = {
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "time": r"^([01]\d|2[0-3]):[0-5]\d$",
    "phone": r"^\+?[1-9]\d{1,14}$",
    "phone with brackets": r"^\(\d{3}\) \d{3}-\d{4}$",
    "currency": r"^[A-Z]{3}$",
    "country": r"^[A-Z]{2,3}$",
    "color": r"^#(?:[0-9a-fA-F]{3}){1,2}$",
    "slug": r"^[a-z0-9]+(?:-[a-z0-9]+)*$",
    "password": r"^(?=.*[A-Z])(?=.*\d).{8,}$",
    "not reserved": r"^(?!sample|aaa|000)[a-z]{3,10}$",
    "lookbehind": r"^\w+(?<!0)$",
    "email": r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$",
    "loose email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "url": r"^https?:\/\/[\w.-]+(?:\/\S*)?$",
    "ip": r"^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$",
    "identifier": r"^[A-Za-z_]\w*$",
    "semver": r"^v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$",
    "word boundary": r"\bERR-\d{4}\b",
    "back reference": r"^([a-z])[a-z]\1$",
    "python group": r"^(?P<quote>[\"'])\w+(?P=quote)$",
    "named group": r"^(?<year>\d{4})-(?<month>0[1-9]|1[0-2])$",
    "chinese": r"^[\u4e00-\u9fff]+$",
    "accents": r"^[à-ü]{2}$",
    "escaped letter": r"^\u0041\x42+$",
    "any ten": r"^.{10,20}$",
    "flag": r"(?i)^(yes|no)$",
    "uuid": r"^[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}$",
    "price": r"^\$\d+(?:\.\d{2})?$",
    "full name": r"^[A-Z][a-z]+(?: [A-Z][a-z]+)+$",
    "number": r"^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$",
    "file": r"^[\w\-]+\.(?:png|jpe?g|gif)$",
    "path": r"^/(?:[^/]+/)*[^/]+$",
    "iban": r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$",
    "zip": r"^\d{5}(?:[-\s]\d{4})?$",
    "list": r"^(\d+)(,\d+)+$",
    "negated": r"^[^a-z]x*y?z{2}$",
    "lazy": r"^a{2,}\.b+?$",
    "set of brackets": r"^[\[\]{}()]{3}$",
    "empty": r"^$",
    "no anchors": r"\d\s\D\S\W",
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_ordinary_patterns(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    found = of(schema)
    assert re.search(pattern.replace("(?<year>", "(?P<year>").replace("(?<month>", "(?P<month>"), found)
    assert of(schema) == found, "it is the same every time"
    assert len(found) < 40


def test_a_pattern_and_a_length_hold_together() -> None:
    schema = {"type": "string", "pattern": r"^[a-z]+(-[a-z]+)*$", "minLength": 6, "maxLength": 8}
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", found := of(schema, "write 'abc' or 'far-too-long'"))
    assert 6 <= len(found) <= 8
    assert of(schema, "write 'abc-def'") == "abc-def"


@pytest.mark.interpreter
def test_another_process_makes_the_same_string() -> None:
    pattern = r"^[^a-z0-9]{3}\w+$"
    program = (
        "import sys; from stepplan.sandbox.schema import fill; from stepplan.sandbox.hints import Hints; "
        "print(fill({'type': 'string', 'pattern': sys.argv[1]}, Hints()))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, pattern],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.rstrip("\n") == filled({"type": "string", "pattern": pattern})


def test_a_passage_that_matches_is_preferred() -> None:
    assert of({"type": "string", "pattern": r"^[A-Z]{2}-\d+$"}, "ticket AB-123, please") == "AB-123"


@pytest.mark.parametrize("pattern", ["[unclosed", r"\p{Lu}(", r"\p{L}", r"^(?!)$", "[[a]"])
def test_a_pattern_that_cannot_be_read_does_no_harm(pattern: str) -> None:
    assert isinstance(of({"type": "string", "pattern": pattern}), str)


NODE: Schema = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["value", "next", "children"],
        }
    },
    "$ref": "#/$defs/Node",
}


def valid_node(value: Any) -> bool:
    return (
        value.keys() == {"value", "next", "children"}
        and isinstance(value["value"], int)
        and (value["next"] is None or valid_node(value["next"]))
        and all(valid_node(child) for child in value["children"])
    )


def test_recursive_schemas_end() -> None:
    assert valid_node(filled(NODE))
    tree = {"type": "object", "properties": {"x": TEXT, "kids": {"type": "array", "items": {"$ref": "#"}}}}
    assert filled(tree)["kids"][0]["x"] == "sample x"
    choice: Schema = {
        "$defs": {
            "E": {"anyOf": [{"$ref": "#/$defs/Sum"}, {"type": "integer"}]},
            "Sum": {"type": "object", "properties": {"l": {"$ref": "#/$defs/E"}}, "required": ["l"]},
        },
        "$ref": "#/$defs/E",
    }
    assert filled(choice) == {"l": 1}


def test_a_schema_that_cannot_end_is_cut() -> None:
    endless = {"type": "object", "properties": {"again": {"$ref": "#"}}, "required": ["again"]}
    assert "again" in filled(endless)
    assert filled({"$ref": "#"}) is not None


def test_references_are_found_wherever_they_point() -> None:
    schema = {
        "definitions": {"a/b": {"type": "integer", "minimum": 3}},
        "type": "object",
        "properties": {"x": {"$ref": "#/definitions/a~1b", "minimum": 8}, "y": {"$ref": "#/nowhere"}},
        "required": ["x", "y"],
    }
    assert filled(schema) == {"x": 8, "y": "sample y"}


def test_all_of_puts_properties_together() -> None:
    part = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
    other = {"properties": {"b": {"type": "integer"}}, "required": ["b"]}
    assert filled({"allOf": [part, other]}) == {"a": "sample a", "b": 1}
