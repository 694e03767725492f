"""Hold every class to every behavior, each pair in a process of its own, and print who does what.

Run by `make matrix`, once per environment: `python -m tests.llama_index.matrix.run RESULTS.json NAME...` adds what the
classes of these names do; `python -m tests.llama_index.matrix.run RESULTS.json --table FILE` writes the table.
"""

import importlib.metadata
import json
import multiprocessing
import sys
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stepplan.sandbox import Sandbox
from tests.llama_index.matrix import models, streams, tools
from tests.llama_index.matrix.bench import BEHAVIORS, Behavior, Bench, Candidate
from tests.llama_index.matrix.candidates import ACCEPTED, OTHERS, OURS

LISTED = (models, streams, tools)
"""Imported for what they put on the list."""

SECONDS = 90
PACKAGES = {"anthropic": "anthropic", "openai": "openai", "openai-like": "openai", "stepfun": "openai"}
"""Which SDK a class stands on."""


def check(candidate: Candidate, behavior: Behavior, results: Connection) -> None:
    """Runs in a process of its own."""
    warnings.simplefilter("ignore")
    try:
        with Sandbox(models=ACCEPTED) as plan:
            behavior.check(Bench(candidate, plan))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
        results.send(" ".join(traceback.format_exception_only(error)[-1].split())[:160])
    else:
        results.send("")


def outcome(candidate: Candidate, behavior: Behavior) -> str | None:
    """Empty if it holds, else what went wrong; `None` if the question does not arise."""
    if candidate.protocol not in behavior.protocols:
        return None
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=check, args=(candidate, behavior, sender))
    process.start()
    sender.close()
    try:
        said: str = receiver.recv() if receiver.poll(SECONDS) else f"no end after {SECONDS} s"
    except EOFError:
        said = "the process died"
    process.kill()
    process.join()
    return said


def title(candidate: Candidate) -> str:
    """The column's title, with the versions."""
    if candidate in OURS:
        return candidate.name
    sdk = PACKAGES[candidate.name]
    version = importlib.metadata.version(f"llama-index-llms-{candidate.name}")
    return f"{candidate.name} {version} ({sdk} {importlib.metadata.version(sdk)})"


def add(path: Path, names: list[str]) -> None:
    """Try the classes of these names, and keep what they did."""
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for candidate in (*OURS, *OTHERS):
        if candidate.name in names or (candidate in OURS and "stepplan" in names):
            column = {behavior.name: outcome(candidate, behavior) for behavior in BEHAVIORS}
            results[title(candidate)] = column
            held = sum(said == "" for said in column.values())
            sys.stdout.write(f"{title(candidate)}: {held} of {sum(s is not None for s in column.values())}\n")
            sys.stdout.flush()
            path.write_text(json.dumps(results))


MARKS = {"": "yes", None: "–"}


def table(results: dict[str, dict[str, str | None]]) -> str:
    """The results as a Markdown page: who does what, and what the others do instead."""
    columns = list(results)
    lines = [
        "# What LlamaIndex LLMs do, side by side",
        "",
        "Printed by `make matrix`: every class on the same server, each cell in a process of its own. “–” where the",
        "question does not arise on the class's protocol. The checks are in `tests/llama_index/matrix/`.",
        "",
        f"| behavior | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    lines += [
        f"| {behavior.name} | {' | '.join(MARKS.get(results[column][behavior.name], '**no**') for column in columns)} |"
        for behavior in BEHAVIORS
    ]
    totals = [
        f"{sum(said == '' for said in results[column].values())} of "
        f"{sum(said is not None for said in results[column].values())}"
        for column in columns
    ]
    lines += [f"| **held** | {' | '.join(totals)} |", "", "## What happens instead", ""]
    for column in columns:
        failures = {name: said for name, said in results[column].items() if said}
        if failures:
            lines += [f"### {column}", "", *(f"- {name}: `{said}`" for name, said in failures.items()), ""]
    return "\n".join(lines).rstrip() + "\n"


def main(path: str, *arguments: str) -> None:
    """Add to the results, or write them down and print them."""
    if arguments[0] == "--table":
        page = table(json.loads(Path(path).read_text()))
        Path(arguments[1]).write_text(page)
        sys.stdout.write(page)
    else:
        add(Path(path), list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
