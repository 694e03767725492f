"""What the two protocols have in common: each is a module with these names."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from stepplan.sandbox.conversation import Conversation
from stepplan.sandbox.dialect import Dialect
from stepplan.sandbox.jsontools import JSON
from stepplan.sandbox.script import ToolCall, Turn, Usage

ProtocolName = Literal["openai", "anthropic"]

EPOCH = 1_790_303_487
"""The time of all answers: the same on every run."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A turn with everything that sending it needs.

    Attributes:
        turn: What is said.
        usage: What it cost.
        model: The model that was asked.
        dialect: The shapes to say it in.
        number: The how-manieth reply of the sandbox this is; all ids follow from it.
    """

    turn: Turn
    usage: Usage
    model: str
    dialect: Dialect
    number: int

    @property
    def created(self) -> int:
        """When the answer was made: a time, but the same on every run."""
        return EPOCH + self.number

    def hex(self, purpose: str, length: int) -> str:
        """Hex digits that look random, and are the same on every run."""
        return hashlib.sha256(f"{self.number}/{purpose}".encode()).hexdigest()[:length]

    def call_id(self, index: int, call: ToolCall) -> str:
        """The id of a tool call."""
        if call.id:
            return call.id
        if self.dialect.tool_ids == "call":
            return f"call_{self.hex(f'call {index}', 22)}"
        return f"chatcmpl-tool-{self.hex(f'call {index}', 16)}"


class Wire(Protocol):
    """One of the two protocols."""

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
        """What keeps a stream alive."""
        ...

    def check(self, body: JSON) -> None:
        """Refuse what only this protocol refuses."""
        ...

    def read(self, body: JSON) -> Conversation:
        """The request in neutral words."""
        ...

    def whole(self, reply: Reply) -> JSON:
        """The answer in one object."""
        ...

    def frames(self, reply: Reply) -> Iterator[bytes]:
        """The answer as events, one at a time."""
        ...

    def error_frame(self, error: Mapping[str, Any], shape: Literal["typed", "bare"]) -> bytes:
        """An error in the middle of a stream."""
        ...
