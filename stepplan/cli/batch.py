"""`stepplan batch`: a file of prompts, with a progress bar."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stepplan import batch as batches
from stepplan.cli import options
from stepplan.cli.console import FAILED, err, friendly_errors
from stepplan.models import DEFAULT_MODEL

_COLUMNS = (
    MofNCompleteColumn(),
    BarColumn(),
    TextColumn("{task.fields[rate]:.1f}/s"),
    TextColumn("{task.fields[tokens]:,} tokens"),
    TextColumn("[red]{task.fields[failed]} errors"),
    TimeRemainingColumn(),
)


def batch(
    source: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="The prompts: one JSON object per line.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Where the answers go. Lines are appended.")],
    *,
    model: options.Model = DEFAULT_MODEL,
    effort: options.Effort = None,
    protocol: options.Protocol = "openai",
    max_tokens: options.MaxTokens = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-c", metavar="N", help="How many lines to answer at once.")
    ] = 8,
    region: options.RegionName = None,
    base_url: options.BaseURL = None,
) -> None:
    """Answer a file of prompts. A run that ended early can be resumed.

    To resume after Ctrl-C, a crash or a used-up quota, run the same command again: lines that are in OUT.jsonl are not
    sent again.

    A line is `{"prompt": "..."}`, or a line of an OpenAI batch file (`custom_id`, `body`). For each, OUT.jsonl gets
    exactly one line: an answer or an error. The exit code is 1 if a line ended in an error.
    """
    given = {"reasoning_effort": effort, "max_tokens": max_tokens}
    with friendly_errors():
        with Progress(*_COLUMNS, console=err, disable=not err.is_terminal) as bar:
            task = bar.add_task("", total=None, rate=0.0, tokens=0, failed=0)

            def show(now: batches.Progress) -> None:
                rate = (now.answered + now.failed) / max(bar.tasks[0].elapsed or 0.0, 1e-9)
                tokens = now.input_tokens + now.output_tokens
                bar.update(task, total=now.total, completed=now.done, rate=rate, tokens=tokens, failed=now.failed)

            summary = batches.run(
                source,
                target,
                settings=options.settings(region, base_url),
                protocol=options.protocol_name(protocol),
                model=model,
                concurrency=concurrency,
                options={name: value for name, value in given.items() if value is not None},
                on_progress=show,
            )
        err.print(
            f"{summary.answered} answered, {summary.failed} errors, {summary.skipped} from earlier runs; "
            f"{summary.input_tokens:,} tokens in, {summary.output_tokens:,} out.",
            markup=False,
        )
        if summary.failed:
            err.print(f"The errors are in {target}.", markup=False)
        if summary.stopped is not None:
            left = summary.total - summary.done
            err.print(f"Stopped with {left} lines left: {summary.stopped}", style="red", markup=False)
            err.print("Run the same command again to go on.")
        if summary.failed or summary.stopped is not None:
            raise typer.Exit(FAILED)
