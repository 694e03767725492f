"""Runs every target for its share of some minutes, and writes docs/reports/fuzz.md.

make extra WHAT=fuzz
make extra WHAT=fuzz MINUTES=1 SEED=7
"""

import argparse
import logging
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import Phase, given, seed, settings

from tests.fuzz.targets import SETTINGS, TARGETS, Target
from tests.load.report import write_report
from tests.peers.tables import Section, bullets, table

_BATCH = 500
"""Examples between two looks at the clock."""


@dataclass
class Run:
    """What came of one target.

    Attributes:
        target: The target.
        outcomes: How often each outcome came about.
        finding: The smallest input found for which something does not hold, and what; empty if there is none.
    """

    target: Target
    outcomes: Counter[str] = field(default_factory=Counter[str])
    finding: str = ""

    def until(self, end: float, first_seed: int) -> None:
        """Try inputs until the clock (`time.monotonic`) says so, or one is found."""
        number = first_seed
        while time.monotonic() < end and not self.finding:
            self._batch(number)
            number += 1

    def _batch(self, number: int) -> None:
        @seed(number)
        @settings(SETTINGS, max_examples=_BATCH, database=None, phases=(Phase.generate, Phase.shrink))
        @given(self.target.inputs)
        def attempt(value: object) -> None:
            self.outcomes[self.target.check(value)] += 1

        try:
            attempt()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            errors = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
            self.finding = "\n\n".join(map(_described, errors))


def _described(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    notes = "\n".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {str(error)[:2000]}\n{notes[:4000]}"


def _report(runs: list[Run], minutes: float, first_seed: int) -> None:
    found = [run for run in runs if run.finding]
    rows = [
        (run.target.name, f"{run.outcomes.total():,}", str(len(run.outcomes)), "no" if run.finding else "yes")
        for run in runs
    ]
    outcomes = [
        f"**{run.target.name}**: " + ", ".join(f"{outcome} {count:,}" for outcome, count in run.outcomes.most_common())
        for run in runs
    ]
    sections = [
        Section("", table(("target", "inputs", "different outcomes", "holds"), rows)),
        Section("What is checked", bullets(f"**{run.target.name}**: {run.target.holds}" for run in runs)),
        Section("Outcomes", bullets(outcomes)),
        *(Section(f"Found: {run.target.name}", f"```text\n{run.finding}\n```") for run in found),
    ]
    introduction = f"""
Hypothesis generates inputs for {minutes:g} minutes, in one process and without a network, with seeds from {first_seed}
on. Answers are the recorded and hand-written ones of `tests/fixtures`, with events and bytes changed, left out,
duplicated, reordered and cut. A fault that is found gets a fix and a test of its own.

**{"No input broke a rule." if not found else "An input broke a rule; see below."}**
"""
    write_report("fuzz", "Fuzzing", introduction, sections, ["hypothesis"])


def main() -> None:
    """Run the targets.

    Raises:
        SystemExit: Something does not hold.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="what the inputs depend on (default 1)")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="run this one alone, for a look")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    targets = [target for target in TARGETS if arguments.target in (None, target.name)]
    runs = [Run(target) for target in targets]
    for run in runs:
        run.until(time.monotonic() + arguments.minutes * 60 / len(runs), arguments.seed)
        sys.stderr.write(f"{run.target.name}: {run.outcomes.total():,} inputs{run.finding and ', FOUND'}\n")
    if arguments.target is None:
        _report(runs, arguments.minutes, arguments.seed)
    for run in runs:
        sys.stderr.write(run.finding)
    sys.exit(any(run.finding for run in runs))


if __name__ == "__main__":
    main()
