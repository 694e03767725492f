"""The README's examples run as they stand, against the sandbox."""

import re
from pathlib import Path

import pytest

from stepplan.sandbox import Sandbox

_README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
_EXAMPLES = re.findall(r"^### (.+?)\n.*?```python\n(.*?)```", _README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", [pytest.param(code, id=title) for title, code in _EXAMPLES])
def test_readme_example_runs_and_prints(
    example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox() as plan:
        monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
        monkeypatch.setenv("STEP_API_KEY", plan.api_key)
        exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out.strip()


def test_readme_has_five_examples() -> None:
    assert len(_EXAMPLES) == 5
