"""Streamed answers: events of the core -> chunks, each with the message so far."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from typing import Any, TypeVar

from llama_index.core.base.llms.types import ChatResponse, ContentBlock

from llama_index_stepplan._answers import Reading, to_chat_response
from llama_index_stepplan._replay import calls_kwargs, server_calls_kwargs, to_citations
from llama_index_stepplan._unvalidated import chunk, text_block, thinking_block, tool_call_block
from stepplan import (
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ServerToolCall,
    ServerToolCalled,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    parse_partial_arguments,
)
from stepplan.integration.raw import call_data

T = TypeVar("T")


class _Call:
    """A tool call while it arrives. It is shown again each time it has grown by 1/32, so the parsing is linear."""

    def __init__(self, start: ToolCallStart, position: int) -> None:
        self.position = position
        self._start = start
        self._pieces: list[str] = []
        self._length = 0
        self._next_length = 0
        self._show("", {})

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length < self._next_length:
            return
        self._next_length = self._length + self._length // 32
        arguments = "".join(self._pieces)
        self._pieces[:] = [arguments]
        self._show(arguments, parse_partial_arguments(arguments))

    def _show(self, arguments: str, parsed: dict[str, Any]) -> None:
        self.block = tool_call_block(self._start.id, self._start.name, parsed)
        self.data = call_data(self._start.id, self._start.name, arguments)


class ChunkBuilder:
    """Turns one answer's events into chunks.

    Every chunk's message is what has arrived so far; `delta` is the text that came with it, never `None`. Arguments of
    a tool call are shown as far as they can be parsed; over 32 characters, each time they have grown by 1/32.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._start = MessageStart()
        self._blocks: list[ContentBlock] = []
        self._positions: dict[int, int] = {}
        self._text_index: int | None = None
        self._text = ""
        self._thinking: dict[int, str] = {}
        self._calls: dict[int, _Call] = {}
        self._calls_data: list[dict[str, Any]] = []
        self._server_calls: list[ServerToolCall] = []
        self._citations: list[ContentBlock] = []

    def add(self, event: Event) -> ChatResponse | None:
        """The chunk for an event, or `None` if it adds nothing that a chunk shows.

        Raises:
            ResponseDecodeError: See `to_chat_response`.
        """
        match event:
            case TextDelta():
                return self._add_text(event)
            case ReasoningDelta():
                return self._add_thinking(event) if self._reading.thinking else None
            case ToolCallStart():
                return self._start_call(event)
            case ToolCallDelta():
                return self._add_arguments(event)
            case ServerToolCalled(_, call):
                return self._add_server_call(call)
            case MessageStart():
                self._start = event
                return None
            case MessageEnd(whole):
                response = to_chat_response(whole, self._reading)
                response.delta = ""
                return response

    def _add_text(self, event: TextDelta) -> ChatResponse:
        self._text += event.text
        if self._text_index is None:  # all text is in one block: LlamaIndex joins several with line breaks
            self._text_index = event.index
        self._put(self._text_index, text_block(self._text))
        return self._chunk({"content": event.text}, event.text)

    def _add_thinking(self, event: ReasoningDelta) -> ChatResponse | None:
        text = self._thinking.get(event.index, "") + event.text
        self._thinking[event.index] = text
        # Not marked as ours until it is whole: a part of it, without its signature, must not be sent back.
        self._put(event.index, thinking_block(text, None, {}))
        if not event.text:
            return None
        return self._chunk({"reasoning_content": event.text}, extra={"thinking_delta": event.text})

    def _start_call(self, event: ToolCallStart) -> ChatResponse | None:
        if self._calls and self._reading.request.parallel_tool_calls is False:
            return None
        call = self._calls[event.index] = _Call(event, len(self._calls))
        self._calls_data.append(call.data)
        self._put(event.index, call.block)
        return self._chunk({"tool_calls": [{"index": call.position, **call.data}]})

    def _add_arguments(self, event: ToolCallDelta) -> ChatResponse | None:
        call = self._calls.get(event.index)
        if call is None:
            return None
        call.add(event.arguments)
        self._calls_data[call.position] = call.data
        self._put(event.index, call.block)
        return self._chunk({"tool_calls": [{"index": call.position, "function": {"arguments": event.arguments}}]})

    def _add_server_call(self, call: ServerToolCall) -> ChatResponse:
        self._server_calls.append(call)
        self._citations += to_citations([call])
        return self._chunk({})

    def _put(self, index: int, block: ContentBlock) -> None:
        """Replace the block of this index, or add it."""
        if index in self._positions:
            self._blocks[self._positions[index]] = block
        else:
            self._positions[index] = len(self._blocks)
            self._blocks.append(block)

    def _chunk(self, delta: dict[str, Any], text: str = "", extra: dict[str, Any] | None = None) -> ChatResponse:
        raw = {
            "id": self._start.id,
            "object": "chat.completion.chunk",
            "model": self._start.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
        }
        # Copied, so that an earlier chunk stays as it was.
        kwargs = calls_kwargs(self._calls_data.copy()) | server_calls_kwargs(self._server_calls)
        return chunk(self._blocks + self._citations, kwargs, text, raw, extra or {})


def chunks(events: Generator[Event], builder: ChunkBuilder, shape: Callable[[ChatResponse], T]) -> Generator[T]:
    """The chunks of an answer, each converted by `shape`. Closing the generator closes the connection."""
    with closing(events):
        for event in events:
            if response := builder.add(event):
                yield shape(response)


class AsyncChunks(AsyncGenerator[T, None]):
    """`chunks`, for async events.

    A class, not an async generator: at shutdown a loop calls `aclose()` on all generators at once, and a nested one
    would be closed twice and raise `RuntimeError`.
    """

    def __init__(
        self, events: AsyncGenerator[Event], builder: ChunkBuilder, shape: Callable[[ChatResponse], T]
    ) -> None:
        self._events = events
        self._builder = builder
        self._shape = shape

    async def asend(self, value: None) -> T:
        """Returns the next chunk; `value` must be `None`."""
        while True:
            if response := self._builder.add(await self._events.asend(value)):
                return self._shape(response)

    async def athrow(self, *error: Any) -> T:
        """Raises an error where the events are waited for."""
        await self._events.athrow(*error)
        return await self.asend(None)

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._events.aclose()
