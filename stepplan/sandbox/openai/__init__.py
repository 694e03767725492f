"""The server's side of Chat Completions."""

from stepplan.sandbox.openai.answers import PING, error_frame, frames, whole
from stepplan.sandbox.openai.requests import FIELDS, NAME, check, read

__all__ = ["FIELDS", "NAME", "PING", "check", "error_frame", "frames", "read", "whole"]
