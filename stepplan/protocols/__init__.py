"""The wire protocols. To add one, add a package here and its line in `PROTOCOLS`."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from stepplan.arguments import shown
from stepplan.errors import InvalidRequestError
from stepplan.protocols import anthropic, openai
from stepplan.protocols.wire import EventDecoder, ProtocolFacts, TokenCounter, WireProtocol

__all__ = [
    "PROTOCOLS",
    "EventDecoder",
    "ProtocolFacts",
    "ProtocolName",
    "TokenCounter",
    "WireProtocol",
    "token_counter",
    "wire_protocol",
]


def _known(name: str) -> str:
    if name not in tuple(PROTOCOLS):  # a tuple, because `name` may be of any type
        raise InvalidRequestError(f"protocol={shown(name)} is unknown: use {' or '.join(map(repr, PROTOCOLS))}.")
    return name


if TYPE_CHECKING:  # so that checkers and editors know the names
    ProtocolName = Literal["openai", "anthropic"]
    """`openai` is Chat Completions, `anthropic` is Messages."""
else:
    ProtocolName = Annotated[str, AfterValidator(_known)]

PROTOCOLS: dict[ProtocolName, WireProtocol] = {
    "openai": openai,
    "anthropic": anthropic,
}
"""The wire protocols by name: Chat Completions and Messages."""


def wire_protocol(name: ProtocolName) -> WireProtocol:
    """The protocol of this name.

    Raises:
        InvalidRequestError: There is no such protocol.
    """
    _known(name)
    return PROTOCOLS[name]


def token_counter(name: ProtocolName) -> tuple[WireProtocol, TokenCounter]:
    """The protocol that counts tokens for requests over the named one: itself, or else the first that can.

    The plan documents an endpoint that counts for Messages only. Its count is one of the conversation and the tools,
    which are the same over every protocol.
    """
    wires = (wire_protocol(name), *PROTOCOLS.values())
    return next((wire, counter) for wire in wires if (counter := wire.TOKEN_COUNTER) is not None)
