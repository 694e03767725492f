"""Follow the pages as a reader does: install what their own lines install, and run their examples there.

An example gets a clean environment, made by the install lines above it on its page that are for its framework, and
nothing else; the sandbox answers. Examples with the same lines share one. Run by `make extra WHAT=pages`.
"""

import ast
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dist import CONSTRAINTS, ROOT, UV, build, clean_environment, run

from stepplan.sandbox import Sandbox

BLOCK = re.compile(r"^( *)```(sh|python)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INSTALL = re.compile(r"^\s*[%!]?pip install (?:-q )?(.+?)(?:\s+#.*)?$", re.MULTILINE)
FRAMEWORKS = ("langchain", "llama")
NOTEBOOK_HOST = ("ipykernel", "nbclient")
"""What whoever opens a notebook has."""


@dataclass(frozen=True, slots=True)
class Example:
    """A block of Python, or a notebook, with the requirements that its page asks the reader to install."""

    name: str
    code: str
    requirements: tuple[str, ...]


def main() -> None:
    """Run the examples of the pages that are named, or of all."""
    paths = [Path(name).resolve() for name in sys.argv[1:]] or all_pages()
    with tempfile.TemporaryDirectory(prefix="stepplan-pages-") as folder:
        reader = Reader(Path(folder))
        failed = [example.name for path in paths for example in examples(path) if not reader.follows(example)]
    if failed:
        raise SystemExit(f"These do not run after their page's install lines: {', '.join(failed)}")


def all_pages() -> list[Path]:
    """The README, the docs, the distributions' READMEs and the notebooks."""
    patterns = ("README.md", "docs/**/*.md", "distributions/*/README.md", "notebooks/*.ipynb")
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def examples(path: Path) -> Iterator[Example]:
    """The examples of a page, or the one that a notebook is."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = ("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
        lines = INSTALL.findall("\n".join(cells))
        yield Example(name, str(path), (*requirements(lines, ""), *NOTEBOOK_HOST))
        return
    lines, number = [], 0
    for indent, language, block in BLOCK.findall(text):
        code = re.sub(f"(?m)^{indent}", "", block)
        if language == "sh":
            lines += INSTALL.findall(code)
        else:
            number += 1
            yield Example(f"{name}-{number}", without_other_servers(code), requirements(lines, code))


def requirements(lines: list[str], code: str) -> tuple[str, ...]:
    """What the lines install, without those that are for the framework that the code does not use."""
    used = {name for name in FRAMEWORKS if name in code} or set(FRAMEWORKS)
    for_it = [line for line in lines if not (named := {name for name in FRAMEWORKS if name in line}) or named & used]
    return tuple(sorted({part for line in for_it for part in shlex.split(line)}))


def without_other_servers(code: str) -> str:
    """The code; of an example that needs an MCP server, the imports alone (`make extra WHAT=mcp` runs the rest)."""
    if "mcp" not in code:
        return code
    imports = [node for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(map(ast.unparse, imports))


class Reader:
    """Follows pages in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built = folder / "built"
        self._environments: dict[tuple[str, ...], Path] = {}
        build(self._built)

    def follows(self, example: Example) -> bool:
        """Whether the example runs after what its page says to install."""
        if not example.requirements:
            print(f"{example.name}: there is no install line above it")
            return False
        started = time.monotonic()
        python = self._python(example.requirements)
        installed = time.monotonic()
        with Sandbox() as plan:
            variables = {**clean_environment(), "STEP_BASE_URL": plan.base_url, "STEP_API_KEY": plan.api_key}
            done = subprocess.run(
                [python, *self._arguments(example)],
                cwd=self._folder,
                env=variables,
                input="\n",  # Enter, for an example that waits for it
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        seconds = f"{installed - started:.1f} s to install, {time.monotonic() - installed:.1f} s to run"
        print(f"{example.name}: {'runs' if done.returncode == 0 else 'FAILS'}, {seconds}", flush=True)
        if done.returncode:
            print(f"installed: {' '.join(example.requirements)}\n{done.stdout}{done.stderr}")
        return done.returncode == 0

    def _arguments(self, example: Example) -> list[str]:
        if example.name.endswith(".ipynb"):
            return ["-m", "jupyter", "execute", example.code, f"--output={self._folder / 'executed'}"]
        file = self._folder / "example.py"
        file.write_text(example.code, "utf-8")
        is_test = re.search(r"^def test_", example.code, re.MULTILINE)
        return ["-m", "pytest", "-q", str(file)] if is_test else [str(file)]

    def _python(self, wanted: tuple[str, ...]) -> Path:
        """The interpreter of the clean environment that holds this, and what it pulls in."""
        if wanted not in self._environments:
            environment = self._folder / f"environment-{len(self._environments)}"
            run(UV, "venv", "--quiet", "--python", sys.executable, environment)
            python = environment / "bin" / "python"
            install = (UV, "pip", "install", "--quiet", "--python", python, "--find-links", self._built)
            run(*install, "--constraints", CONSTRAINTS, *wanted)
            self._environments[wanted] = python
        return self._environments[wanted]


if __name__ == "__main__":
    main()
