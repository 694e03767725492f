"""Mutation tests: change one place of the code at a time, and see whether a test fails: `make extra WHAT=mutants`.

Of all lines that can be changed, SEED chooses COUNT, and one change of each. First every test file is run once, to see
which tests reach which lines. A change then runs the tests that reach its line, the most specific first. What was found
is kept in .mutants, so that a run that was ended goes on; survivors are tried again, as there may be new tests.
"""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from changes import ROOT, Mutant, digest, sample, sources
from running import LONGEST, forked, import_frameworks, killer_of, reach_of

T = TypeVar("T")

STATE = ROOT / ".mutants"
RESULTS = STATE / "results.jsonl"
REPORT = ROOT / "docs" / "_reliability" / "mutants.md"
EXPLAINED = Path(__file__).with_name("explained.toml")
SEED, COUNT = int(os.environ.get("SEED") or 1), int(os.environ.get("COUNT") or 300)
NEEDED = 0.97
"""The share of changes that a test notices, or that are explained."""
PAGE = """## Tests that can fail

`{command}` changed one place on each of {count} lines of `stepplan/`, `langchain_stepplan/` and
`llama_index_stepplan/`, drawn by chance from commit {commit}, with the operators of
[mutmut](https://mutmut.readthedocs.io) and three more, and ran the tests that reach the line. Tests failed for {killed}
of the changes. {explained} others make no difference that these tests could see, for the reasons below, which leaves
{left}: of the changes that matter, {rate:.1%} were noticed.

| file | change | why no test fails |
|---|---|---|
"""
FIRST = 12
"""How many tests are run at first."""
END = time.monotonic() + 2 * 3600


class Reach:
    """Which tests reach which lines."""

    def __init__(self, tests: list[dict[str, Any]]) -> None:
        self._tests = tests
        self._of_line: dict[tuple[str, int], list[int]] = {}
        for index, test in enumerate(tests):
            for path, lines in test["lines"].items():
                for line in lines:
                    self._of_line.setdefault((path, line), []).append(index)

    def tests_of(self, mutant: Mutant) -> list[dict[str, Any]]:
        """The tests for a change, the most specific and quickest first.

        What runs while a module is imported, as a constant does, is reached at most by the test that happened to be
        the first to import it. The tests of the lines that use its name come next, then those that reach the file, and
        those that reach nothing, but look at it.
        """
        order = self._sorted(self._at((mutant.path, line) for line in mutant.lines))
        if mutant.around:  # another test of the function may have a case that reaches the line
            order[FIRST:] = self._sorted(self._at((mutant.path, line) for line in mutant.around))
        else:
            order += self._sorted(self._at(self._uses(mutant.names)))
            order += self._sorted(index for index, test in enumerate(self._tests) if mutant.path in test["lines"])
            order += self._sorted(index for index, test in enumerate(self._tests) if not test["lines"])
        return [self._tests[index] for index in dict.fromkeys(order)]

    def _sorted(self, found: Iterable[int]) -> list[int]:
        return sorted(found, key=lambda index: _cost(self._tests[index]))

    def _at(self, lines: Iterator[tuple[str, int]]) -> set[int]:
        return {index for line in lines for index in self._of_line.get(line, ())}

    def _uses(self, names: Sequence[str]) -> Iterator[tuple[str, int]]:
        words = [re.compile(rf"\b{name.rpartition('.')[2]}\b") for name in names]
        for path, lines in self._texts.items():
            yield from ((path, number) for number, line in enumerate(lines, 1) if any(w.search(line) for w in words))

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8").splitlines() for path in sources()}


def _cost(test: dict[str, Any]) -> float:
    return float(sum(map(len, test["lines"].values())) * (0.1 + test["seconds"] * test["count"]))


def share(jobs: Sequence[T], work: Callable[[T], object]) -> None:
    """Does the jobs in as many processes as WORKERS says, for two hours at most."""
    number = int(os.environ.get("WORKERS") or 1)
    workers: list[int] = []
    for first in range(number):
        if (child := os.fork()) == 0:
            for job in jobs[first::number]:
                if time.monotonic() < END:
                    work(job)
            os._exit(0)
        workers.append(child)
    if sum(os.waitpid(child, 0)[1] for child in workers):
        sys.exit("A worker ended before its time: what it found is kept, run this again.")


def measured() -> Reach:
    """Runs each test file that has changed, or all if the code has."""
    code = digest(*(path.read_text("utf-8") for path in sources()))
    files = {path: STATE / f"{digest(code, path.read_text('utf-8'))}.json" for path in ROOT.glob("tests/**/test_*.py")}

    def measure(path: Path) -> None:
        rows = forked(lambda: reach_of(path.relative_to(ROOT).as_posix()), 1800)
        print(f"{path.relative_to(ROOT)}: {len(rows or ())} tests", flush=True)
        files[path].write_text(json.dumps(rows or []), "utf-8")

    share([path for path, kept in sorted(files.items()) if not kept.exists()], measure)
    return Reach([test for kept in files.values() if kept.exists() for test in json.loads(kept.read_text("utf-8"))])


def _stages(tests: list[dict[str, Any]]) -> Iterator[list[str]]:
    """The most specific tests alone, as it takes time to collect the others; some cases of all; all cases."""
    yield [case for test in tests[:FIRST] for case in test["cases"]]
    some = [len(test["cases"]) * test["seconds"] for test in tests]
    yield [case for test in _affordable(tests, some) for case in test["cases"]]
    every = [test["count"] * test["seconds"] for test in tests]
    yield [test["id"] for test in _affordable(tests, every) if test["count"] > len(test["cases"])]


def _affordable(tests: list[dict[str, Any]], seconds: list[float]) -> list[dict[str, Any]]:
    return [test for test, so_far in zip(tests, accumulate(seconds), strict=True) if so_far < LONGEST]


def try_out(mutant: Mutant, reach: Reach) -> None:
    """Runs its tests, the most specific first, and keeps what was found."""
    start = time.monotonic()
    tests = reach.tests_of(mutant)
    killer = ""
    for stage in _stages(tests):
        killer = killer or killer_of(mutant, stage)
    row = {"id": mutant.id, "killer": killer, "tests": len(tests), "seconds": round(time.monotonic() - start, 1)}
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(json.dumps(row) + "\n")
    print(f"{killer or 'SURVIVED'}  <-  {mutant.path}:{mutant.line}: {mutant.change}", flush=True)


def results() -> dict[str, dict[str, Any]]:
    """What is known of each change, by its id."""
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else ""
    return {row["id"]: row for row in map(json.loads, text.splitlines())}


def report(mutants: list[Mutant], found: dict[str, dict[str, Any]]) -> bool:
    """Writes the page, prints it, and tells whether enough changes were noticed."""
    known = tomllib.loads(EXPLAINED.read_text("utf-8"))["explained"]
    reasons = {(each["path"], each["change"]): each["reason"] for each in known}
    survivors = [mutant for mutant in mutants if not found[mutant.id]["killer"]]
    rows = [(mutant, reasons.get((mutant.path, mutant.change), "")) for mutant in survivors]
    left = [mutant for mutant, reason in rows if not reason]
    commit = subprocess.check_output(("git", "rev-parse", "--short", "HEAD"), text=True)  # noqa: S607
    killed = len(mutants) - len(survivors)
    text = PAGE.format(
        command=f"make extra WHAT=mutants SEED={SEED} COUNT={COUNT}",
        commit=commit.strip(),
        count=len(mutants),
        killed=killed,
        rate=killed / (len(mutants) - len(survivors) + len(left) or 1),
        explained=len(survivors) - len(left),
        left=len(left),
    )
    cell = str.maketrans({"|": "\\|", "`": "'"})
    for mutant, reason in rows:
        text += f"| `{mutant.path}` | `{mutant.change.translate(cell)}` | {reason or '**a test is missing**'} |\n"
    print(text, "Not noticed:", *(f"{mutant.path}:{mutant.line}: {mutant.change}" for mutant in left), sep="\n")
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text, "utf-8")
    return killed + len(survivors) - len(left) >= NEEDED * len(mutants)


def main() -> None:
    """See above."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ |= {"CI": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(STATE / "hypothesis")}
    STATE.mkdir(exist_ok=True)
    mutants = sample(COUNT, SEED)
    import_frameworks()
    reach = measured()
    killed = {id for id, row in results().items() if row["killer"]}
    share([mutant for mutant in mutants if mutant.id not in killed], lambda mutant: try_out(mutant, reach))
    found = results()
    if missing := [mutant for mutant in mutants if mutant.id not in found]:
        sys.exit(f"Two hours are over, and {len(missing)} changes were not tried: run this again to go on.")
    killers = sorted({row["killer"] for row in found.values() if "::" in row["killer"]})
    if broken := killer_of(None, killers):
        sys.exit(f"{broken} fails without any change, so it shows nothing: mend it, and remove .mutants.")
    sys.exit(not report(mutants, found))


if __name__ == "__main__":
    main()
