"""Names of tools and ids of calls on the wire: one that the API would refuse is sent as a valid alias."""

import hashlib
import re
from collections.abc import Iterable

from stepplan.requests import Tool

# The rule for names is in the tool-call reference of the Chat Completions page; ids are held to the same alphabet.
_LEGAL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def wire_name(name: str) -> str:
    """The name on the wire: the tool's own, or an alias that is always the same for this name."""
    if _LEGAL_NAME.fullmatch(name):
        return name
    return f"t_{_ILLEGAL.sub('_', name)[:48]}_{_digest(name)[:10]}"


def wire_id(id: str) -> str:
    """The id on the wire: the tool call's own, or an alias that is the same for the call and its result."""
    return id if _LEGAL_ID.fullmatch(id) else f"call_{_digest(id)[:24]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def original_names(tools: Iterable[Tool]) -> dict[str, str]:
    """Maps the aliases on the wire to the tools' own names; empty if all names are valid."""
    return {alias: tool.name for tool in tools if (alias := wire_name(tool.name)) != tool.name}
