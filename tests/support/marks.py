"""Marks for tests of what the frameworks warn about or leave behind."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])

forced_choice_is_asked_for = pytest.mark.filterwarnings(
    "ignore:Messages does not document tool_choice:stepplan.StepPlanWarning"
)
"""For tests that force a tool call, which one of the protocols can only be asked for in words."""


agents_use_old_pydantic = pytest.mark.filterwarnings(
    "ignore::pydantic.warnings.PydanticDeprecationWarning", "ignore:is_running called from within a step"
)
"""For tests that make a LlamaIndex agent: it uses deprecated parts of Pydantic, and of its own workflow."""


def leaves_loops_open(test: F) -> F:
    """For tests in which LlamaIndex starts loops: it closes them without ending what lives in them, so their sockets
    wait for the garbage collector."""
    ignored = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
    marked: F = pytest.mark.usefixtures("forget_closed_loops")(ignored(test))
    return marked
