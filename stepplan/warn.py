"""Warnings that point at the user's own line."""

import inspect
import warnings
from types import FrameType
from typing import cast

from stepplan.errors import StepPlanWarning

# What may stand between the line that uses this project and the code that warns.
_NOT_THE_USERS = frozenset(
    {
        *("stepplan", "langchain_stepplan", "llama_index_stepplan", "pydantic"),
        *("langchain", "langchain_classic", "langchain_core", "langgraph", "langsmith", "deepagents"),
        *("llama_index", "llama_index_instrumentation", "workflows"),
        *("asyncio", "concurrent", "contextlib", "contextvars", "functools", "threading"),
    }
)
_given: set[str] = set()


def warn_user(message: str, *, repeat: bool = True) -> None:
    """Issue a `StepPlanWarning` at the innermost line that is neither ours nor a framework's.

    A stack level cannot be counted out, because the frameworks differ in how many frames they put in between, and
    `warnings.warn(skip_file_prefixes=...)` needs Python 3.12.

    Args:
        message: The text.
        repeat: False leaves the warning out if this process has issued it before.
    """
    if message in _given and not repeat:
        return
    _given.add(message)
    frame = _frame_of_user()
    warnings.warn_explicit(
        message,
        StepPlanWarning,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__", "<unknown>"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _frame_of_user() -> FrameType:
    """The innermost frame of the user's, or the outermost of all in a thread that holds none of theirs."""
    frame = cast("FrameType", inspect.currentframe())
    while frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USERS and frame.f_back is not None:
        frame = frame.f_back
    return frame
