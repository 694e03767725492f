"""The table of docs/comparison-langchain.md: every feature, run on every chat model that is installed.

python -m tests.langchain.compare FILE
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from stepplan.sandbox import Sandbox
from tests.langchain.features import CONTENDERS, OURS, Contender, Feature, NotThereError
from tests.langchain.features.every import FEATURES

PACKAGES = ("langchain-core", "langchain-openai", "langchain-deepseek", "langchain-anthropic")


def cell(feature: Feature, contender: Contender) -> str:
    """What came of it, on a plan of its own."""
    with Sandbox() as plan, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            feature.check(contender, plan)
        except NotThereError as reason:
            return f"– {reason}"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the answer
            return f"no: {_brief(error)}".replace(plan.base_url, "…")
    return "yes"


def _brief(error: Exception) -> str:
    said = " ".join(str(error).split()).partition(" assert ")[0]
    if "Max retries exceeded" in said:
        return "it downloads a tokenizer"
    return (said[:60] or type(error).__name__).replace("|", "\\|")


def page(contenders: Sequence[Contender], cells: Mapping[str, Sequence[str]]) -> str:
    """The page, in Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# ChatStepPlan beside LangChain's own chat models",
        "",
        "Each cell is a test that `make compare-langchain` ran on the sandbox: `yes` if it passed, else what was seen",
        "instead. The peers are pointed at the same Step Plan, as their users do it. A dash: the protocol itself has",
        "it not. The tests are in `tests/langchain/features/`; those of ChatStepPlan are part of `make test`.",
        "",
        "Left out: what the plan does not document (log probabilities, citations, documents, sound, and marks for its",
        "cache, which works by itself), several answers to one question (`n`), of which a chain takes the first, and",
        "LangSmith's gateway, which is private to LangChain.",
        "",
        f"Versions: {versions}.",
    ]
    group = ""
    for row in FEATURES:
        if row.group != group:
            group = row.group
            names = " | ".join(contender.name for contender in contenders)
            lines += ["", f"| {group} | {names} |", "|---|" + "---|" * len(contenders)]
        lines.append(f"| {row.name} | {' | '.join(cells[row.name])} |")
    return "\n".join([*lines, ""])


def main(file: str) -> None:
    """Write the page.

    Raises:
        SystemExit: There is a row in which a peer works and this package does not.
    """
    contenders = [contender for contender in CONTENDERS if find_spec(contender.module)]
    cells = {row.name: [cell(row, contender) for contender in contenders] for row in FEATURES}
    Path(file).write_text(page(contenders, cells), "utf-8")
    ours = len(OURS)
    behind = [name for name, row in cells.items() if any(said.startswith("no") for said in row[:ours])]
    if behind:
        sys.exit(f"ChatStepPlan fails in: {', '.join(behind)}")


if __name__ == "__main__":
    main(sys.argv[1])
