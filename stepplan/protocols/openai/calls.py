"""Which tool call a streamed piece belongs to, on Chat Completions.

Servers of the protocol disagree: the index may be missing, null or always 0, have gaps, or change with every piece; the
id may be repeated, left out, `""` or `"null"`, new with every piece, or shared by two calls; the name may be repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stepplan.events import Event, ToolCallDelta, ToolCallStart
from stepplan.protocols._decoding import text, unique_id
from stepplan.responses import parse_arguments


@dataclass(slots=True)
class _Call:
    """One call while it arrives. It is announced, and gets its index in the message, when its name is known."""

    wire_id: str
    wire_name: str = ""
    index: int | None = None
    pieces: list[str] = field(default_factory=list[str])

    def ends_before(self, name: str, arguments: str) -> bool:
        """Whether a piece that looks like one of this call begins another: by its name, or since this one is whole."""
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

    def __init__(self, names: Mapping[str, str], next_index: Callable[[], int]) -> None:
        """Names on the wire are mapped back through `names`; `next_index` numbers the message's blocks."""
        self._names = names
        self._next_index = next_index
        self._calls: list[_Call] = []
        self._by_key: dict[int | None, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._ids)

    def feed(self, piece: Mapping[str, Any]) -> list[Event]:
        """The events that one entry of `delta.tool_calls` brings."""
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
        return self._announce(call, name) if name else []

    def flush(self) -> list[Event]:
        """Announce the calls that got arguments but no name: the caller can still tell the model so."""
        nameless = [call for call in self._calls if call.index is None and call.pieces]
        return [event for call in nameless for event in self._announce(call, "")]

    def _find(self, key: int | None, id: str, name: str) -> _Call | None:
        by_key, by_id = self._by_key.get(key), self._by_id.get(id)
        if by_key and (not id or not by_key.wire_id or id == by_key.wire_id):
            return by_key
        if by_id and not (name and key is not None and by_key is None):  # else it is a new call with an old id
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

    def _announce(self, call: _Call, name: str) -> list[Event]:
        call.wire_name, call.index = name, self._next_index()
        self._ids.append(unique_id(call.wire_id, self._ids))
        events: list[Event] = [ToolCallStart(call.index, self._ids[-1], self._names.get(name, name))]
        if call.pieces:
            events.append(ToolCallDelta(call.index, "".join(call.pieces)))
        return events
