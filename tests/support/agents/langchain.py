"""`create_agent`, whose generics are not all filled in, as the strict type checkers can bear it."""

from collections.abc import Callable
from typing import Any, cast

import langchain.agents
from langchain_core.messages import BaseMessage

create_agent: Callable[..., Any] = langchain.agents.create_agent


def ask(text: str) -> Any:
    """What an agent is given."""
    return {"messages": [("user", text)]}


def messages_of(state: Any) -> list[BaseMessage]:
    """The conversation in an agent's state."""
    return cast("list[BaseMessage]", state["messages"])
