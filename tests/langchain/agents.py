"""`create_agent`, whose generics are not all filled in, as the strict type checkers can bear it."""

from collections.abc import Callable
from typing import Any

import langchain.agents

create_agent: Callable[..., Any] = langchain.agents.create_agent  # pyright: ignore[reportUnknownMemberType] - generics
