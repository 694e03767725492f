"""The answers in `tests/fixtures`, by protocol and scenario."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepplan import PROTOCOLS, Event, ProtocolName, Request, Response, ToolCall, fold
from stepplan.sse import SSEDecoder

ROOT = Path(__file__).parent.parent / "fixtures"
_ENDINGS: dict[str, ProtocolName] = {"openai": "openai", "anthropic": "anthropic"}

ASKED = Request(messages=())
"""What the answers answer: nothing that reading them depends on."""


@dataclass(frozen=True)
class Answer:
    """One file; the protocol is named by its second last suffix."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def scenario(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def protocol(self) -> ProtocolName:
        return _ENDINGS[self.path.name.split(".")[-2]]

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    def response(self) -> Response:
        """What the file says, streamed or whole."""
        wire = PROTOCOLS[self.protocol]
        if self.path.suffix == ".json":
            body: dict[str, Any] = json.loads(self.data)
            return wire.decode(body, ASKED)
        return fold(decode([self.data], self.protocol))


def _answers(pattern: str) -> list[Answer]:
    return [Answer(path) for path in sorted(ROOT.glob(pattern))]


COMPOSED = _answers("composed/*.*.sse") + _answers("composed/*.*.json")
STREAMS = _answers("composed/*.sse") + _answers("recorded/*/*.sse")
FAILING = _answers("composed/errors/*.sse")


def decode(pieces: list[bytes], protocol: ProtocolName, request: Request = ASKED) -> list[Event]:
    """The events in the pieces of a stream."""
    sse, decoder = SSEDecoder(), PROTOCOLS[protocol].event_decoder(request)
    return [event for piece in pieces for sent in sse.feed(piece) for event in decoder.feed(sent)]


def essence(response: Response) -> dict[str, Any]:
    """A response without what the protocols cannot agree on: signatures, ids of answers, blanks in arguments."""
    parsed = iter(response.tool_calls)
    content: list[Any] = []
    for block in response.content:
        if isinstance(block, ToolCall):
            call = next(parsed)
            content.append((block.id, block.name, call.arguments, call.error is None or block.arguments))
        else:
            content.append((type(block).__name__, getattr(block, "text", None)))
    return {"content": content, "finish_reason": response.finish_reason, "usage": response.usage}
