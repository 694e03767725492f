"""What the modules of the two protocols have in common, and the values they work on."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from stepplan.sandbox.conversation import Conversation
from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.jsontools import JSON
from stepplan.sandbox.script import ServerToolCall, ToolCall, Turn, Usage

ProtocolName = Literal["openai", "anthropic"]

PREFIX = "/step_plan"
"""What every path of the plan starts with."""

_EPOCH = 1_790_303_487


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn with everything needed to send it.

    Attributes:
        turn: The content.
        usage: The token counts.
        model: The model that was asked.
        dialect: The shapes to send it in.
        number: The ordinal of this answer in the sandbox; all ids are derived from it.
    """

    turn: Turn
    usage: Usage
    model: str
    dialect: Dialect
    number: int

    @property
    def created(self) -> int:
        """A Unix time, the same in every run."""
        return _EPOCH + self.number

    def hex(self, purpose: str, length: int) -> str:
        """Hex digits that look random and are the same in every run."""
        return hashlib.sha256(f"{self.number}/{purpose}".encode()).hexdigest()[:length]

    def call_id(self, index: int, call: ToolCall) -> str:
        """The id of a tool call."""
        if call.id:
            return call.id
        if self.dialect.tool_ids == "call":
            return f"call_{self.hex(f'call {index}', 22)}"
        return f"chatcmpl-tool-{self.hex(f'call {index}', 16)}"

    def server_call_id(self, index: int, call: ServerToolCall) -> str:
        """The id of a call of a server tool."""
        return call.id or f"call_{self.hex(f'server call {index}', 22)}"


class ServerProtocol(Protocol):
    """The server's side of one wire protocol; a module with these names."""

    @property
    def NAME(self) -> ProtocolName:  # noqa: N802 - a constant of the module
        """The protocol's name."""
        ...

    @property
    def FIELDS(self) -> frozenset[str]:  # noqa: N802 - a constant of the module
        """The documented fields of a request."""
        ...

    @property
    def PING(self) -> bytes:  # noqa: N802 - a constant of the module
        """The bytes that keep a stream alive."""
        ...

    def check(self, body: JSON) -> None:
        """Refuse what this protocol refuses."""
        ...

    def read(self, body: JSON) -> Conversation:
        """The request, independent of the protocol."""
        ...

    def whole(self, answer: Answer) -> JSON:
        """The body of an answer that is not streamed."""
        ...

    def frames(self, answer: Answer) -> Iterator[bytes]:
        """The events of a streamed answer, one at a time."""
        ...

    def error_frame(self, error: Mapping[str, Any], shape: Literal["typed", "bare"]) -> bytes:
        """An error in the middle of a stream."""
        ...
