"""Legal names and ids: a tool name or call id that the API would refuse travels under an alias."""

import hashlib
import re
from collections.abc import Iterable

from stepplan.requests import Tool

# The rule for names is in the tool-call reference of the Chat Completions page; ids are held to the same alphabet.
_LEGAL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def wire_name(name: str) -> str:
    """A tool's name as the API takes it: itself, or an alias that is the same on every call."""
    if _LEGAL_NAME.fullmatch(name):
        return name
    return f"t_{_ILLEGAL.sub('_', name)[:48]}_{_digest(name)[:10]}"


def wire_id(id: str) -> str:
    """A tool call's id as the API takes it: itself, or an alias that is the same on call and result."""
    return id if _LEGAL_ID.fullmatch(id) else f"call_{_digest(id)[:24]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def original_names(tools: Iterable[Tool]) -> dict[str, str]:
    """From the aliases on the wire back to the names the caller gave; empty where all are legal."""
    return {alias: tool.name for tool in tools if (alias := wire_name(tool.name)) != tool.name}
