"""How deep JSON may be nested: the same on every Python, in what is read and in what is written."""

from typing import Any

import pytest

from stepplan.integration.objects import find_object
from stepplan.jsontext import argument_text, read_object, read_piece

TOO_DEEP = [201, 250, 2_000, 100_000]


def objects(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def arrays(depth: int) -> str:
    return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


def value(depth: int) -> dict[str, Any]:
    nested: Any = 1
    for _ in range(depth):
        nested = {"a": nested}
    return nested  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", [objects(200), arrays(200)], ids=["objects", "arrays"])
def test_what_can_be_read_can_be_written_and_read_again(text: str) -> None:
    found = read_object(text)
    assert read_piece(text.encode()) == found
    assert find_object(text) == found
    assert read_object(argument_text(found)) == found


@pytest.mark.guarantees("depth")
@pytest.mark.parametrize("depth", TOO_DEEP)
@pytest.mark.parametrize("nested", [objects, arrays])
# An escaped half of a surrogate pair and a raw control character send the text to the lenient parsers.
@pytest.mark.parametrize("odd", ["", r"\ud83d", "\n"])
def test_what_is_too_deep_is_not_read(depth: int, nested: Any, odd: str) -> None:
    text = f'{{"odd": "{odd}", "deep": {nested(depth)}}}'
    with pytest.raises(ValueError, match=r"recursion limit|nested deeper than 200 levels"):
        read_object(text)
    with pytest.raises(ValueError, match="nested deeper than 200 levels"):
        read_piece(text.encode())
    assert find_object(text) is None


@pytest.mark.guarantees("depth")
@pytest.mark.parametrize("depth", TOO_DEEP[:-1])
def test_what_could_not_be_read_again_is_not_written(depth: int) -> None:
    with pytest.raises(ValueError, match="nested deeper than 200 levels"):
        argument_text(value(depth))


def test_brackets_within_strings_are_not_levels() -> None:
    assert read_object(argument_text({"a": "{[" * 1_000})) == {"a": "{[" * 1_000}
