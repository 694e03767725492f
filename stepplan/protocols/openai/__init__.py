"""Chat Completions, the OpenAI protocol: `POST /v1/chat/completions`."""

from stepplan.protocols.openai.answers import decode, event_decoder
from stepplan.protocols.openai.requests import FACTS, HEADERS, PATH, TOKEN_COUNTER, encode

__all__ = ["FACTS", "HEADERS", "PATH", "TOKEN_COUNTER", "decode", "encode", "event_decoder"]
