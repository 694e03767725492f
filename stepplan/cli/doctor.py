"""`stepplan doctor`: what is wrong between this machine and the plan, and how to fix it."""

from dataclasses import asdict

import typer
from rich.padding import Padding
from rich.text import Text

from stepplan.cli import options
from stepplan.cli.console import FAILED, friendly_errors, out, write_json
from stepplan.cli.diagnosis import Finding, diagnose
from stepplan.models import DEFAULT_MODEL

_MARKS = {
    "ok": ("✓", "+", "green"),
    "warning": ("!", "!", "yellow"),
    "failed": ("✗", "x", "red"),
    "skipped": ("-", "-", "dim"),
}
"""For each status its mark, one for terminals and pipes that know only ASCII or the like, and its style."""
_NAMES = 11
"""The width of the column with the names."""


def doctor(
    *,
    model: options.Model = DEFAULT_MODEL,
    region: options.RegionName = None,
    base_url: options.BaseURL = None,
    as_json: options.JSON = False,
) -> None:
    """Find out why calls fail, and how to fix it.

    Checks the key, the address, the proxy, the clock and the models, and makes one small call over each protocol, which
    costs a few tokens. The exit code is 0 if everything works and 1 if something failed.
    """
    findings: list[Finding] = []
    with friendly_errors():
        for finding in diagnose(lambda: options.settings(region, base_url), model):
            findings.append(finding)
            if not as_json:
                _show(finding)
    if as_json:
        write_json([asdict(finding) for finding in findings])
    if any(finding.status == "failed" for finding in findings):
        raise typer.Exit(FAILED)


def _show(finding: Finding) -> None:
    mark, plain, style = _MARKS[finding.status]
    if out.options.ascii_only:
        mark = plain
    out.print(Text.assemble((f"{mark} ", style), (f"{finding.name:<{_NAMES}}", "bold"), finding.detail))
    if finding.fix:
        fix, indent = Text(finding.fix, style), 2 + _NAMES
        if out.is_terminal:
            out.print(Padding.indent(fix, indent), soft_wrap=False)
        else:  # a pipe gets whole lines
            out.print(" " * indent, fix, sep="")
