"""Signatures of the methods that frameworks call."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def signed(method: F) -> F:
    """The method, with its signature at hand: both frameworks look at it in every call, and Python would derive it."""
    setattr(method, "__signature__", inspect.signature(method))  # noqa: B010 - checkers do not know it of functions
    return method
