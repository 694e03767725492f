"""The notebooks were executed from top to bottom, without errors, and show nothing of the machine they ran on.

`make notebooks` executes them.
"""

import base64
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).parents[1] / "notebooks"
_NOTEBOOKS = [pytest.param(path, id=path.stem) for path in sorted(_FOLDER.glob("*.ipynb"))]
_PROVIDERS = {
    "av": "av",
    "langchain": "langchain",
    "langchain_core": "langchain-stepplan",
    "langchain_stepplan": "langchain-stepplan",
    "llama_index.core": "llama-index-llms-stepplan",
    "llama_index.llms": "llama-index-llms-stepplan",
    "llama_index.retrievers": "llama-index-retrievers-bm25",
    "matplotlib": "matplotlib",
}
"""What is imported, and the package that brings it."""
_OF_THE_MACHINE = re.compile(r"/(?:home|root|tmp|usr|work)/|site-packages|127\.0\.0\.1|localhost|index-url")
_BIGGEST = 50_000

Cell = dict[str, Any]


def cells(path: Path, kind: str) -> list[Cell]:
    found: list[Cell] = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def test_there_are_notebooks() -> None:
    assert len(_NOTEBOOKS) == 5


@pytest.mark.parametrize("path", _NOTEBOOKS)
def test_the_first_cell_installs_what_the_others_import(path: Path) -> None:
    """It is not executed here, where all of it is installed."""
    install, *others = cells(path, "code")
    assert install["metadata"]["tags"] == ["skip-execution"]
    assert not install["outputs"]
    pip, verb, quiet, *packages = shlex.split(source(install))
    assert (pip, verb, quiet) == ("%pip", "install", "-q")
    code = "\n".join(map(source, others))
    needed = {
        package
        for module, package in _PROVIDERS.items()
        if re.search(rf"^\s*(?:from|import) {re.escape(module)}[.\s]", code, re.MULTILINE)
    }
    assert needed == {package.partition("[")[0] for package in packages}
    assert "[sandbox]" in packages[0]


@pytest.mark.parametrize("path", _NOTEBOOKS)
def test_it_was_executed_in_order_without_errors(path: Path) -> None:
    _, *executed = cells(path, "code")
    assert [cell["execution_count"] for cell in executed] == list(range(1, len(executed) + 1))
    outputs = [output for cell in executed for output in cell["outputs"]]
    assert outputs
    assert [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    streams = [[output.get("name") for output in cell["outputs"]].count("stdout") for cell in executed]
    assert max(streams) == 1, "pieces of one stream are printed on lines of their own where they are not merged"
    assert [cell for cell in executed if "execution" in cell["metadata"]] == []  # times, which differ on every run


@pytest.mark.parametrize("path", _NOTEBOOKS)
def test_its_outputs_are_small_and_show_nothing_of_the_machine(path: Path) -> None:
    for output in (output for cell in cells(path, "code") for output in cell["outputs"]):
        data: dict[str, Any] = output.get("data", {})
        if image := data.get("image/png"):
            assert len(base64.b64decode(image)) < _BIGGEST
        shown = [*output.get("text", []), *data.get("text/plain", []), *data.get("text/html", [])]
        assert sum(map(len, shown)) < _BIGGEST
        assert _OF_THE_MACHINE.findall("".join(shown)) == []


@pytest.mark.parametrize("path", _NOTEBOOKS)
def test_its_links_lead_somewhere(path: Path) -> None:
    text = "\n".join(map(source, cells(path, "markdown")))
    assert text.startswith("# ")
    assert [link for link in re.findall(r"\]\((?!https?://)([^)]+)\)", text) if not (_FOLDER / link).exists()] == []
