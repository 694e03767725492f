"""Compare, and write the pages: `python -m tests.peers [langchain] [llama-index] [costs]`, by default all three."""

import sys
from pathlib import Path

from tests.peers.candidates import OURS, Framework, installed
from tests.peers.costs.page import costs_page
from tests.peers.every import FEATURES
from tests.peers.pages import features_page
from tests.peers.run import outcome

DOCS = Path(__file__).parents[2] / "docs"
PAGES: dict[Framework, str] = {"langchain": "comparison-langchain.md", "llama-index": "comparison-llamaindex.md"}


def compare(framework: Framework) -> None:
    """Try every feature on every candidate of a framework.

    Raises:
        SystemExit: A feature does not work with our own model.
    """
    features = [feature for feature in FEATURES if feature.framework == framework]
    candidates = installed(framework)
    results: dict[str, dict[str, str]] = {}
    for candidate in candidates:
        asked = [feature for feature in features if candidate.protocol not in feature.absent]
        results[candidate.name] = {feature.name: outcome(candidate, feature) for feature in asked}
        works = sum(not error for error in results[candidate.name].values())
        sys.stdout.write(f"{candidate.name}: {works} of {len(asked)}\n")
        sys.stdout.flush()
    (DOCS / PAGES[framework]).write_text(features_page(candidates, features, results), "utf-8")
    behind = {name for ours in OURS for name, error in results.get(ours.name, {}).items() if error}
    if behind:
        sys.exit(f"Ours fails in: {', '.join(sorted(behind))}")


def main(*chosen: str) -> None:
    """Write the pages that were chosen."""
    if unknown := set(chosen) - {*PAGES, "costs"}:
        sys.exit(f"There is no page {', '.join(sorted(unknown))}: choose of {', '.join([*PAGES, 'costs'])}.")
    for framework in PAGES:
        if not chosen or framework in chosen:
            compare(framework)
    if not chosen or "costs" in chosen:
        (DOCS / "performance.md").write_text(costs_page(), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
