"""Which tool call a streamed piece belongs to, in Chat Completions.

Servers of the protocol disagree: the index may be missing, null or always 0, have gaps, or change with every piece; the
id may be repeated, left out, `""` or `"null"`, new with every piece, or shared by two calls; the name may be repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stepplan.events import ToolCallDelta, ToolCallStart
from stepplan.protocols._decoding import text, unique_id
from stepplan.responses import parse_arguments


@dataclass(slots=True)
class _Call:
    """One call while it arrives. It starts, and gets its index in the message, when its name is known."""

    wire_id: str
    wire_name: str = ""
    index: int | None = None
    pieces: list[str] = field(default_factory=list[str])

    def ends_before(self, name: str, arguments: str) -> bool:
        """Whether the piece starts a new call: its name differs, or this call's JSON is already complete."""
        if not (name and self.wire_name):
            return False
        return name != self.wire_name or (arguments.lstrip().startswith("{") and self._is_whole())

    def _is_whole(self) -> bool:
        if not (self.pieces and self.pieces[-1].rstrip().endswith("}")):
            return False
        try:
            parse_arguments("".join(self.pieces))
        except ValueError:
            return False
        return True


class StreamedCalls:
    """Sorts pieces of tool calls into calls with distinct ids."""

    def __init__(self, names: Mapping[str, str], indexes: Iterator[int]) -> None:
        """`names` maps names on the wire to the caller's; `indexes` numbers the message's blocks."""
        self._names = names
        self._indexes = indexes
        self._calls: list[_Call] = []
        self._by_key: dict[int | None, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._ids)

    def feed(self, piece: Mapping[str, Any]) -> list[ToolCallStart | ToolCallDelta]:
        """The events in one entry of `delta.tool_calls`."""
        function: dict[str, Any] = piece.get("function") or {}
        name = text(function.get("name") or "")
        arguments = text(function.get("arguments") or "")
        key, id = piece.get("index"), piece.get("id")
        id = id if isinstance(id, str) and id != "null" else ""
        call = self._find(key, id, name)
        if call is None or call.ends_before(name, arguments):
            call = self._open(key, id)
        call.wire_id = call.wire_id or id
        if arguments:
            call.pieces.append(arguments)
        if call.index is not None:
            return [ToolCallDelta(call.index, arguments)] if arguments else []
        return self._start(call, name) if name else []

    def flush(self) -> list[ToolCallStart | ToolCallDelta]:
        """Start the calls that have arguments but never got a name, so that they are reported as broken, not lost."""
        nameless = [call for call in self._calls if call.index is None and call.pieces]
        return [event for call in nameless for event in self._start(call, "")]

    def _find(self, key: int | None, id: str, name: str) -> _Call | None:
        by_key, by_id = self._by_key.get(key), self._by_id.get(id)
        if by_key and (not id or not by_key.wire_id or id == by_key.wire_id):
            return by_key
        if by_id and not (name and key is not None and by_key is None):  # otherwise it is a new call with an old id
            return by_id
        if name:
            return None
        if by_key or key is None or not id:  # an id may be new with every piece, an index missing
            return by_key or (self._calls[-1] if self._calls else None)
        return None

    def _open(self, key: int | None, id: str) -> _Call:
        call = _Call(id)
        self._calls.append(call)
        if key is not None:
            self._by_key[key] = call
        if id:
            self._by_id[id] = call
        return call

    def _start(self, call: _Call, name: str) -> list[ToolCallStart | ToolCallDelta]:
        call.wire_name, call.index = name, next(self._indexes)
        self._ids.add(id := unique_id(call.wire_id, self._ids))
        events: list[ToolCallStart | ToolCallDelta] = [ToolCallStart(call.index, id, self._names.get(name, name))]
        if call.pieces:
            events.append(ToolCallDelta(call.index, "".join(call.pieces)))
        return events
