"""The wire protocols. A further one is a folder here and a line in `PROTOCOLS`."""

from collections.abc import Mapping
from typing import Literal

from stepplan.protocols import anthropic, openai
from stepplan.protocols.wire import EventDecoder, WireProtocol

__all__ = ["PROTOCOLS", "EventDecoder", "ProtocolName", "WireProtocol"]

ProtocolName = Literal["openai", "anthropic"]

PROTOCOLS: Mapping[ProtocolName, WireProtocol] = {"openai": openai, "anthropic": anthropic}
