"""Runs `python -m stepplan.sandbox`."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[str]:
    """What `python -m stepplan.sandbox` prints, while it runs."""
    command = [sys.executable, "-W", "error", "-m", "stepplan.sandbox", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            printed = "".join(iter(process.stdout.readline, "# Ctrl-C stops it.\n"))
            yield printed
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
