"""The gate: how many requests of one account run at a time in this process.

The plan serves 8 to 10 requests of an account at a time and refuses the others. So requests wait here, first come,
first served, instead of being refused there. Every thread and every event loop of the process uses the same gate for
the same host and key.

The gate delays and never deadlocks. If no request of the account ends for `STANDSTILL` seconds, the first one in line
goes ahead and the server decides: otherwise a program that calls the model while it holds all of its streams open
would wait for itself.
"""

import asyncio
import contextlib
import copy
import hashlib
import logging
import math
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from functools import partial

from stepplan.errors import StepPlanError
from stepplan.settings import Settings

logger = logging.getLogger("stepplan")

STANDSTILL = 60.0
"""Seconds without any movement after which the first request in line goes ahead."""

_ROUNDS_TO_RAISE = 2
"""A lowered gate is raised by one when it has let as many requests pass as twice its limit, and none was refused."""


def _wake_nobody() -> None:
    """Stands for `wake` until somebody waits for the slot."""


class Slot:
    """The right to have one request running, or a position in the line for it.

    It is given back when it is released or garbage-collected, whichever comes first.

    Attributes:
        gate: The account's gate.
        limit: How many requests of the account may run at a time for this one to be let go, this one included.
        wake: Called, from any thread, when the slot no longer waits. Who waits sets it, and then looks at `waiting`.
        entered: When it got in line (`time.monotonic`).
        waiting: Whether it is in line.
        held: Whether the request may run.
        ahead: Whether it went ahead of the limit because the line stood still. The gate does not count it then.
        rank: How many requests of the account were running when it was let go, this one included.
        error: Why it was called off.
    """

    __slots__ = ("ahead", "entered", "error", "gate", "held", "limit", "rank", "waiting", "wake")

    def __init__(self, gate: "Gate", limit: float) -> None:
        self.gate = gate
        self.limit = limit
        self.wake: Callable[[], object] = _wake_nobody
        self.entered = time.monotonic()
        self.waiting = True
        self.held = False
        self.ahead = False
        self.rank = 0
        self.error: StepPlanError | None = None

    def release(self) -> None:
        """Give the slot back, or leave the line. May be called twice, from any thread and by the garbage collector."""
        self.gate.take_back(self)

    def __del__(self) -> None:
        if self.held:
            self.release()


class Gate:
    """The requests of one account that are running, and those that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: OrderedDict[Slot, None] = OrderedDict()
        self._returned: deque[Slot] = deque()
        self._running = 0
        self._moved = time.monotonic()
        self._allowed = math.inf  # lowered by refusals, raised again by requests that pass
        self._ceiling = math.inf  # the limit that the server named last
        self._passed = 0

    # -------------------------------------------------------------------------------------------------- for drivers

    def acquire(self, limit: float, *, first: bool = False, deadline: float = math.inf) -> Slot | None:
        """Wait until fewer than `limit` requests of the account are running.

        Args:
            limit: How many may run at a time, this one included.
            first: Wait at the head of the line, because the request was there before.
            deadline: When to give up (`time.monotonic`); `None` is returned then.

        Raises:
            StepPlanError: The error with which `call_off` was called meanwhile.
        """
        slot = self._enter(limit, first=first)
        if slot.held:
            return slot
        ready = threading.Event()
        slot.wake = ready.set
        try:
            while slot.waiting and (patience := self._patience(deadline)) > 0:
                ready.wait(patience)
                self._go_ahead()
        except BaseException:
            slot.release()
            raise
        return _outcome(slot)

    async def acquire_async(self, limit: float, *, first: bool = False, deadline: float = math.inf) -> Slot | None:
        """As `acquire`, without blocking the event loop. A task that is cancelled leaves the line."""
        slot = self._enter(limit, first=first)
        if slot.held:
            return slot
        ready = asyncio.Event()
        slot.wake = partial(asyncio.get_running_loop().call_soon_threadsafe, ready.set)
        try:
            while slot.waiting and (patience := self._patience(deadline)) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await ready.wait()
                self._go_ahead()
        except BaseException:
            slot.release()
            raise
        return _outcome(slot)

    def take_back(self, slot: Slot) -> None:
        """See `Slot.release`."""
        self._returned.append(slot)
        self._settle()

    # ------------------------------------------------------------------------------------- for what the server says

    def accepted(self) -> None:
        """Note that the server took a request."""
        if self._allowed >= self._ceiling:
            return
        with self._locked() as let_go:
            self._passed += 1
            if self._passed >= _ROUNDS_TO_RAISE * self._allowed:
                self._allowed += 1
                self._passed = 0
            self._admit(let_go)

    def refused(self, slot: Slot, limit: int) -> bool:
        """Note that the server refused a request because `limit` requests of the account were running.

        Returns:
            Whether the slot is still held: so few of ours are running that the request would be let go again at once,
            and so has to be sent again after a while. Otherwise it belongs back in line.
        """
        with self._locked():
            if not slot.held:  # closed meanwhile
                return False
            self._ceiling = limit = max(1, limit)
            # If we alone do not exceed the limit, other processes use the account as well: there is room only for those
            # that were running before this one.
            room = limit if slot.rank > limit else max(1, slot.rank - 1)
            self._allowed = min(self._allowed, room)
            self._passed = 0
            others = self._running - (not slot.ahead)
            keep = others < min(slot.limit, self._allowed)
            slot.held, slot.ahead = keep, False
            self._running = slot.rank = others + keep
            return keep

    def call_off(self, error: StepPlanError) -> None:
        """Fail every request that waits with a copy of this error."""
        with self._locked() as let_go:
            let_go.extend(self._line)
            self._line.clear()
            for slot in let_go:
                slot.error = error
                slot.waiting = False

    # -------------------------------------------------------------------------------------------------- the line

    def _enter(self, limit: float, *, first: bool) -> Slot:
        slot = Slot(self, limit)
        with self._locked() as let_go:
            self._line[slot] = None
            if first:
                self._line.move_to_end(slot, last=False)
            self._admit(let_go)
            running, waiting = self._running, len(self._line)
        if slot.waiting:
            logger.debug("Waiting in line: %d requests of this account are running, %d wait.", running, waiting)
        return slot

    def _admit(self, let_go: list[Slot]) -> None:
        """Let requests go while there is room."""
        while self._line and self._running < min(self._head.limit, self._allowed):
            self._running += 1
            let_go.append(self._start(self._head))

    def _start(self, slot: Slot, *, ahead: bool = False) -> Slot:
        del self._line[slot]
        slot.held, slot.ahead, slot.rank = True, ahead, self._running + ahead
        slot.waiting = False  # last, because the one who waits looks at it without the lock
        self._moved = time.monotonic()
        return slot

    @property
    def _head(self) -> Slot:
        return next(iter(self._line))

    @contextlib.contextmanager
    def _locked(self) -> Generator[list[Slot]]:
        """Change the line; the slots that are put into the list are woken afterwards."""
        let_go: list[Slot] = []
        with self._lock:
            yield let_go
        self._wake(let_go)
        self._settle()

    def _settle(self) -> None:
        """Count what was given back, and let the next requests go.

        The garbage collector may end a stream while this very thread holds the lock. So this never waits for the lock:
        whoever holds it settles after releasing it.
        """
        while self._returned and self._lock.acquire(blocking=False):
            try:
                let_go = self._count_returned()
            finally:
                self._lock.release()
            self._wake(let_go)

    def _count_returned(self) -> list[Slot]:
        let_go: list[Slot] = []
        while self._returned:
            slot = self._returned.popleft()
            if slot.waiting:
                del self._line[slot]
                slot.waiting = False
            elif slot.held:
                slot.held = False
                self._moved = time.monotonic()
                if not slot.ahead:
                    self._running -= 1
                elif self._line:  # the server had room for one more, so the next one in line gets it
                    let_go.append(self._start(self._head, ahead=True))
        self._admit(let_go)
        return let_go

    def _wake(self, slots: list[Slot]) -> None:
        for slot in slots:
            try:
                slot.wake()
            except RuntimeError:  # its event loop was closed while it waited
                self._returned.append(slot)

    # ------------------------------------------------------------------------------------------------ standing still

    def _patience(self, deadline: float) -> float:
        """Seconds to sleep: until the line, if nothing moves, will have stood still for too long. 0 at the deadline."""
        now = time.monotonic()
        with self._locked():
            standstill = self._still_since() + STANDSTILL
        return max(0.0, min(max(standstill, now + 0.001), deadline) - now)

    def _go_ahead(self) -> None:
        """Let the first in line go ahead if nothing has moved for too long."""
        with self._locked() as let_go:
            if self._line and time.monotonic() - self._still_since() >= STANDSTILL:
                logger.info("No request of this account has ended for %g s: the next one goes ahead.", STANDSTILL)
                let_go.append(self._start(self._head, ahead=True))

    def _still_since(self) -> float:
        return max(self._moved, self._head.entered) if self._line else time.monotonic()


def _outcome(slot: Slot) -> Slot | None:
    if slot.error is not None:
        raise copy.copy(slot.error)
    if slot.held:
        return slot
    slot.release()
    return None


_gates: dict[bytes, Gate] = {}


def gate_for(settings: Settings) -> Gate:
    """The process's gate for an account, which is a host and a key. The key is kept as a hash only."""
    account = hashlib.sha256(f"{settings.host}\n{settings.key()}".encode()).digest()
    return _gates.get(account) or _gates.setdefault(account, Gate())


def reset() -> None:
    """Forget all gates; requests that run or wait keep theirs. A forked child begins with this."""
    _gates.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(after_in_child=reset)
