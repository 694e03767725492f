"""Runs the command line in this process."""

from typing import Any

from typer.testing import CliRunner

from stepplan.cli.app import app


def run(*arguments: str, input: str | None = None) -> Any:
    return CliRunner().invoke(app, arguments, input=input)
