"""A model's profile: what it can do, over the protocol it is used with."""

from typing import Any, cast

from langchain_core.language_models import ModelProfile

from langchain_stepplan.data._profiles import PROFILES
from stepplan import ProtocolName

# Chat Completions documents `tool_choice`, `response_format` and video; Messages documents none of them.
_OF_PROTOCOL: dict[ProtocolName, dict[str, Any]] = {
    "openai": {"tool_choice": True, "structured_output": True, "mid_conversation_system_messages": True},
    "anthropic": {
        "tool_choice": False,
        "structured_output": False,
        "video_inputs": False,
        "mid_conversation_system_messages": False,
    },
}


def profile_of(model: str, protocol: ProtocolName) -> ModelProfile | None:
    """A copy of what is known of the model; `None` if nothing is."""
    known = PROFILES.get(model)
    return None if known is None else cast("ModelProfile", {**known, **_OF_PROTOCOL[protocol]})


PROFILE_KEYS = frozenset(key for known in (*PROFILES.values(), *_OF_PROTOCOL.values()) for key in known)
