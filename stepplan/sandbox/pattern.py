"""Finds strings that match a regular expression."""

import random
import re
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

# The simplest example comes first, so it needs no shrinking. Nothing is stored.
_SETTINGS = settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    max_examples=1000,
)
_PRINTABLE_ASCII = st.characters(min_codepoint=32, max_codepoint=126)


def example(pattern: re.Pattern[str], accepts: Callable[[str], bool]) -> str | None:
    """The simplest string that matches the pattern and is accepted; `None` if none is found.

    The same pattern always gives the same string, of printable ASCII characters if they can match.
    """
    for alphabet in (_PRINTABLE_ASCII, None):
        try:
            return find(st.from_regex(pattern, alphabet=alphabet), accepts, settings=_SETTINGS, random=random.Random(0))
        except (HypothesisException, NotImplementedError):  # nothing matches, or a construct it does not know
            continue
    return None
