"""What the commands print: answers to stdout, everything else to stderr, and errors as a sentence."""

import json
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.text import Text

from stepplan.errors import StepPlanError, StepPlanWarning
from stepplan.responses import Response

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

FAILED = 1
"""The exit code of a command that failed; 2 is wrong usage, 130 is Ctrl-C."""

_ENDINGS = {
    "length": "cut off at the token limit, which reasoning counts against",
    "content_filter": "stopped by StepFun's content filter",
}
"""How the summary describes a finish reason."""


def prepare() -> None:
    """Make the streams write every answer, in whatever encoding they have, and print our warnings as sentences."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    shown: set[str] = set()
    others = warnings.showwarning

    def show(  # noqa: PLR0917 - as Python calls it
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, StepPlanWarning):
            others(message, category, filename, lineno, file, line)
        elif (text := str(message)) not in shown:
            shown.add(text)
            err.print(Text.assemble(("Warning: ", "bold yellow"), text))

    warnings.showwarning = show


@contextmanager
def friendly_errors() -> Generator[None]:
    """Print an error of ours as one sentence and end with its exit code; no traceback for what a user can mend."""
    try:
        yield
    except StepPlanError as error:
        fail(str(error), trace_id=error.trace_id)
    except BrokenPipeError:  # who reads the output has read enough, as `head` has: nothing to explain
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        fail(f"{reason}: {error.filename}" if error.filename else reason)
    except KeyboardInterrupt:
        err.print("Interrupted.", style="yellow")
        raise typer.Exit(130) from None


def fail(message: str, *, trace_id: str | None = None) -> None:
    """Print an error and exit with `FAILED`."""
    show_error(message, trace_id=trace_id)
    raise typer.Exit(FAILED)


def show_error(message: str, *, trace_id: str | None = None) -> None:
    """Print an error, as it is: square brackets in it are no markup."""
    err.print(Text.assemble(("Error: ", "bold red"), message))
    if trace_id:
        err.print(f"Trace id, for StepFun's support: {trace_id}", style="dim", markup=False)


def summary(response: Response, seconds: float) -> str:
    """One line on an answer: how long it took, its tokens and what they cost, how it ended if not well."""
    parts = [f"{seconds:.1f} s"]
    if usage := response.usage:
        reasoning = f", {usage.reasoning_tokens} of them reasoning" if usage.reasoning_tokens else ""
        parts.append(f"{usage.input_tokens} tokens in, {usage.output_tokens} out{reasoning}")
        parts.append(str(usage.cost(response.model or "") or "price not known"))
    if response.finish_reason not in {"stop", "tool_calls"}:
        parts.append(_ENDINGS.get(response.finish_reason or "", f"ended with {response.finish_reason}"))
    return " · ".join([response.model or "", *parts]).strip(" ·")


def write(text: str) -> None:
    """A piece of an answer, as it came: no markup, no wrapping, shown at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(value: Any) -> None:
    """A line of JSON, readable in any encoding."""
    typer.echo(json.dumps(value, ensure_ascii=out.options.ascii_only))


def write_reasoning(text: str) -> None:
    """A piece of reasoning, dimmed, on stderr: a pipe gets the answer alone."""
    err.print(Text(text, style="dim"), end="")
    err.file.flush()
