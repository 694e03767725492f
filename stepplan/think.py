"""Moves the reasoning that some servers leave in the text, as `<think>...</think>`, into reasoning.

A chat template may put the opening tag in the prompt, so that only `</think>` arrives. Text that begins without a tag
could then still turn out to be reasoning, so it is held back until the closing tag comes. If it never does, it is text.
"""

from dataclasses import replace
from typing import Literal

from stepplan.events import DecodedEvent, Finish, MessageStart, ReasoningDelta, TextDelta

OPENING, CLOSING = "<think>", "</think>"


class ThinkTags:
    """A filter for the events of one answer. A tag may be split between two events.

    Only the answer's first block is looked at, and only if it is text. Its reasoning becomes a block of its own, so the
    index of every later block goes up by one.
    """

    def __init__(self) -> None:
        self._state: Literal["start", "unopened", "inside", "after", "over"] = "start"
        self._held: list[str] = []
        self._tail = ""  # the end of what is held, where a tag may have begun
        self._shift = 0

    def feed(self, event: DecodedEvent) -> list[DecodedEvent]:
        """The events that replace this one."""
        if isinstance(event, MessageStart):
            return [event]
        if isinstance(event, TextDelta) and event.index == 0 and self._state != "over":
            return self._read(event.text)
        events = self.flush()
        return [*events, event if isinstance(event, Finish) else replace(event, index=event.index + self._shift)]

    def flush(self) -> list[DecodedEvent]:
        """The text that was held back, now that no tag can follow."""
        inside = self._state == "inside"
        self._state = "over"
        return self._reasoning(self._release()) if inside else self._text(self._release())

    def _read(self, text: str) -> list[DecodedEvent]:
        if self._state == "start":
            text = self._release() + text
            begin = text.lstrip()
            if begin.startswith(OPENING):
                self._state, text = "inside", begin.removeprefix(OPENING)
            elif OPENING.startswith(begin):
                return self._hold(text)
            else:
                self._state = "unopened"
        match self._state:
            case "unopened":
                return self._read_unopened(text)
            case "inside":
                return self._read_inside(self._release() + text)
            case _:
                return self._read_after(text)

    def _read_unopened(self, text: str) -> list[DecodedEvent]:
        seen = self._tail + text
        if CLOSING not in seen and OPENING not in seen:
            return self._hold(text)
        text = self._release() + text
        reasoning, closed, rest = text.partition(CLOSING)
        if not closed or OPENING in reasoning:
            self._state = "over"
            return self._text(text)
        self._state = "after"
        return [*self._reasoning(reasoning), *self._read_after(rest)]

    def _read_inside(self, text: str) -> list[DecodedEvent]:
        reasoning, closed, rest = text.partition(CLOSING)
        if closed:
            self._state = "after"
            return [*self._reasoning(reasoning), *self._read_after(rest)]
        held = max(length for length in range(len(CLOSING)) if text.endswith(CLOSING[:length]))
        self._hold(text[len(text) - held :])
        return self._reasoning(text[: len(text) - held])

    def _read_after(self, text: str) -> list[DecodedEvent]:
        if answer := text.lstrip():
            self._state = "over"
            return self._text(answer)
        return []

    def _hold(self, text: str) -> list[DecodedEvent]:
        self._held.append(text)
        self._tail = (self._tail + text)[-len(CLOSING) :]
        return []

    def _release(self) -> str:
        text = "".join(self._held)
        self._held, self._tail = [], ""
        return text

    def _reasoning(self, text: str) -> list[DecodedEvent]:
        if not text:
            return []
        self._shift = 1
        return [ReasoningDelta(0, text)]

    def _text(self, text: str) -> list[DecodedEvent]:
        return [TextDelta(self._shift, text)] if text else []
