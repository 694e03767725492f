"""Runs `examples/ray_batch.py` on a local Ray cluster, against a plan that fails one prompt in twenty.

    make extra WHAT=ray

Not part of the tests, because Ray is large: the command installs it into an environment of its own.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.load.faults import KINDS, kind_of, prompt_for
from tests.load.report import write_report
from tests.load.server import API_KEY, Server, right_text, server_process
from tests.peers.tables import Section, table

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT = 10
FAULTS = ("throttled", "failed", "overloaded", "reset", "cut midway", "broken JSON")
"""All but the last are sent again; the last is an error."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        name: What ran.
        prompts: How many prompts there were.
        answers: Rows with the right answer.
        errors: Rows with the right error.
        doubled: Prompts with more than one row.
        needed: Requests that the prompts and their faults call for.
        requests: Requests that were sent, those included that the plan refused because ten were open.
        seconds: How long it took.
    """

    name: str
    prompts: int
    answers: int
    errors: int
    doubled: int
    needed: int
    requests: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Every prompt has one row, and it is right."""
        return self.answers + self.errors == self.prompts and not self.doubled


def main() -> None:
    """Run it with each framework and with a checkpoint, and write the page; fail if a prompt has no right row."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(EXAMPLES), os.environ.get("PYTHONPATH")]))
    sys.path.insert(0, str(EXAMPLES))
    import ray  # type: ignore[import-not-found,unused-ignore]

    ray.init(num_cpus=options.workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    prompts = _prompts(options.prompts)
    try:
        outcomes = [_run(framework, prompts, options.workers) for framework in ("ChatStepPlan", "StepPlan")]
        outcomes += [_resume(prompts[: len(prompts) // 5], options.workers)]
    finally:
        ray.shutdown()
    good = all(outcome.is_good for outcome in outcomes)
    verdict = (
        "Every prompt has exactly one row, with the right answer or error."
        if good
        else "A prompt has several rows, or none that is right."
    )
    write_report(
        "ray", "A Ray cluster", _introduction(options.workers, verdict), [Section("", _table(outcomes))], ["ray"]
    )
    if not good:
        sys.exit(verdict)


def _introduction(workers: int, verdict: str) -> str:
    return f"""
`examples/ray_batch.py` on a local cluster of {workers} workers, against a sandbox in another process that accepts
{LIMIT} requests at a time. The first request of one prompt in twenty meets a fault: {", ".join(FAULTS)}. It is sent
again, except after {FAULTS[-1]}, which becomes the row's error. The resumed run answers half of its prompts, and then
starts again with all of them and the same checkpoint.

**{verdict}**
"""


def _prompts(count: int) -> list[str]:
    return [prompt_for(n, "" if n % 20 else FAULTS[n // 20 % len(FAULTS)]) for n in range(count)]


def _model(framework: str, server: Server) -> Any:
    from langchain_stepplan import ChatStepPlan
    from llama_index_stepplan import StepPlan

    cls = {"ChatStepPlan": ChatStepPlan, "StepPlan": StepPlan}[framework]
    return cls(base_url=server.base_url, api_key=API_KEY)


def _rows(prompts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": number, "prompt": prompt} for number, prompt in enumerate(prompts)]


def _run(framework: str, prompts: Sequence[str], workers: int) -> Outcome:
    import ray  # type: ignore[import-not-found,unused-ignore]
    import ray_batch  # type: ignore[import-not-found,unused-ignore]

    with server_process(LIMIT) as server:
        began = time.monotonic()
        asked = ray.data.from_items(_rows(prompts))
        rows = ray_batch.answer(asked, _model(framework, server), workers=workers, limit=8).take_all()
        return _outcome(framework, prompts, rows, server, time.monotonic() - began)


def _resume(prompts: Sequence[str], workers: int) -> Outcome:
    """Answer half of the prompts, then all of them with the same checkpoint: the first half is not sent again."""
    import ray  # type: ignore[import-not-found,unused-ignore]
    import ray_batch  # type: ignore[import-not-found,unused-ignore]
    from ray.data.checkpoint import CheckpointConfig  # type: ignore[import-not-found,unused-ignore]

    with server_process(LIMIT) as server, tempfile.TemporaryDirectory() as folder:
        context = ray.data.DataContext.get_current()
        checkpoint = CheckpointConfig(
            id_column="id", checkpoint_path=f"{folder}/checkpoint", delete_checkpoint_on_success=False
        )
        began = time.monotonic()
        for part in (len(prompts) // 2, len(prompts)):
            # A checkpoint filters what is read from files.
            ray.data.from_items(_rows(prompts[:part]), override_num_blocks=4).write_parquet(f"{folder}/prompts-{part}")
            context.checkpoint_config = checkpoint  # before reading: a dataset keeps the settings that it is made with
            asked = ray.data.read_parquet(f"{folder}/prompts-{part}")
            answered = ray_batch.answer(asked, _model("ChatStepPlan", server), workers=workers, limit=8)
            answered.write_json(f"{folder}/answers")
            context.checkpoint_config = None
        rows = [
            json.loads(line)
            for path in Path(folder, "answers").glob("*.json")
            for line in path.read_text("utf-8").splitlines()
        ]
        return _outcome("ChatStepPlan, resumed", prompts, rows, server, time.monotonic() - began)


def _outcome(name: str, prompts: Sequence[str], rows: list[dict[str, Any]], server: Server, seconds: float) -> Outcome:
    seen = Counter(int(row["id"]) for row in rows)
    by_number = {int(row["id"]): row for row in rows}
    kinds = [KINDS.get(kind_of(prompt)) for prompt in prompts]
    answers = errors = 0
    for number, row in by_number.items():
        kind = kinds[number]
        if kind is None or kind.whole is None:
            answers += row["error"] is None and row["answer"] == right_text(prompts[number])
        else:
            errors += row["answer"] is None and str(row["error"]).startswith(f"{kind.whole.__name__}:")
    return Outcome(
        name=name,
        prompts=len(prompts),
        answers=answers,
        errors=errors,
        doubled=sum(count > 1 for count in seen.values()),
        needed=sum(1 if kind is None else kind.requests(streamed=False) for kind in kinds),
        requests=server.counts().requests,
        seconds=seconds,
    )


def _table(outcomes: Sequence[Outcome]) -> str:
    head = ("", "prompts", "right answers", "right errors", "twice", "requests needed", "requests", "seconds")
    rows = [
        [
            outcome.name,
            *(f"{value:,}" for value in (outcome.prompts, outcome.answers, outcome.errors, outcome.doubled)),
            f"{outcome.needed:,}",
            f"{outcome.requests:,}",
            f"{outcome.seconds:.0f}",
        ]
        for outcome in outcomes
    ]
    return table(head, rows)


if __name__ == "__main__":
    main()
