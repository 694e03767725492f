"""Server-sent events: bytes in, events out. No I/O."""

import re
from dataclasses import dataclass


@dataclass(slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        event: Its name; `message` if the server gave none.
        data: Its `data:` lines, joined by line feeds.
    """

    event: str
    data: bytes


# The specification ends a line with CR LF, LF or CR and nothing else; str.splitlines also splits on U+2028 and more.
_LINE_END = re.compile(rb"\r\n|\n|\r")


class SSEDecoder:
    """Splits a stream of bytes, in pieces of any size, into events.

    Follows the WHATWG specification, "9.2.6 Interpreting an event stream": an event ends with a blank line, and is
    dropped without one. `id` and `retry` lines are skipped: they are for resuming a stream, which the API cannot do.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # pieces of a line that has not ended; joined once, so that this takes linear time
        self._after_cr = False
        self._at_start = True
        self._event = ""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete."""
        if self._after_cr and data:
            # The CR ended its line at once; an LF right after it belongs to the same line end.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        lines = _LINE_END.split(data) if b"\r" in data else data.split(b"\n")
        if self._rest and len(lines) > 1:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._rest = []
        if rest := lines.pop():
            self._rest.append(rest)
        if self._at_start and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        events: list[ServerSentEvent] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data:
                    events.append(ServerSentEvent(self._event or "message", b"\n".join(self._data)))
                    self._data.clear()
                self._event = ""
            elif line.startswith(b"event:"):
                self._event = line[6:].decode("utf-8", "replace").removeprefix(" ")
            elif line == b"data":
                self._data.append(b"")
        return events
