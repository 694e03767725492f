"""Writes docs/reliability.md: each guarantee of guarantees.toml, with the tests that are marked as holding it.

`@pytest.mark.guarantees("a-name", ...)` marks a test, a class of tests, or with `pytestmark` a whole file.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
SECTIONS = ROOT / "docs" / "_reliability"
GUARANTEES = ROOT / "tests" / "guarantees.toml"

INTRODUCTION = """# Reliability

What you can rely on, and the tests that check it. Unless a sentence says otherwise, it holds over both protocols and in
both frameworks. `make test` runs all of these tests. To run one of them, pass its name to `.venv/bin/pytest`.

`make extra WHAT=reliability` writes this page from `tests/guarantees.toml` and from marks on the tests, and fails if a
guarantee has no test. Some runs take too long for `make test` and have reports of their own:
[10,000 prompts at once](reports/many.md), [20,000 calls with faults of every kind](reports/soak.md),
[a batch that is killed five times](reports/killed.md), [2,000 prompts on a Ray cluster](reports/ray.md), and
[ten minutes of fuzzing](reports/fuzz.md).
"""


def holders(files: dict[str, str]) -> dict[str, list[str]]:
    """The ids of the tests, classes and files that are marked, by the guarantee they hold; given sources by path."""
    found: dict[str, list[str]] = {}
    for path, source in sorted(files.items()):
        tree = ast.parse(source)
        marks = list(_marks(tree, path))
        for id, name in marks:
            found.setdefault(name, []).append(id)
        if len(marks) != sum(len(call.args) for node in ast.walk(tree) for call in _calls(node)):
            raise ValueError(f"{path}: a mark `guarantees` stands at something that is no test.")
    return found


def _marks(node: ast.AST, id: str) -> Iterator[tuple[str, str]]:
    """The id of each marked test, class or file, with each guarantee that it is marked with."""
    marked: list[ast.expr] = []
    body: list[ast.stmt] = []
    match node:
        case ast.Module():
            body = node.body
            marked = [
                statement.value
                for statement in body
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark"
            ]
        case ast.ClassDef(name=name) if name.startswith("Test"):
            id, body, marked = f"{id}::{name}", node.body, node.decorator_list
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
            id, marked = f"{id}::{name}", node.decorator_list
        case _:
            pass
    for call in (call for decorator in marked for inner in ast.walk(decorator) for call in _calls(inner)):
        yield from ((id, ast.literal_eval(argument)) for argument in call.args)
    for statement in body:
        yield from _marks(statement, id)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    match node:
        case ast.Call(func=ast.Attribute(attr="guarantees")):
            yield node
        case _:
            pass


def page(groups: dict[str, dict[str, str]], held: dict[str, list[str]], sections: list[str]) -> str:
    """The page. Raises ValueError for a guarantee without a test, and for a mark that names none."""
    names = [name for group in groups.values() for name in group]
    if without := [name for name in names if name not in held]:
        raise ValueError(f"No test is marked as holding {', '.join(without)}.")
    if unknown := [f"{name} ({held[name][0]})" for name in held if name not in names]:
        raise ValueError(f"guarantees.toml has no {', '.join(unknown)}.")
    parts = [INTRODUCTION]
    for title, group in groups.items():
        parts.append(f"## {title}\n")
        parts += [_entry(text, held[name]) for name, text in group.items()]
    return "\n".join([*parts, *sections])


def _entry(text: str, ids: list[str]) -> str:
    return "\n".join([f"- {text}", *(f"    - `{id}`" for id in ids), ""])


def current_page() -> str:
    """The page as the guarantees, the marks and the written sections are now."""
    known = tomllib.loads(GUARANTEES.read_text("utf-8"))
    tests = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in ROOT.glob("tests/**/test_*.py")}
    left_out = ["## Not guaranteed\n", *(f"- {text}" for text in known["not-guaranteed"].values())]
    written = [path.read_text("utf-8") for path in sorted(SECTIONS.glob("*.md"))]
    return page(known["guarantees"], holders(tests), ["\n".join([*left_out, ""]), *written])


if __name__ == "__main__":
    PAGE.write_text(current_page(), "utf-8")
