"""The examples of docs/langchain.md run as they stand, against the sandbox."""

import re
from pathlib import Path

import langchain.chat_models.base as chat_models
import pytest

from stepplan.sandbox import Sandbox

_PAGE = (Path(__file__).parents[2] / "docs" / "langchain.md").read_text("utf-8")
_EXAMPLES = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


@pytest.mark.filterwarnings("ignore:The function `loads?` is in beta")
@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_runs_and_prints(
    example: str, plan: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    monkeypatch.setattr(chat_models, "_BUILTIN_PROVIDERS", dict(chat_models._BUILTIN_PROVIDERS))
    exec(compile(example, "langchain.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.strip()


def test_there_are_examples() -> None:
    assert len(_EXAMPLES) > 5
