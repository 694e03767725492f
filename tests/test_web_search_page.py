"""The examples of docs/web-search.md for StepFun's own tool run as they stand, against the sandbox.

Those for the MCP server are in `tests/mcp`.
"""

import re
from pathlib import Path

import pytest

from stepplan.sandbox import Sandbox

PAGE = (Path(__file__).parents[1] / "docs" / "web-search.md").read_text("utf-8")
EXAMPLES = [example for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "mcp" not in example]


@pytest.mark.parametrize("example", EXAMPLES, ids=["langchain", "llama_index"])
def test_an_example_searches_and_shows_its_sources(
    example: str, stepplan_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEP_BASE_URL", stepplan_sandbox.base_url)
    monkeypatch.setenv("STEP_API_KEY", stepplan_sandbox.api_key)
    # The distribution installs this name; in the repository it is `llama_index_stepplan`.
    here = example.replace("llama_index.llms.stepplan", "llama_index_stepplan")
    exec(compile(here, "web-search.md", "exec"), {"__name__": "page"})
    printed = capsys.readouterr().out
    assert "searched for" in printed
    assert "https://example.com/1" in printed
