"""Markdown pages of tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Section:
    """A part of a page: a title if it has one, and Markdown."""

    title: str
    text: str


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column holds what the rows are about."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row([cell.replace("|", "\\|") for cell in row]) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {item}" for item in items)


def versions(packages: Iterable[str]) -> str:
    """The versions that were compared."""
    return f"Versions: {', '.join(f'{package} {version(package)}' for package in packages)}."


def page(title: str, introduction: str, sections: Iterable[Section]) -> str:
    """A page."""
    parts = [f"# {title}", introduction.strip()]
    for section in sections:
        parts += [f"## {section.title}", section.text] if section.title else [section.text]
    return "\n\n".join(parts) + "\n"
