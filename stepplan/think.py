"""Thinking that a server left among an answer's words: `<think>...</think>` at their beginning, made reasoning."""

from dataclasses import replace
from typing import Literal, Protocol

from stepplan.events import Event, MessageEnd, MessageStart, ReasoningDelta, TextDelta, fold
from stepplan.messages import Text
from stepplan.responses import Response
from stepplan.sse import ServerSentEvent

_OPEN, _CLOSE = "<think>", "</think>"


class _Decoder(Protocol):
    def feed(self, event: ServerSentEvent) -> list[Event]: ...


class SplittingDecoder:
    """Reads one streamed answer as another decoder does, and splits its words."""

    def __init__(self, decoder: _Decoder) -> None:
        self._decoder = decoder
        self._tags = _ThinkTags()

    def feed(self, event: ServerSentEvent) -> list[Event]:
        """The events that one server-sent event brings."""
        return [part for found in self._decoder.feed(event) for part in self._tags.feed(found)]


def split(response: Response) -> Response:
    """A whole answer with its words split."""
    match response.content:
        case (Text(words), *others):
            tags = _ThinkTags()
            parts = fold([*tags.feed(TextDelta(0, words)), *tags.flush()]).content
            return replace(response, content=(*parts, *others))
        case _:
            return response


class _ThinkTags:
    """Splits one answer, whose pieces may end anywhere in a tag.

    What is split off is one block more, so that the blocks behind it move up by one.
    """

    def __init__(self) -> None:
        self._state: Literal["before", "inside", "after", "over"] = "before"
        self._held: str = ""  # what may be a part of a tag
        self._shift = 0

    def feed(self, event: Event) -> list[Event]:
        """The events to hand on instead of this one."""
        if isinstance(event, MessageStart):
            return [event]
        if isinstance(event, TextDelta) and event.index == 0 and self._state != "over":
            return self._read(event.text)
        events = self.flush()
        return [*events, event if isinstance(event, MessageEnd) else replace(event, index=event.index + self._shift)]

    def flush(self) -> list[Event]:
        """What was held back, now that the tag it may have been a part of does not come."""
        state, held = self._state, self._held
        self._state, self._held = "over", ""
        if not held:
            return []
        return [ReasoningDelta(0, held) if state == "inside" else TextDelta(0, held)]

    def _read(self, text: str) -> list[Event]:
        text, self._held = self._held + text, ""
        events: list[Event] = []
        if self._state == "before":
            words = text.lstrip()
            if words != _OPEN and _OPEN.startswith(words):
                self._held = text
                return []
            if not words.startswith(_OPEN):
                self._state = "over"
                return [TextDelta(0, text)]
            self._state, self._shift, text = "inside", 1, words.removeprefix(_OPEN)
        if self._state == "inside":
            thought, closed, text = text.partition(_CLOSE)
            if not closed:
                held = max(length for length in range(len(_CLOSE)) if thought.endswith(_CLOSE[:length]))
                thought, self._held = thought[: len(thought) - held], thought[len(thought) - held :]
            if thought:
                events.append(ReasoningDelta(0, thought))
            if not closed:
                return events
            self._state = "after"
        if words := text.lstrip():
            self._state = "over"
            events.append(TextDelta(1, words))
        return events
