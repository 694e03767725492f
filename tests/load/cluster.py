"""Runs the Ray example on a local cluster against the sandbox, and prints what came of every prompt.

Not part of the tests, because Ray is large: `make extra WHAT=ray` installs it into an environment of its own.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
FAULTS: list[dict[str, Any]] = [
    {"status": 500},
    {"reset": True},
    {"status": 503, "times": 2},
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"cut_at": 40, "abrupt": True},
]


def main() -> None:
    """Run it once per framework, and fail if a prompt has no result, or more than one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cap", type=int, default=10, help="the account's limit in the sandbox")
    parser.add_argument("--report", type=Path, help="a Markdown file for the table")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(EXAMPLES), os.environ.get("PYTHONPATH")]))
    sys.path.insert(0, str(EXAMPLES))
    import ray  # type: ignore[import-not-found,unused-ignore]

    ray.init(num_cpus=options.workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        rows = [_run(framework, options) for framework in ("ChatStepPlan", "StepPlan")]
        rows += [_resume(options)]
    finally:
        ray.shutdown()
    table = _table(rows)
    sys.stdout.write(table)
    if options.report:
        options.report.write_text(table)
    if not all(row["whole"] for row in rows):
        sys.exit("A prompt has no result, or more than one.")


def _turns(count: int) -> list[Any]:
    """Turns of which one in twenty fails first, in every way in turn; the answers come from the requests."""
    from stepplan.sandbox import Fault, Turn

    faulty = [Turn(fault=Fault(**FAULTS[number % len(FAULTS)])) for number in range(count // 20)]
    return [turn for one in faulty for turn in (*([Turn()] * 19), one)]


def _model(framework: str, plan: Any) -> Any:
    from langchain_stepplan import ChatStepPlan
    from llama_index_stepplan import StepPlan

    cls = {"ChatStepPlan": ChatStepPlan, "StepPlan": StepPlan}[framework]
    return cls(base_url=plan.base_url, api_key=plan.api_key)


def _run(framework: str, options: argparse.Namespace) -> dict[str, Any]:
    import ray  # type: ignore[import-not-found,unused-ignore]
    import ray_batch  # type: ignore[import-not-found,unused-ignore]

    from stepplan.sandbox import Sandbox

    with Sandbox(script=_turns(options.prompts), max_concurrency=options.cap) as plan:
        prompts = ray.data.from_items([{"id": n, "prompt": f"Prompt {n}"} for n in range(options.prompts)])
        started = time.monotonic()
        rows = ray_batch.answer(prompts, _model(framework, plan), workers=options.workers, limit=8).take_all()
        seconds = time.monotonic() - started
        return _row(framework, rows, options.prompts, len(plan.requests), seconds)


def _resume(options: argparse.Namespace) -> dict[str, Any]:
    """Answer a tenth of the prompts, then all of them with the same checkpoint: the first tenth is not sent again."""
    import ray  # type: ignore[import-not-found,unused-ignore]
    import ray_batch  # type: ignore[import-not-found,unused-ignore]
    from ray.data.checkpoint import (  # type: ignore[import-not-found,unused-ignore]
        CheckpointConfig,
    )

    from stepplan.sandbox import Sandbox

    count = options.prompts // 5
    with Sandbox(max_concurrency=options.cap) as plan, tempfile.TemporaryDirectory() as folder:
        context = ray.data.DataContext.get_current()
        checkpoint = CheckpointConfig(
            id_column="id", checkpoint_path=f"{folder}/checkpoint", delete_checkpoint_on_success=False
        )
        started = time.monotonic()
        for part in (count // 2, count):
            items = ray.data.from_items([{"id": n, "prompt": f"Prompt {n}"} for n in range(part)])
            items.write_parquet(f"{folder}/prompts-{part}")  # a checkpoint filters what is read from files
            prompts = ray.data.read_parquet(f"{folder}/prompts-{part}")
            llm = _model("ChatStepPlan", plan)
            context.checkpoint_config = checkpoint
            ray_batch.answer(prompts, llm, workers=options.workers, limit=8).write_json(f"{folder}/answers")
            context.checkpoint_config = None
        rows = [
            json.loads(line)
            for path in Path(folder, "answers").glob("*.json")
            for line in path.read_text("utf-8").splitlines()
        ]
        return _row("ChatStepPlan, resumed", rows, count, len(plan.requests), time.monotonic() - started)


def _row(name: str, rows: list[dict[str, Any]], prompts: int, requests: int, seconds: float) -> dict[str, Any]:
    seen = Counter(int(row["id"]) for row in rows)
    return {
        "run": name,
        "prompts": prompts,
        "answers": sum(row["error"] is None for row in rows),
        "errors": sum(row["error"] is not None for row in rows),
        "requests": requests,
        "seconds": round(seconds),
        "whole": sorted(seen) == list(range(prompts)) and set(seen.values()) == {1},
    }


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
