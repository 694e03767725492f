"""What a streamed answer is made of: six events, and the accumulator that folds them into a response."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from stepplan.messages import Block, Reasoning, Text, ToolCall
from stepplan.responses import FinishReason, Response, Usage


@dataclass(frozen=True, slots=True)
class MessageStart:
    """An answer begins. Always the first event."""

    id: str | None = None
    model: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's words. `index` is the block's place in the message, numbered once across all kinds."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thinking, or what belongs to it: a piece of its signature, or redacted data."""

    index: int
    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The model begins to call a tool. Ids are distinct within a message."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call's arguments, as JSON text that may break off anywhere."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The answer is whole. Always the last event, and never invented: the wire sent it."""

    finish_reason: FinishReason
    usage: Usage | None = None
    stop_sequence: str | None = None


Event = MessageStart | TextDelta | ReasoningDelta | ToolCallStart | ToolCallDelta | MessageEnd


class Accumulator:
    """Folds events into the response so far. Linear in the length of the answer."""

    def __init__(self) -> None:
        self._start = MessageStart()
        self._heads: dict[int, Text | Reasoning | ToolCall] = {}
        self._pieces: dict[int, list[str]] = {}
        self._end: MessageEnd | None = None

    def add(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case TextDelta(index, text):
                self._heads.setdefault(index, Text(""))
                self._pieces.setdefault(index, []).append(text)
            case ReasoningDelta(index, text):
                head = self._heads.setdefault(index, Reasoning(""))
                self._pieces.setdefault(index, []).append(text)
                if isinstance(head, Reasoning) and (event.signature is not None or event.redacted is not None):
                    signature = head.signature if event.signature is None else (head.signature or "") + event.signature
                    self._heads[index] = Reasoning("", signature, event.redacted or head.redacted)
            case ToolCallStart(index, id, name):
                self._heads[index] = ToolCall(id, name, "")
            case ToolCallDelta(index, arguments):
                self._pieces.setdefault(index, []).append(arguments)
            case MessageStart():
                self._start = event
            case MessageEnd():
                self._end = event
            case _:
                assert_never(event)

    def blocks(self) -> tuple[Block, ...]:
        """The message's blocks so far, in their order."""
        return tuple(self._block(index) for index in sorted(self._heads))

    def _block(self, index: int) -> Block:
        head, pieces = self._heads[index], self._pieces.get(index, [])
        if len(pieces) > 1:  # joined once and kept joined, so that looking after every event stays cheap
            pieces[:] = ["".join(pieces)]
        text = pieces[0] if pieces else ""
        match head:
            case Text():
                return Text(text)
            case Reasoning(_, signature, redacted):
                return Reasoning(text, signature, redacted)
            case ToolCall(id, name):
                return ToolCall(id, name, text)
            case _:
                assert_never(head)

    def response(self) -> Response:
        """The response so far; its `finish_reason` is `None` until the answer is whole."""
        start, end = self._start, self._end
        return Response(
            content=self.blocks(),
            finish_reason=end.finish_reason if end else None,
            usage=end.usage if end else None,
            id=start.id,
            model=start.model,
            stop_sequence=end.stop_sequence if end else None,
            trace_id=start.trace_id,
        )


def fold(events: Iterable[Event]) -> Response:
    """The response that these events add up to."""
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response()
