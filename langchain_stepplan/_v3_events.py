"""LangChain's v3 events (`stream_events(version="v3")`), made from the core's events.

A block finishes as soon as nothing more can arrive for it, usually when the next one begins. LangChain's own bridge
from chunks finishes all blocks at the end of the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from langchain_stepplan._answers import sort_calls, to_kwargs, to_metadata, to_token_usage, to_usage_metadata
from langchain_stepplan._replay import PROVIDER
from langchain_stepplan._standard import reasoning_block, refusal, server_tool_blocks
from stepplan import (
    Event,
    MessageEnd,
    MessageStart,
    ProtocolName,
    ReasoningDelta,
    Response,
    ServerToolCalled,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    parse_arguments,
    wire_protocol,
)
from stepplan.integration.checks import LOGS, CallCheck

V3Event = dict[str, Any]


@dataclass(slots=True)
class _Open:
    """A block that has begun and may go on."""

    position: int
    kind: str
    call: tuple[str, str] = ("", "")
    signature: str | None = None
    redacted: str | None = None
    pieces: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class V3Events:
    """Turns the core's events of one answer into LangChain's.

    Args:
        protocol: Tells whether a reasoning block's signature may arrive after the next block has begun.
        check: What to do about calls that cannot be run.
    """

    def __init__(self, protocol: ProtocolName, check: CallCheck = LOGS) -> None:
        self._check = check
        self._late_signatures = wire_protocol(protocol).FACTS.late_signatures
        self._open: dict[int, _Open] = {}
        self._positions = 0

    def add(self, event: Event) -> list[V3Event]:
        """The events for this event.

        Raises:
            ResponseDecodeError: The event is the last, and the check raises it.
        """
        match event:
            case TextDelta():
                delta = {"type": "text-delta", "text": event.text}
                return self._go_on(event.index, "text", {"type": "text", "text": ""}, delta, event.text)
            case ReasoningDelta():
                return self._reason(event)
            case ToolCallStart(index, id, name):
                start = {"type": "tool_call_chunk", "id": id, "name": name, "args": "", "index": index}
                events = self._begin(index, "tool_call", start)
                self._open[index].call = (id, name)
                return events
            case ToolCallDelta(index, _) if index not in self._open:
                return []  # behind the JSON of a call that was whole, so that its block has finished
            case ToolCallDelta(index, arguments):
                return self._go_on(index, "tool_call", {}, {"type": "tool-call-delta", "args": arguments}, arguments)
            case ServerToolCalled(_, call):
                events = self._finish_blocks_before()
                return events + [event for block in server_tool_blocks(call) for event in self._whole_block(block)]
            case MessageStart():
                metadata = {"provider": PROVIDER} | ({"model": event.model} if event.model else {})
                # LangChain fills in the id of the run.
                return [{"event": "message-start", "role": "ai", "id": "", "metadata": metadata}]
            case MessageEnd(response):
                return self._end(response)
            case _:
                assert_never(event)

    def _reason(self, event: ReasoningDelta) -> list[V3Event]:
        index, text = event.index, event.text
        if event.redacted is not None:
            events = self._begin(index, "redacted", {"type": "non_standard", "value": {}})
            self._open[index].redacted = event.redacted
            return events
        delta = {"type": "reasoning-delta", "reasoning": text}
        events = self._go_on(index, "reasoning", {"type": "reasoning", "reasoning": ""}, delta, text)
        if event.signature is not None:
            block = self._open[index]
            block.signature = (block.signature or "") + event.signature
        return events

    def _begin(self, index: int, kind: str, skeleton: Mapping[str, Any]) -> list[V3Event]:
        events = self._finish_blocks_before()
        self._open[index] = _Open(self._positions, kind)
        self._positions += 1
        return [*events, {"event": "content-block-start", "index": self._positions - 1, "content": dict(skeleton)}]

    def _finish_blocks_before(self) -> list[V3Event]:
        """The ends of the blocks that are over now that another block begins. LangChain lists calls as they end."""
        events: list[V3Event] = []
        call_is_open = False
        for index, block in tuple(self._open.items()):
            is_call = block.kind == "tool_call"
            if self._is_over(block) and not (is_call and call_is_open):
                events.append(self._finish(index))
            else:
                call_is_open = call_is_open or is_call
        return events

    def _go_on(
        self, index: int, kind: str, skeleton: Mapping[str, Any], delta: Mapping[str, Any], text: str
    ) -> list[V3Event]:
        events = [] if index in self._open else self._begin(index, kind, skeleton)
        block = self._open[index]
        if text:
            block.pieces.append(text)
            events.append({"event": "content-block-delta", "index": block.position, "delta": delta})
        return events

    def _is_over(self, block: _Open) -> bool:
        """Whether nothing more can arrive for the block, now that another one begins."""
        if block.kind == "reasoning":
            return block.signature is not None or not self._late_signatures
        return block.kind != "tool_call" or (bool(block.call[1].strip()) and _is_whole(block.text))

    def _finish(self, index: int) -> V3Event:
        block = self._open.pop(index)
        match block.kind:
            case "text":
                content: dict[str, Any] = {"type": "text", "text": block.text}
            case "tool_call":
                id, name = block.call
                content = {"type": "tool_call", "id": id, "name": name, "args": parse_arguments(block.text)}
            case _:
                content = reasoning_block(block.text, block.signature, block.redacted)
        return {"event": "content-block-finish", "index": block.position, "content": content}

    def _whole_block(self, block: Mapping[str, Any]) -> list[V3Event]:
        index = self._positions
        self._positions += 1
        return [
            {"event": name, "index": index, "content": dict(block)}
            for name in ("content-block-start", "content-block-finish")
        ]

    def _end(self, response: Response) -> list[V3Event]:
        invalid = sort_calls(response.tool_calls)[1]
        faults = self._check.look(response)
        broken = {call["id"]: call for call in invalid}
        events: list[V3Event] = []
        for index, block in tuple(self._open.items()):
            if block.call[0] in broken:
                content = {**broken[block.call[0]], "type": "invalid_tool_call"}
                events.append({"event": "content-block-finish", "index": block.position, "content": content})
            else:
                events.append(self._finish(index))
        for withheld in refusal(response.finish_reason):
            events += self._whole_block(withheld)
        finish: V3Event = {
            "event": "message-finish",
            "metadata": to_metadata(
                model_name=response.model,
                id=response.id,
                trace_id=response.trace_id,
                finish_reason=response.finish_reason,
                stop_sequence=response.stop_sequence,
                token_usage=to_token_usage(response.usage),
                **faults,
            ),
            "finish_reason": response.finish_reason,
        }
        if (usage := to_usage_metadata(response.usage)) is not None:
            finish["usage"] = usage
        if kwargs := to_kwargs(response, v1=True):
            finish["additional_kwargs"] = kwargs
        return [*events, finish]


def _is_whole(arguments: str) -> bool:
    """Whether no delta can follow: the JSON is complete. Empty arguments may still grow."""
    try:
        parse_arguments(arguments)
    except ValueError:
        return False
    return bool(arguments.strip())
