"""Runs the four jobs on both protocols: on the plan if a key is set, else on a sandbox that needs no key."""

import argparse
import asyncio
import contextlib
import os
from collections.abc import Generator

from demo.jobs import JOBS, Plan
from demo.screen import Screen
from stepplan import PROTOCOLS
from stepplan.sandbox import Sandbox


@contextlib.contextmanager
def _where(screen: Screen, base_url: str | None) -> Generator[dict[str, str]]:
    if base_url or os.environ.get("STEP_API_KEY") or os.environ.get("STEPFUN_API_KEY"):
        screen.title(f"On {base_url or 'the Step Plan'}, with the key from the environment.")
        yield {"base_url": base_url} if base_url else {}
        return
    with Sandbox() as sandbox:
        screen.title("No key is set, so this runs on the sandbox: a local server with canned answers, without a model.")
        yield {"base_url": sandbox.base_url, "api_key": sandbox.api_key}


async def _run(screen: Screen, place: dict[str, str], model: str, effort: str) -> None:
    for protocol in PROTOCOLS:
        for name, job in JOBS.items():
            screen.title(f"{name}, over {'Chat Completions' if protocol == 'openai' else 'Messages'}")
            await job(Plan(protocol, model=model, effort=effort, **place), screen)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--base-url", help="another server of the plan's protocols")
    parser.add_argument("--model", default="step-3.7-flash")
    parser.add_argument("--effort", default="low", help="low, medium or high (default: low)")
    arguments = parser.parse_args()
    screen = Screen()
    with _where(screen, arguments.base_url) as place:
        asyncio.run(_run(screen, place, arguments.model, arguments.effort))


if __name__ == "__main__":
    main()
