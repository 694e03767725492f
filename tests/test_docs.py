"""Every Python example of the README and of the pages runs against the sandbox, and prints what its page shows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import langchain.chat_models.base as chat_models
import pytest
from llama_index.core import Settings

from stepplan import MODELS, PRICES, Price
from stepplan.sandbox import Sandbox
from tests.support.marks import agents_use_old_pydantic, leaves_loops_open

_ROOT = Path(__file__).parents[1]
_PAGES = [
    _ROOT / "README.md",
    *sorted((_ROOT / "docs").rglob("*.md")),
    *sorted(_ROOT.glob("distributions/*/README.md")),
]
_TRACER = re.compile(r"^(?:from|import) ((?:openinference|opentelemetry)[\w.]*)", re.MULTILINE)
_EXAMPLE = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"\n(?:(?! *```|#).*\n)*( *)```text\n((?s:.*?))\n\1```")
"""What a page says that the example above it prints: the next block of text, before another example or heading."""


def _examples() -> Iterator[Any]:
    for page in _PAGES:
        text = page.read_text("utf-8")
        name = page.relative_to(_ROOT).as_posix()
        for number, found in enumerate(_EXAMPLE.finditer(text), 1):
            indent, code = found.groups()
            # Run by tests/mcp, beside an MCP server, and by tests/tracing, in interpreters of their own.
            if "mcp" not in code and page.name != "tracing.md":
                example = re.sub(f"(?m)^{indent}", "", code)
                shown = _SHOWN.match(text, found.end())
                # The port that a page names may be taken.
                yield pytest.param(
                    re.sub(r"port=\d+", "port=0", example),
                    re.sub(f"(?m)^{indent}", "", shown[2]) if shown else "",
                    id=f"{name}-{number}",
                )


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """`llama_index.llms.stepplan` comes with a distribution that a checkout does not install."""
    monkeypatch.syspath_prepend(_ROOT / "distributions" / "llama-index-llms-stepplan")


# A chat engine's own memory keeps a database open.
@pytest.mark.guarantees("documented-examples")
@pytest.mark.filterwarnings("ignore:.*was deleted before being closed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:The function `loads?` is in beta")
@leaves_loops_open
@agents_use_old_pydantic
@pytest.mark.parametrize(("example", "shown"), list(_examples()))
def test_an_example_runs_and_prints_what_its_page_shows(
    example: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in _TRACER.findall(example):  # not installed beside the oldest and the newest frameworks
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda _: "")
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr(chat_models, "_BUILTIN_PROVIDERS", dict(chat_models._BUILTIN_PROVIDERS))
    with Sandbox() as plan:
        monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
        monkeypatch.setenv("STEP_API_KEY", plan.api_key)
        names: dict[str, Any] = {"__name__": "page"}
        exec(compile(example, "page.md", "exec"), names)
        tests = [value for name, value in names.items() if name.startswith("test_")]
        for test in tests:
            test(plan)
    printed = capsys.readouterr().out
    assert tests or printed.strip()
    assert shown in printed


def test_the_tables_list_every_model_and_every_price() -> None:
    models, prices = (_ROOT / "docs" / "index.md").read_text("utf-8").split("## Prices")
    assert re.findall(r"^\| `(.+?)` \|", models, re.MULTILINE) == list(MODELS)
    rows = re.findall(r"^\| `(.+?)` \| \$(.+) \| \$(.+) \| \$(.+) \|$", prices, re.MULTILINE)
    assert {name: Price(*map(float, dollars)) for name, *dollars in rows} == PRICES


def test_the_pages_have_examples() -> None:
    assert len(list(_examples())) > 40


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(_ROOT).as_posix()) for page in _PAGES])
def test_an_install_line_stands_above_a_pages_first_example(page: Path) -> None:
    """That it installs enough is what `make extra WHAT=pages` shows."""
    above, *examples = _EXAMPLE.split(page.read_text("utf-8"))
    assert not examples or re.search(r"(?m)^ *pip install ", above)


_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(_ROOT).as_posix()) for page in _PAGES])
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    missing = [link for link in _LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert missing == []
