"""A streamed answer: events of the core -> chunks, each with the message so far."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from typing import Any, TypeVar

from llama_index.core.base.llms.types import ChatResponse, ContentBlock

from llama_index_stepplan._answers import Reading, to_chat_response
from llama_index_stepplan._replay import call_data
from llama_index_stepplan._unvalidated import chunk, text_block, thinking_block, tool_call_block
from stepplan import (
    Accumulator,
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    parse_partial_arguments,
)

T = TypeVar("T")


class _Call:
    """A tool call while it arrives. Shown again only when it has grown by a part of itself: that keeps it linear."""

    def __init__(self, start: ToolCallStart, number: int) -> None:
        self._start = start
        self.number = number
        self._pieces: list[str] = []
        self._length = 0
        self._next = 0
        self.arguments = ""
        self.block = tool_call_block(start.id, start.name, {})

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length < self._next:
            return
        self._next = self._length + self._length // 32
        self.arguments = "".join(self._pieces)
        self._pieces[:] = [self.arguments]
        self.block = tool_call_block(self._start.id, self._start.name, parse_partial_arguments(self.arguments))

    def data(self) -> dict[str, Any]:
        return call_data(self._start.id, self._start.name, self.arguments)


class ChunkBuilder:
    """Turns one answer's events into chunks.

    Every chunk's message is what has arrived so far; `delta` is the text that came with it, never `None`. Arguments of
    a tool call are shown as far as they can be read; over 32 characters, when a further 1/32 of them has arrived.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._accumulator = Accumulator()
        self._start = MessageStart()
        self._blocks: list[ContentBlock] = []
        self._places: dict[int, int] = {}
        self._text_place: int | None = None
        self._text = ""
        self._reasoning: dict[int, str] = {}
        self._calls: dict[int, _Call] = {}

    def add(self, event: Event) -> ChatResponse | None:
        """The chunk that an event brings, if it brings one.

        Raises:
            ResponseDecodeError: See `to_chat_response`.
        """
        self._accumulator.add(event)
        match event:
            case TextDelta():
                return self._add_text(event)
            case ReasoningDelta():
                return self._add_reasoning(event) if self._reading.thinking else None
            case ToolCallStart():
                if self._calls and self._reading.request.parallel_tool_calls is False:
                    return None
                self._calls[event.index] = call = _Call(event, len(self._calls))
                self._put(event.index, call.block)
                return self._chunk({"tool_calls": [{"index": call.number, **call.data()}]})
            case ToolCallDelta():
                return self._add_arguments(event)
            case MessageStart():
                self._start = event
                return None
            case MessageEnd():
                response = to_chat_response(self._accumulator.response(), self._reading)
                response.delta = ""
                return response

    def _add_text(self, event: TextDelta) -> ChatResponse:
        self._text += event.text
        if self._text_place is None:
            self._text_place = event.index
        self._put(self._text_place, text_block(self._text))
        return self._chunk({"content": event.text}, event.text)

    def _add_reasoning(self, event: ReasoningDelta) -> ChatResponse | None:
        text = self._reasoning.get(event.index, "") + event.text
        self._reasoning[event.index] = text
        # Not marked as ours before it is whole: half of it, without its signature, must not be sent back.
        self._put(event.index, thinking_block(text, None, {}))
        if not event.text:
            return None
        return self._chunk({"reasoning_content": event.text}, extra={"thinking_delta": event.text})

    def _add_arguments(self, event: ToolCallDelta) -> ChatResponse | None:
        call = self._calls.get(event.index)
        if call is None:
            return None
        call.add(event.arguments)
        self._put(event.index, call.block)
        return self._chunk({"tool_calls": [{"index": call.number, "function": {"arguments": event.arguments}}]})

    def _put(self, index: int, block: ContentBlock) -> None:
        """Replace a block, or add it. The list of an earlier chunk stays as it was."""
        place = self._places.setdefault(index, len(self._blocks))
        self._blocks = [*self._blocks[:place], block, *self._blocks[place + 1 :]]

    def _chunk(self, delta: dict[str, Any], text: str = "", extra: dict[str, Any] | None = None) -> ChatResponse:
        kwargs: dict[str, Any] = {}
        if self._calls:
            kwargs["tool_calls"] = [call.data() for call in self._calls.values()]
        raw = {
            "id": self._start.id,
            "object": "chat.completion.chunk",
            "model": self._start.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
        }
        return chunk(self._blocks, kwargs, text, raw, extra or {})


def chunks(events: Generator[Event], builder: ChunkBuilder, shape: Callable[[ChatResponse], T]) -> Generator[T]:
    """The chunks of an answer, each put in `shape`. Closing this closes the connection."""
    with closing(events):
        for event in events:
            if response := builder.add(event):
                yield shape(response)


class AsyncChunks(AsyncGenerator[T, None]):
    """`chunks`, for async events.

    Not a generator itself: an event loop that ends closes all its generators at once, and one that is closed both by
    itself and by the one around it complains.
    """

    def __init__(
        self, events: AsyncGenerator[Event], builder: ChunkBuilder, shape: Callable[[ChatResponse], T]
    ) -> None:
        self._events = events
        self._builder = builder
        self._shape = shape

    async def asend(self, value: None) -> T:
        """The next chunk; nothing can be sent in."""
        while True:
            if response := self._builder.add(await self._events.asend(value)):
                return self._shape(response)

    async def athrow(self, *error: Any) -> T:
        """Let the events fail."""
        await self._events.athrow(*error)
        return await self.asend(None)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._events.aclose()
