"""The answers in `tests/fixtures` by protocol, and what each scenario reads as."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepplan import (
    PROTOCOLS,
    DecodedEvent,
    Event,
    Finish,
    MessageEnd,
    ProtocolName,
    Reasoning,
    Request,
    Response,
    ServerToolCall,
    Text,
    ToolCall,
    Usage,
    fold,
)
from stepplan.answers import AnswerReader
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
        if self.path.suffix == ".json":
            return read(json.loads(self.data), self.protocol)
        return fold(decode([self.data], self.protocol))


def _answers(pattern: str) -> list[Answer]:
    return [Answer(path) for path in sorted(ROOT.glob(pattern))]


COMPOSED = _answers("composed/*.*.sse") + _answers("composed/*.*.json")
STREAMS = _answers("composed/*.sse") + _answers("recorded/*/*.sse")
FAILING = _answers("composed/errors/*.sse")
STREAM = (ROOT / "composed/text.openai.sse").read_bytes()
WHOLE = (ROOT / "composed/text.openai.json").read_bytes()
"""One answer, "Hello there.", streamed and whole."""


def decode(pieces: list[bytes], protocol: ProtocolName, request: Request = ASKED) -> list[Event]:
    """The events in the pieces of a stream."""
    sse, answer = SSEDecoder(), AnswerReader(PROTOCOLS[protocol], request)
    return [event for piece in pieces for sent in sse.feed(piece) for event in answer.feed(sent)]


def read(body: dict[str, Any], protocol: ProtocolName, request: Request = ASKED) -> Response:
    """The response in the body of a whole answer."""
    return AnswerReader(PROTOCOLS[protocol], request).read(body)


def completed(*decoded: DecodedEvent) -> tuple[Event, ...]:
    """The events that a client makes of what a protocol decoded: the last one carries the whole response."""
    return tuple(MessageEnd(fold(decoded)) if isinstance(event, Finish) else event for event in decoded)


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


PARIS = ToolCall("chatcmpl-tool-87f58e549286210a", "get_weather", '{"city": "Paris"}')
ROME = ToolCall("chatcmpl-tool-b0074817995fd49b", "get_weather", '{"city": "Rome"}')
NOW = ToolCall(PARIS.id, "now", "{}")
BEIJING = ToolCall(PARIS.id, "get_weather", '{"城市": "北京\u2028"}')
BROKEN = ToolCall(PARIS.id, "get_weather", '{"city": "Pa')
PAGE = {"index": 0, "url": "https://example.com", "title": "T", "summary": "It rains."}
FOUND = ServerToolCall("call_web", "web_search", '{"keyword": "weather"}', (PAGE,))
SCRIPTS = "你好，世界👩‍👩‍👧 🎉a\u2028b\u2029c\u0085d\x0be\x0cf"

SCENARIOS = {
    "text": Response((Text("Hello there."),), "stop", Usage(12, 3)),
    "uncounted": Response((Text("Hi."),), "stop", None),
    "reasoning": Response((Reasoning("2+2 is 4."), Text("4")), "stop", Usage(14, 8)),
    "tool_call": Response((Reasoning("Need the weather tool."), PARIS), "tool_calls", Usage(262, 21)),
    "parallel": Response((Text("Checking both."), PARIS, ROME), "tool_calls", Usage(281, 28)),
    "no_arguments": Response((NOW,), "tool_calls", Usage(90, 9)),
    "scripts": Response((Reasoning("想一想…"), Text(SCRIPTS), BEIJING), "tool_calls", Usage(33, 20)),
    "cut_off": Response((Reasoning("Let me think"),), "length", Usage(18, 16)),
    "cut_off_call": Response((BROKEN,), "length", Usage(70, 16)),
    "blocked": Response((Text("Partial"),), "content_filter", Usage(30, 1)),
    "empty": Response((), "stop", Usage(9, 1)),
    "cached": Response((Text("Yes."),), "stop", Usage(591, 2, cache_read_tokens=512)),
    "counted_reasoning": Response((Reasoning("Hm."), Text("Yes.")), "stop", Usage(8, 6, reasoning_tokens=4)),
    "searched": Response((FOUND, Text("It rains.")), "stop", Usage(40, 5)),
    "stop_sequence": Response((Text("One, two"),), "stop", Usage(20, 4), stop_sequence=", three"),
    "redacted": Response(
        (Reasoning("", redacted="EmwKAhgB"), Reasoning("", signature="c2ln"), Text("Yes.")), "stop", Usage(20, 4)
    ),
}
