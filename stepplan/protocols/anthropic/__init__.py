"""Messages, the Anthropic protocol: `POST /v1/messages`."""

from stepplan.protocols.anthropic.answers import decode, event_decoder
from stepplan.protocols.anthropic.requests import FACTS, HEADERS, PATH, TOKEN_COUNTER, encode

__all__ = ["FACTS", "HEADERS", "PATH", "TOKEN_COUNTER", "decode", "encode", "event_decoder"]
