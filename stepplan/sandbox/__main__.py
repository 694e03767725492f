"""Serve a sandbox, a recorder or a replay until Ctrl-C: `python -m stepplan.sandbox`."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from stepplan.sandbox import Dialect, Recorder, Replay, Sandbox


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve what the arguments ask for, and print how to use it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    dialect = Dialect(chat_profile=options.chat_profile, messages_profile=options.messages_profile)
    try:
        serve(options.port, options.record, options.upstream, options.replay, dialect)
    except (OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: error: {getattr(error, 'strerror', None) or error}\n")


def serve(
    port: int, record: str | None, upstream: str | None, replay: str | None, dialect: Dialect | None = None
) -> None:
    """Start the server that the options ask for, print how to use it, and wait for a signal.

    Raises:
        ValueError: The options do not go together, or one is wrong.
        OSError: The port or a file cannot be used.
    """
    with _server(port, record, upstream, replay, dialect) as server:
        sys.stdout.write(_instructions(server))
        sys.stdout.flush()
        _wait_for_signal()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stepplan.sandbox", description="A local server that emulates the Step Plan."
    )
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (a free one by default)")
    parser.add_argument(
        "--chat-profile",
        choices=["live", "old", "openai"],
        default="live",
        help="Chat Completions streams as captured, as in StepFun's samples of 2024, or as OpenAI sends them",
    )
    parser.add_argument(
        "--messages-profile",
        choices=["live", "docs"],
        default="live",
        help="Messages streams of Anthropic's shape, or of the documented sample's",
    )
    parser.add_argument(
        "--record", metavar="FILE", help="forward requests to --upstream, and record its answers in this new file"
    )
    parser.add_argument("--replay", metavar="FILE", help="answer from a recording, and refuse any other request")
    parser.add_argument("--upstream", metavar="URL", help="the real server, such as https://api.stepfun.ai/step_plan")
    return parser


def _server(
    port: int, record: str | None, upstream: str | None, replay: str | None, dialect: Dialect | None
) -> Sandbox | Recorder | Replay:
    if (record is None) != (upstream is None):
        raise ValueError("--record and --upstream go together: a file, and the server whose answers it gets")
    if record is not None and replay is not None:
        raise ValueError("--record and --replay cannot be used together")
    if record is not None and upstream is not None:
        return Recorder(record, upstream, port=port)
    if replay is not None:
        return Replay(replay, port=port)
    return Sandbox(dialect=dialect or Dialect(), port=port)


def _instructions(server: Sandbox | Recorder | Replay) -> str:
    """Lines to paste into a shell.

    Every address comes with a key, so that none is sent to it by accident; a recorder needs the real one.
    """
    url = server.base_url
    key, header = "sk-sandbox", "A local server that emulates the Step Plan"
    if isinstance(server, Recorder):
        key, header = "$STEP_API_KEY", "A local server that records; requests need a key of the real server"
    elif isinstance(server, Replay):
        header = "A local server that replays a recording"
    return (
        f"# {header}: {url}\n\n"
        "# ChatStepPlan, StepPlan, stepplan.Client\n"
        f"export STEP_BASE_URL={url} STEP_API_KEY={key}\n"
        "# OpenAI's and Anthropic's clients\n"
        f"export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key}\n"
        f"export ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={key}\n\n"
        "# Ctrl-C stops it.\n"
    )


def _wait_for_signal() -> None:
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore SIGINT unless it is set
        signal.signal(number, end)
    stop.wait()


if __name__ == "__main__":
    main()
