"""The examples of docs/llamaindex.md run as they stand, against the sandbox."""

import re
from pathlib import Path

import pytest
from llama_index.core import Settings

from stepplan.sandbox import Sandbox
from tests.support.marks import agents_use_old_pydantic, leaves_loops_open

_PAGE = (Path(__file__).parents[2] / "docs" / "llamaindex.md").read_text("utf-8")
_EXAMPLES = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


# A chat engine's own memory keeps a database open.
@pytest.mark.filterwarnings("ignore:.*was deleted before being closed:ResourceWarning")
@leaves_loops_open
@agents_use_old_pydantic
@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_runs_and_prints(
    example: str, plan: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    monkeypatch.setattr(Settings, "_llm", None)
    exec(compile(example, "llamaindex.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.strip()


def test_there_are_examples() -> None:
    assert len(_EXAMPLES) > 5
