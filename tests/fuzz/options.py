"""Strategies of options: each one's name, with anything for its value."""

from typing import Any

from hypothesis import strategies as st

from stepplan.integration.options import CALL_OPTIONS
from stepplan.integration.spelling import ALIASES
from tests.fuzz.streams import ANYTHING

_TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
_LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "tools": st.just([_TOOL]) | st.lists(st.just(_TOOL) | ANYTHING, max_size=2),
    "tool_choice": st.sampled_from(["auto", "none", "any", "required", "look", True, False, _TOOL]),
    "response_format": st.sampled_from(["json_object", {"type": "json_object"}, {"type": "text"}, "text"]),
    "stop": st.lists(st.text(max_size=3), max_size=5),
    "reasoning_effort": st.sampled_from(["low", "medium", "high", "minimal", "HIGH"]),
}
_NUMBERS = st.integers(-1, 2**31) | st.floats() | st.decimals(allow_nan=False, places=2)
_OTHER_NAMES = {alias for alias, name in ALIASES.items() if name in CALL_OPTIONS}
_NAMES = sorted({*CALL_OPTIONS, *_OTHER_NAMES, "seed", "n", "temperatur", "functions"})


@st.composite
def given(draw: st.DrawFn) -> dict[str, Any]:
    """Up to two options, with values that are likely, numbers, or anything."""
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=2, unique=True))
    return {name: draw(_LIKELY.get(name, _NUMBERS) | _NUMBERS | ANYTHING) for name in names}
