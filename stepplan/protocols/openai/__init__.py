"""Chat Completions, the OpenAI protocol: `POST /v1/chat/completions`."""

from stepplan.protocols.openai.answers import decode, event_decoder
from stepplan.protocols.openai.requests import HEADERS, PATH, encode

__all__ = ["HEADERS", "PATH", "decode", "encode", "event_decoder"]
