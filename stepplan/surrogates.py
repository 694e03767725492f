r"""Joins characters that a stream cut in two.

JSON escapes a character beyond U+FFFF as the two halves of a surrogate pair, `\ud83d\ude00`. Servers put them in
different events, and models write one alone in the JSON text of arguments. A half without the other becomes U+FFFD.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from stepplan.events import DecodedEvent, Finish, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStart
from stepplan.jsontext import utf8

_WithText = TextDelta | ReasoningDelta | ToolCallDelta

_FIRST_HALF = re.compile("[\ud800-\udbff]\\Z")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<open>\\u[dD][89abAB][0-9a-fA-F]{2}(\\(u([dD]([c-fC-F][0-9a-fA-F]?)?)?)?)?\Z|\\(u[0-9a-fA-F]{0,3})?\Z)"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)
_WHOLE_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")


class SurrogatePairs:
    """A filter for the events of one answer."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[type[_WithText], str]] = {}  # the beginning of a character, by its block's index

    @staticmethod
    def may_begin(data: bytes) -> bool:
        """Whether an event with this data may cut a character in two, so that the filter is needed from here on."""
        # Nearly no event has a backslash, and one byte is found fastest.
        return b"\\" in data and (b"\\u" in data or b'\\\\"' in data)

    def feed(self, event: DecodedEvent) -> Iterator[DecodedEvent]:
        """The events that replace this one."""
        yield from map(self._end, self._left_by(event))
        match event:
            case ToolCallDelta(index, arguments):
                yield from self._read(index, ToolCallDelta, arguments)
            case TextDelta(index, text):
                yield from self._read(index, TextDelta, text)
            case ReasoningDelta(index, text):
                yield from self._read(index, ReasoningDelta, text)
                if event.signature is not None or event.redacted is not None:
                    yield replace(event, text="")
            case ToolCallStart(index, id, name):
                yield ToolCallStart(index, _valid(id), _valid(name))
            case _:
                yield event

    def flush(self) -> Iterator[DecodedEvent]:
        """What was held back, now that nothing can follow it."""
        return map(self._end, [*self._held])

    def _left_by(self, event: DecodedEvent) -> list[int]:
        """The blocks that this event ends. A call goes on, whatever comes between its deltas."""
        if isinstance(event, Finish):
            return [*self._held]
        if isinstance(event, ToolCallDelta):
            return []
        ours = getattr(event, "index", None)
        return [index for index, (kind, _) in self._held.items() if kind is not ToolCallDelta and index != ours]

    def _end(self, index: int) -> _WithText:
        """What was held back of a block."""
        kind, text = self._held.pop(index)
        return kind(index, _WHOLE_ESCAPE.sub(r"\\ufffd", _valid(text)))

    def _read(self, index: int, kind: type[_WithText], text: str) -> Iterator[DecodedEvent]:
        _, held = self._held.pop(index, (kind, ""))
        text = held + text
        begun = ""
        if first := _FIRST_HALF.search(text):
            text, begun = text[:-1], first[0]
        if kind is ToolCallDelta:
            text, begun = _join_escapes(text, begun)
        if begun:
            self._held[index] = (kind, begun)
        if text:
            yield kind(index, _valid(text))


def _join_escapes(text: str, begun: str) -> tuple[str, str]:
    """The text of arguments up to an escape that may be incomplete, and that escape."""

    def repair(found: re.Match[str]) -> str:
        nonlocal begun
        if found["open"] and not begun:
            begun = found["open"]
            return ""
        return r"\ufffd" if found["half"] else found[0]

    return _ESCAPE.sub(repair, text), begun


def _valid(text: str) -> str:
    return text if text.isascii() else utf8(text).decode()
