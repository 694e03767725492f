"""A batch that is killed over and over, and run again until every line has its answer.

make extra WHAT=killed
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.load.faults import prompt_for
from tests.load.report import write_report
from tests.load.server import API_KEY, Server, right_text, server_process
from tests.peers.tables import Section, table

IN_FLIGHT = 8
"""Lines under way at a time, the command's default."""
_PATIENCE = 600.0
"""Seconds in which a run has to come to its kill, or to its end."""


@dataclass(frozen=True)
class Outcome:
    """What is in the output file after the last run, and what the server was asked.

    Attributes:
        lines: Lines of the input.
        written: How many of them have an output line.
        doubled: How many have more than one.
        wrong: Output lines that hold another answer than the prompt's.
        again: Requests beyond one for each line.
        killed_at: How many output lines there were at each kill.
    """

    lines: int
    written: int
    doubled: int
    wrong: int
    again: int
    killed_at: Sequence[int]

    @property
    def is_good(self) -> bool:
        """No line is lost, doubled or wrong, and only what was in flight was asked again."""
        whole = self.written == self.lines and not self.doubled and not self.wrong
        return whole and 0 <= self.again <= IN_FLIGHT * len(self.killed_at)


def run(server: Server, folder: Path, lines: int, kills: int) -> Outcome:
    """Run `stepplan batch` over so many lines, kill it so many times on the way, and let it end."""
    source, target = folder / "in.jsonl", folder / "out.jsonl"
    prompts = [prompt_for(number) for number in range(lines)]
    source.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    command = [sys.executable, "-c", "from stepplan.cli import main; main()", "batch", str(source), str(target)]
    environment = {**os.environ, "STEP_BASE_URL": server.base_url, "STEP_API_KEY": API_KEY}
    killed_at: list[int] = []
    for kill in range(1, kills + 1):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            _wait_until_written(process, target, kill * lines // (kills + 1))
            process.send_signal(signal.SIGKILL)
        killed_at.append(_written(target))
    subprocess.run(command, env=environment, check=True, timeout=_PATIENCE, stderr=subprocess.DEVNULL)
    return _outcome(server, prompts, target, killed_at)


def _written(target: Path) -> int:
    return target.read_bytes().count(b"\n") if target.exists() else 0


def _wait_until_written(process: subprocess.Popen[bytes], target: Path, lines: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _written(target) < lines:
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"The run ended, or stood still, before it had written {lines} lines.")
        time.sleep(0.002)


def _outcome(server: Server, prompts: Sequence[str], target: Path, killed_at: Sequence[int]) -> Outcome:
    answers = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    by_line = Counter(int(answer["line"]) for answer in answers)
    texts = [
        (prompts[int(answer["line"]) - 1], answer["response"]["body"]["choices"][0]["message"]["content"])
        for answer in answers
        if answer["error"] is None
    ]
    return Outcome(
        lines=len(prompts),
        written=len(by_line),
        doubled=sum(count > 1 for count in by_line.values()),
        wrong=len(answers) - sum(text == right_text(prompt) for prompt, text in texts),
        again=sum(server.counts().by_prompt.values()) - len(prompts),
        killed_at=killed_at,
    )


INTRODUCTION = """
`stepplan batch` answers the lines of a file, with a sandbox that accepts ten requests at a time. The process is killed
(SIGKILL) several times and restarted with the same command; the last run is left to finish.

**{verdict}**
"""


def main() -> None:
    """Run it, and write the page; fail if a line is lost, doubled or wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    with server_process(limit=10) as server, tempfile.TemporaryDirectory() as folder:
        found = run(server, Path(folder), options.lines, options.kills)
    verdict = (
        "No line is lost, duplicated or wrong, and only lines that were in flight were sent again."
        if found.is_good
        else "A line is lost, duplicated or wrong, or was sent again without need."
    )
    rows = [
        ("input lines", found.lines),
        ("output lines", found.written),
        ("duplicated output lines", found.doubled),
        ("wrong answers", found.wrong),
        ("output lines at each kill", ", ".join(f"{count:,}" for count in found.killed_at)),
        (f"lines sent again (at most {IN_FLIGHT} are in flight at each kill)", found.again),
    ]
    text = table(["", ""], [[name, value if isinstance(value, str) else f"{value:,}"] for name, value in rows])
    write_report("killed", "A batch that is killed", INTRODUCTION.format(verdict=verdict), [Section("", text)])
    if not found.is_good:
        sys.exit(verdict)


if __name__ == "__main__":
    main()
