"""Toy answers: `{"parts": [...], "why": finish_reason, "used": [input_tokens, output_tokens]}`.

A part is `["think", text]`, `["say", text]` or `["call", id, name, arguments]`. In a stream every part is an event of
its own, and `why` and `used` are the last one.
"""

from collections.abc import Mapping
from typing import Any

from stepplan import (
    DecodedEvent,
    Finish,
    MessageStart,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from stepplan.jsontext import read_object
from stepplan.sse import ServerSentEvent


def decode(body: Mapping[str, Any], request: Request) -> list[DecodedEvent]:
    decoder = event_decoder(request)
    events = [event for part in body["parts"] for event in decoder.read({"part": part})]
    return events + decoder.read({"why": body["why"], "used": body["used"]})


def event_decoder(_: Request) -> "ToyDecoder":
    return ToyDecoder()


class ToyDecoder:
    def __init__(self) -> None:
        self._index = -1

    def feed(self, event: ServerSentEvent) -> list[DecodedEvent]:
        return self.read(read_object(event.data))

    def end(self) -> list[DecodedEvent]:
        return []

    def read(self, frame: Mapping[str, Any]) -> list[DecodedEvent]:
        if "why" in frame:
            return [Finish(frame["why"], Usage(*frame["used"]))]
        self._index += 1
        events: list[DecodedEvent] = [MessageStart("toy-1", "toy-model")] if self._index == 0 else []
        match frame["part"]:
            case ["think", text]:
                return [*events, ReasoningDelta(self._index, text)]
            case ["say", text]:
                return [*events, TextDelta(self._index, text)]
            case [_, id, name, arguments]:
                return [*events, ToolCallStart(self._index, id, name), ToolCallDelta(self._index, arguments)]
            case part:
                raise ValueError(f"unknown part {part!r}")
