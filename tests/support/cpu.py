"""The CPU time of a piece of code, to compare with that of another: how fast a machine is does not count."""

import time
from collections.abc import Callable


def cpu_seconds(run: Callable[[], object], *, times: int = 1) -> float:
    """The CPU time that one run takes in this thread: the best of five rounds of so many runs, after a first one.

    Compare it with the time of something else that was measured the same way: coverage, a slow machine and a busy one
    change both.
    """
    run()
    return min(_round(run, times) for _ in range(5)) / times


def _round(run: Callable[[], object], times: int) -> float:
    before = time.thread_time()
    for _ in range(times):
        run()
    return time.thread_time() - before
