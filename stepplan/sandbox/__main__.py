"""Serve a sandbox until Ctrl-C: `python -m stepplan.sandbox`."""

import argparse
import signal
import sys
import threading

from stepplan.sandbox import Dialect, Sandbox


def main(arguments: list[str] | None = None) -> None:
    """Serve a sandbox, and print how to use it."""
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
    options = parser.parse_args(arguments)
    dialect = Dialect(chat_profile=options.chat_profile, messages_profile=options.messages_profile)
    with Sandbox(dialect=dialect, port=options.port) as plan:
        sys.stdout.write(_instructions(plan))
        sys.stdout.flush()
        _wait_for_signal()


def _instructions(plan: Sandbox) -> str:
    # Every address comes with its key: with the key alone, requests would go to the vendor.
    return (
        f"# A local server that emulates the Step Plan: {plan.base_url}\n\n"
        "# ChatStepPlan, StepPlan, stepplan.Client\n"
        f"export STEP_BASE_URL={plan.base_url} STEP_API_KEY={plan.api_key}\n"
        "# OpenAI's and Anthropic's clients\n"
        f"export OPENAI_BASE_URL={plan.base_url}/v1 OPENAI_API_KEY={plan.api_key}\n"
        f"export ANTHROPIC_BASE_URL={plan.base_url} ANTHROPIC_AUTH_TOKEN={plan.api_key}\n\n"
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
