"""`stepplan sandbox`: the local server, as `python -m stepplan.sandbox` starts it."""

from typing import Annotated

import typer

from stepplan.cli.console import fail


def sandbox(
    port: Annotated[int, typer.Option(help="The port to listen on; 0 is a free one.")] = 0,
) -> None:
    """Start a local server that emulates the Step Plan, until Ctrl-C: no key, no network."""
    try:
        from stepplan.sandbox.__main__ import main  # noqa: PLC0415 - the web server is an extra

        main(["--port", str(port)])
    except ImportError as error:
        fail(str(error))
