"""A protocol that nobody speaks, as an example of what it takes to add one."""

from tests.support.toy_protocol.answers import decode, event_decoder
from tests.support.toy_protocol.requests import FACTS, HEADERS, PATH, TOKEN_COUNTER, encode

__all__ = ["FACTS", "HEADERS", "PATH", "TOKEN_COUNTER", "decode", "encode", "event_decoder"]
