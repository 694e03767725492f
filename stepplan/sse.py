"""Server-sent events: bytes in, events out. No I/O."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name (`message` if the server gave none) and its data."""

    event: str
    data: bytes


# The specification ends a line with CR LF, LF or CR and nothing else; str.splitlines also splits on U+2028 and more.
_LINE_END = re.compile(rb"\r\n|\n|\r")


class SSEDecoder:
    """Splits a stream of bytes, in pieces of any size, into events.

    Follows the WHATWG specification, "9.2.6 Interpreting an event stream": an event ends with a blank line; one
    without it is not an event. `id` and `retry` lines are for reconnecting, which an answer cannot do: skipped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._at_start = True
        self._event = ""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete."""
        if self._after_cr and data:
            # A line that ended with CR was handed on at once; an LF right after it belongs to the same line end.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if self._rest:
            data = self._rest + data
        if self._at_start:
            if data in (b"", b"\xef", b"\xef\xbb"):
                self._rest = data
                return []
            data = data.removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        lines = data.split(b"\n") if b"\r" not in data else _LINE_END.split(data)
        self._after_cr = data.endswith(b"\r")
        self._rest = lines.pop()
        events: list[ServerSentEvent] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data:
                    events.append(ServerSentEvent(self._event or "message", b"\n".join(self._data)))
                    self._data = []
                self._event = ""
            elif line.startswith(b"event:"):
                self._event = line[6:].decode("utf-8", "replace").removeprefix(" ")
            elif line == b"data":
                self._data.append(b"")
        return events
