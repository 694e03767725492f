"""Pages of what the load runs found."""

import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.peers.tables import Section, page, versions

FOLDER = Path(__file__).parents[2] / "docs" / "reports"


def write_report(
    name: str, title: str, introduction: str, sections: Iterable[Section], packages: Iterable[str] = ()
) -> None:
    """Print a page, and write it to `docs/reports/NAME.md`.

    Args:
        name: What `make extra WHAT=` calls the run.
        title: The page's title.
        introduction: What was done, and how it was measured.
        sections: The tables.
        packages: Packages whose versions matter, besides those that all runs use.
    """
    where = (
        f"Printed by `make extra WHAT={name}` on {datetime.now(UTC):%Y-%m-%d}, on {os.cpu_count()} cores, with "
        f"Python {platform.python_version()}."
    )
    used = versions(["httpx", "httpx-aiohttp", "langchain-core", "llama-index-core", *packages])
    text = page(title, f"{where} {used}\n\n{introduction.strip()}", sections)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text(text, "utf-8")
    sys.stdout.write(text)
