"""The server's side of Messages."""

from stepplan.sandbox.anthropic.answers import PING, error_frame, frames, whole
from stepplan.sandbox.anthropic.requests import FIELDS, NAME, check, read

__all__ = ["FIELDS", "NAME", "PING", "check", "error_frame", "frames", "read", "whole"]
