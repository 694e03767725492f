"""The changes: mutmut's, and three more, of everything but texts for people, types and logs."""

import hashlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

cst: Any = importlib.import_module("libcst")
metadata: Any = importlib.import_module("libcst.metadata")
mutators: Any = importlib.import_module("mutmut.mutation.mutators")

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("stepplan", "langchain_stepplan", "llama_index_stepplan")


@dataclass(frozen=True)
class Place:
    """Where a node stands: the first line of its statement, the function around it, and the names it defines."""

    start: int = 1
    lines: range = range(0)
    around: range = range(0)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        lines: The lines whose tests are run.
        around: The lines of the function; none if it stands in no function.
        names: What is defined there; tests of the lines that use it are run if no test reaches `lines`.
        source: The whole file, as changed.
    """

    path: str
    line: int
    change: str
    lines: range
    around: range
    names: tuple[str, ...]
    source: str

    @property
    def id(self) -> str:
        """Changes with the file, but not with the tests."""
        return digest(self.path, self.source)


def digest(*texts: str) -> str:
    """A name for these texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def is_sentence(node: Any) -> bool:
    """Whether a node is text for people, which tests do not pin down to the letter."""
    if isinstance(node, cst.FormattedString | cst.ConcatenatedString):
        return any(is_sentence(child) for child in node.children)
    text = node.value if isinstance(node, cst.SimpleString | cst.FormattedStringText) else ""
    return " " in text or text.startswith('"""')


def is_left_out(node: Any) -> bool:
    """Whether nothing in the node is changed: types, texts, logs, and what only type checkers read."""
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom) or is_sentence(node):
        return True
    if isinstance(node, cst.FunctionDef):
        return node.name.value == "__repr__" or any(name_of(each) == "overload" for each in node.decorators)
    if isinstance(node, cst.If) and name_of(node.test) == "TYPE_CHECKING":
        return True
    called = name_of(node.func) if isinstance(node, cst.Call) else ""
    return called.startswith("logger.") or called in {"TypeVar", "ParamSpec", "assert_never", "warnings.warn"}


def name_of(node: Any) -> str:
    """A dotted name as text; empty for anything else."""
    if isinstance(node, cst.Decorator):
        return name_of(node.decorator)
    if isinstance(node, cst.Attribute):
        return f"{name_of(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def changes_of(node: Any) -> Iterator[Any]:
    """The nodes that may stand in this one's stead."""
    if isinstance(node, cst.If | cst.While | cst.CompIf) and not isinstance(node.test, cst.Comparison):
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.BaseString | cst.Ellipsis):
        yield cst.Pass()
    if isinstance(node, cst.Return) and node.value is not None and name_of(node.value) not in {"None", "False"}:
        yield node.with_changes(value=cst.Name("None"))
    if isinstance(node, cst.Assign | cst.AnnAssign) and node.value is not None and name_of(node.value) == "False":
        return  # None would do the same
    if isinstance(node, cst.Call) and name_of(node.func) in {"isinstance", "len", "cast", "super"}:
        return
    has_text = isinstance(node, cst.Call) and any(is_sentence(argument.value) for argument in node.args)
    for kind, operator in mutators.mutation_operators:
        if isinstance(node, kind) and not (has_text and operator is mutators.operator_arg_removal):
            yield from operator(node)


def walk(node: Any, place: Place, positions: Any) -> Iterator[tuple[Any, Any, int, Place]]:
    """Each change within a node: the node, what stands in its stead, its line and its place."""
    if is_left_out(node):
        return
    span = positions.get(node)
    line = span.start.line if span else place.start
    if isinstance(node, cst.FunctionDef):
        body = range(line + 1, span.end.line + 1)
        for child in node.params.children:
            yield from walk(child, replace(place, lines=body), positions)
        yield from walk(node.body, replace(place, around=place.around or body), positions)
        return
    if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement | cst.MatchCase):
        place = replace(place, start=line, lines=range(0))
    if isinstance(node, cst.Assign | cst.AnnAssign):
        targets = [each.target for each in node.targets] if isinstance(node, cst.Assign) else [node.target]
        place = replace(place, names=tuple(filter(None, map(name_of, targets))))
    for changed in changes_of(node):
        end = span.end.line if isinstance(node, cst.Match) else line
        yield node, changed, line, replace(place, lines=place.lines or range(place.start, end + 1))
    is_cast = isinstance(node, cst.Call) and name_of(node.func) == "cast"  # its first argument is a type
    for child in node.args[1:] if is_cast else node.children:
        yield from walk(child, place, positions)


def sample(count: int, seed: int) -> list[Mutant]:
    """Changes of that many lines, one of each.

    A line is drawn by a hash of its text, not by its number, so that a change elsewhere leaves the others as they are.
    """
    drawn: list[tuple[str, str, int, Any, list[tuple[Any, Any, Place]]]] = []
    for path in sources():
        name, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
        wrapper = metadata.MetadataWrapper(cst.parse_module(text))
        found: dict[int, list[tuple[Any, Any, Place]]] = {}
        for node, changed, line, place in walk(wrapper.module, Place(), wrapper.resolve(metadata.PositionProvider)):
            found.setdefault(line, []).append((node, changed, place))
        lines = text.splitlines()
        for line, options in found.items():
            lot = digest(str(seed), name, *lines[max(0, line - 2) : line + 1])
            drawn.append((lot, name, line, wrapper.module, options))
    mutants: list[Mutant] = []
    for lot, name, line, tree, options in sorted(drawn, key=lambda each: each[:3])[:count]:
        node, changed, place = options[int(lot, 16) % len(options)]
        source = tree.deep_replace(node, changed).code
        mutants.append(
            Mutant(name, line, difference(tree.code, source), place.lines, place.around, place.names, source)
        )
    return mutants


def difference(before: str, after: str) -> str:
    """The lines that differ, as `old -> new`."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return " -> ".join(" ".join(" ".join(lines).split()) or "(nothing)" for lines in (old, new))


@cache
def sources() -> tuple[Path, ...]:
    """The files of the packages."""
    return tuple(sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")))
