"""Messages, the Anthropic protocol: `POST /v1/messages`."""

from stepplan.protocols.anthropic.answers import decode, event_decoder
from stepplan.protocols.anthropic.requests import COUNT_TOKENS_PATH, HEADERS, PATH, encode, encode_count_tokens

__all__ = ["COUNT_TOKENS_PATH", "HEADERS", "PATH", "decode", "encode", "encode_count_tokens", "event_decoder"]
