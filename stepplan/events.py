"""The events that make up a streamed answer, and the accumulator that folds them into a response."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from stepplan.messages import Block, Reasoning, ServerToolCall, Text, ToolCall
from stepplan.responses import FinishReason, Response, Usage


@dataclass(frozen=True, slots=True)
class MessageStart:
    """The answer begins. Always the first event. The fields are those of `Response`."""

    id: str | None = None
    model: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text. `index` is the block's position in the message, counted across all kinds of block."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's reasoning: text, a piece of the block's signature, or the data of a redacted block."""

    index: int
    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The model begins a tool call. Ids are distinct within a message."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of a tool call's arguments: JSON text that may break off anywhere."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class ServerToolCalled:
    """The server ran one of its own tools. This is the whole block; no further event belongs to it."""

    index: int
    call: ServerToolCall


@dataclass(frozen=True, slots=True)
class Finish:
    """How the server ended an answer: the last event of a protocol's decoder. Clients turn it into `MessageEnd`.

    Attributes:
        finish_reason: Why the answer ended; `None` only for a whole answer that gives no reason.
        usage: Token counts; `None` if the server sent none.
        stop_sequence: The stop sequence that ended the answer, if the server reports it.
    """

    finish_reason: FinishReason | None
    usage: Usage | None = None
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The answer is complete. Always the last event. There is none if the answer broke off."""

    response: Response


Delta = TextDelta | ReasoningDelta | ToolCallStart | ToolCallDelta | ServerToolCalled
"""An event that adds to the answer's content."""

DecodedEvent = MessageStart | Delta | Finish
"""What a protocol's decoder gives."""

Event = MessageStart | Delta | MessageEnd
"""What a client gives."""


_NO_START = MessageStart()
_NO_FINISH = Finish(None)


class Accumulator:
    """Folds events into the response so far. Linear in the length of the answer."""

    def __init__(self) -> None:
        self._heads: dict[int, Text | Reasoning | ToolCall | ServerToolCall] = {}
        self._pieces: defaultdict[int, list[str]] = defaultdict(list)
        self._start = _NO_START
        self._finish = _NO_FINISH

    def add(self, event: DecodedEvent | MessageEnd) -> None:
        """Add one event."""
        match event:  # without positional patterns for the deltas: each would take as long as all else here
            case TextDelta():
                if event.index not in self._heads:
                    self._heads[event.index] = Text("")
                self._pieces[event.index].append(event.text)
            case ReasoningDelta():
                if event.index not in self._heads:
                    self._heads[event.index] = Reasoning("")
                self._pieces[event.index].append(event.text)
                if event.signature is not None or event.redacted is not None:
                    self._sign(event)
            case ToolCallStart(index, id, name):
                self._heads[index] = ToolCall(id, name, "")
            case ToolCallDelta():
                self._pieces[event.index].append(event.arguments)
            case ServerToolCalled(index, call):
                self._heads[index] = call
            case MessageStart():
                self._start = event
            case Finish():
                self._finish = event
            case MessageEnd(whole):
                self._finish = Finish(whole.finish_reason, whole.usage, whole.stop_sequence)
            case _:
                assert_never(event)

    def _sign(self, event: ReasoningDelta) -> None:
        head = self._heads[event.index]
        if isinstance(head, Reasoning):
            signature = head.signature if event.signature is None else (head.signature or "") + event.signature
            self._heads[event.index] = Reasoning("", signature, event.redacted or head.redacted)

    def _block(self, index: int) -> Block:
        head, pieces = self._heads[index], self._pieces[index]
        if len(pieces) > 1:  # kept joined, so that reading the response after every event stays cheap
            pieces[:] = ["".join(pieces)]
        text = pieces[0] if pieces else ""
        match head:
            case Text():
                return Text(text)
            case Reasoning(_, signature, redacted):
                return Reasoning(text, signature, redacted)
            case ToolCall(id, name):
                return ToolCall(id, name, text)
            case ServerToolCall():
                return head
            case _:
                assert_never(head)

    def response(self) -> Response:
        """The response so far; its `finish_reason` is `None` until the answer is whole."""
        return Response(
            content=tuple(self._block(index) for index in sorted(self._heads)),
            finish_reason=self._finish.finish_reason,
            usage=self._finish.usage,
            id=self._start.id,
            model=self._start.model,
            stop_sequence=self._finish.stop_sequence,
            trace_id=self._start.trace_id,
        )


def fold(events: Iterable[DecodedEvent | MessageEnd]) -> Response:
    """The response that these events amount to."""
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response()
