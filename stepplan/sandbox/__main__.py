"""Serve a sandbox until Ctrl-C: `python -m stepplan.sandbox`."""

import argparse
import signal
import sys
import threading

from stepplan.sandbox import Dialect, Sandbox


def main(arguments: list[str] | None = None) -> None:
    """Serve a sandbox, and say how to reach it."""
    parser = argparse.ArgumentParser(prog="python -m stepplan.sandbox", description="A Step Plan on loopback.")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (a free one by default)")
    parser.add_argument(
        "--protocol-profile",
        choices=["live", "docs"],
        default="live",
        help="the shape of Messages streams: as seen live, or as in the documented sample",
    )
    options = parser.parse_args(arguments)
    with Sandbox(dialect=Dialect(messages_profile=options.protocol_profile), port=options.port) as plan:
        sys.stdout.write(
            f"A Step Plan on loopback: {plan.base_url}\n\n"
            f"export STEP_API_KEY={plan.api_key}\n"
            f"export OPENAI_BASE_URL={plan.base_url}/v1 OPENAI_API_KEY={plan.api_key}\n"
            f"export ANTHROPIC_BASE_URL={plan.base_url} ANTHROPIC_AUTH_TOKEN={plan.api_key}\n\n"
            "Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        stop = threading.Event()

        def end(*_: object) -> None:
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):  # set here, because a shell's background jobs ignore Ctrl-C's
            signal.signal(number, end)
        stop.wait()


if __name__ == "__main__":
    main()
