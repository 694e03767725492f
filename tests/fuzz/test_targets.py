"""Each target in small; `make extra WHAT=fuzz` runs them for ten minutes."""

import pytest
from hypothesis import given, settings

from tests.fuzz.targets import SETTINGS, TARGETS, Target


@pytest.mark.guarantees("any-bytes", "odd-error-bodies")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))
def test_whatever_comes_in_what_comes_out_is_valid_or_an_error_of_ours(target: Target) -> None:
    @settings(SETTINGS, max_examples=100, derandomize=True, database=None)
    @given(target.inputs)
    def attempt(value: object) -> None:
        assert target.check(value)

    attempt()
