"""A hook of MkDocs: the notebooks, with their outputs, as pages of the docs site."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
LINK = re.compile(r"\((?:(?:\.\./)*notebooks/)?(\w+)\.ipynb\)")
"""A link to a notebook, from another one or from a page; both work on a code host too."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, and its images."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text, resources = MarkdownExporter().from_filename(str(path), {"unique_key": path.stem})
        pages = {f"{path.stem}.md": LINK.sub(r"(\1.md)", text), **resources["outputs"]}
        for name, content in pages.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Lead a page's links to notebooks to their pages."""
    return LINK.sub(r"(notebooks/\1.md)", markdown)
