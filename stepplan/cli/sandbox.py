"""`stepplan sandbox`: the local server, as `python -m stepplan.sandbox` starts it."""

from typing import Annotated

import typer

from stepplan.cli.console import fail, friendly_errors


def sandbox(
    port: Annotated[int, typer.Option(metavar="N", help="The port to listen on. 0 chooses a free one.")] = 0,
    record: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Forward requests to --upstream and record its answers in this new file."),
    ] = None,
    upstream: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The real server to record, such as https://api.stepfun.ai/step_plan."),
    ] = None,
    replay: Annotated[
        str | None, typer.Option(metavar="FILE", help="Answer from a recording, and refuse any other request.")
    ] = None,
) -> None:
    """Start a local server that emulates the Step Plan. It needs no key and no network; Ctrl-C stops it.

    With `--record` and `--upstream` it forwards requests to a real server and records the answers. With `--replay` it
    answers from such a recording.
    """
    with friendly_errors():
        try:
            from stepplan.sandbox.__main__ import serve  # noqa: PLC0415 - the web server is an extra

            serve(port, record, upstream, replay)
        except (ImportError, ValueError) as error:
            fail(str(error))
