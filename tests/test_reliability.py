"""docs/reliability.md names the tests that hold each guarantee, and cannot name a guarantee without one."""

import re

import pytest

from tests.reliability import PAGE, current_page, holders, page

MARKED = """
import pytest

pytestmark = [pytest.mark.usefixtures("x"), pytest.mark.guarantees("of-file")]

@pytest.mark.guarantees("a", "b")
@pytest.mark.parametrize("x", [1])
async def test_one(x): ...

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.guarantees("b"))])
def test_two(x): ...

class TestThree:
    @pytest.mark.guarantees("a")
    def test_inside(self): ...
"""


def test_the_page_is_that_of_the_guarantees_and_the_marks_as_they_are() -> None:
    assert PAGE.read_text("utf-8") == current_page(), "run `make extra WHAT=reliability`"


def test_marks_are_found_wherever_pytest_finds_them() -> None:
    assert holders({"tests/test_x.py": MARKED}) == {
        "of-file": ["tests/test_x.py"],
        "a": ["tests/test_x.py::test_one", "tests/test_x.py::TestThree::test_inside"],
        "b": ["tests/test_x.py::test_one", "tests/test_x.py::test_two"],
    }


@pytest.mark.parametrize("decorated", ["def helper(): ...", "class Helper: ..."])
def test_a_mark_on_what_is_no_test_is_refused(decorated: str) -> None:
    with pytest.raises(ValueError, match=re.escape("tests/test_x.py: a mark `guarantees`")):
        holders({"tests/test_x.py": f"@pytest.mark.guarantees('a')\n{decorated}"})


def test_a_guarantee_without_a_test_is_refused() -> None:
    groups = {"Group": {"held": "One.", "unheld": "Two."}}
    assert page({"Group": {"held": "One."}}, {"held": ["t::x"]}, ["Three."]).endswith(
        "## Group\n\n- One.\n    - `t::x`\n\nThree."
    )
    with pytest.raises(ValueError, match="marked as holding unheld"):
        page(groups, {"held": ["t::x"]}, [])


def test_a_mark_that_names_no_guarantee_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has no other \(t::y\)"):
        page({"Group": {"held": "One."}}, {"held": ["t::x"], "other": ["t::y"]}, [])
