"""The gate: who may go, who waits, and that nobody waits in vain."""

import asyncio
import gc
import logging
import threading
import time
from functools import partial
from typing import Any

import pytest

from stepplan import QuotaExceededError, gate
from stepplan.gate import Gate, Slot

SETTLING = 0.05
"""Seconds in which what does not happen would have happened."""


def held(slot: Slot | None) -> Slot:
    assert slot is not None
    assert slot.held
    return slot


def fill(line: Gate, limit: int) -> list[Slot]:
    """Take all slots there are."""
    return [held(line.acquire(limit)) for _ in range(limit)]


class Waiter(threading.Thread):
    """Waits for a slot in a thread of its own."""

    def __init__(self, line: Gate, limit: float, **options: Any) -> None:
        super().__init__(daemon=True)
        self.slot: Slot | None = None
        self.error: BaseException | None = None
        self._acquire = partial(line.acquire, limit, **options)
        self.start()
        time.sleep(0.01)  # so that waiters stand in line in the order they are made in

    def run(self) -> None:
        try:
            self.slot = self._acquire()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def got(self) -> Slot:
        self.join(5)
        return held(self.slot)


@pytest.fixture
def line() -> Gate:
    return Gate()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that does not move for a part of a second stands still."""
    monkeypatch.setattr(gate, "STANDSTILL", 0.3)


# ------------------------------------------------------------------------------------------------------------- in line


def test_no_more_than_the_limit_run_and_the_others_go_in_their_order(line: Gate) -> None:
    slots = fill(line, 2)
    waiters = [Waiter(line, 2) for _ in range(3)]
    time.sleep(SETTLING)
    assert all(waiter.is_alive() for waiter in waiters)
    for waiter in waiters:
        slots.pop(0).release()
        slots.append(waiter.got())
    assert slots[-1].rank == 2


def test_giving_back_twice_frees_one_slot(line: Gate) -> None:
    [slot] = fill(line, 1)
    slot.release()
    slot.release()
    slots = fill(line, 1)
    assert Waiter(line, 1).is_alive()
    assert len(slots) == 1


def test_one_who_waits_may_leave_twice(line: Gate) -> None:
    [slot] = fill(line, 1)
    first, second = Waiter(line, 1), Waiter(line, 1)
    leaving = next(iter(line._line))
    leaving.release()
    leaving.release()
    slot.release()
    second.got().release()
    leaving.error = QuotaExceededError("gone")  # nobody wakes one who has left
    leaving.wake()
    first.join(5)


def test_each_goes_by_its_own_limit(line: Gate) -> None:
    slots = fill(line, 2)
    slots.append(held(line.acquire(3)))
    few = Waiter(line, 1)
    slots[0].release()
    time.sleep(SETTLING)
    assert few.is_alive()
    for slot in slots:
        slot.release()
    few.got()


def test_a_request_that_was_there_before_waits_at_the_head(line: Gate) -> None:
    [slot] = fill(line, 1)
    later, earlier = Waiter(line, 1), Waiter(line, 1, first=True)
    slot.release()
    earlier.got()
    assert later.is_alive()


async def test_threads_and_loops_share_a_gate(line: Gate) -> None:
    running, most, total = 0, 0, 0
    lock = threading.Lock()

    def note(change: int) -> None:
        nonlocal running, most, total
        with lock:
            running += change
            most, total = max(most, running), total + (change > 0)

    def in_thread() -> None:
        for _ in range(50):
            slot = held(line.acquire(3))
            note(1)
            time.sleep(0.0002)
            note(-1)
            slot.release()

    async def in_task() -> None:
        for _ in range(10):
            slot = held(await line.acquire_async(3))
            note(1)
            await asyncio.sleep(0.0002)
            note(-1)
            slot.release()

    async def in_loop() -> None:
        await asyncio.gather(*(in_task() for _ in range(10)))

    await asyncio.gather(
        in_loop(), *(asyncio.to_thread(in_thread) for _ in range(2)), asyncio.to_thread(lambda: asyncio.run(in_loop()))
    )
    assert (running, most, total) == (0, 3, 300)


# ------------------------------------------------------------------------------------------------------------- leaving


async def test_a_cancelled_waiter_leaves_the_line(line: Gate) -> None:
    [slot] = fill(line, 1)
    tasks = [asyncio.create_task(line.acquire_async(1)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    slot.release()
    held(await tasks[1])
    assert not tasks[2].done()
    tasks[2].cancel()


async def test_a_slot_that_was_handed_to_a_waiter_who_is_cancelled_is_passed_on(line: Gate) -> None:
    [slot] = fill(line, 1)
    first, second = (asyncio.create_task(line.acquire_async(1)) for _ in range(2))
    await asyncio.sleep(0)
    slot.release()  # hands it to the first, who has not run since
    first.cancel()
    held(await asyncio.wait_for(second, 5))
    assert first.cancelled()


def test_a_loop_that_is_closed_while_it_waits_holds_nobody_up(line: Gate) -> None:
    [slot] = fill(line, 1)
    loops = [asyncio.new_event_loop() for _ in range(50)]
    kept = [loop.create_task(line.acquire_async(1)) for loop in loops]
    for loop in loops:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    waiter = Waiter(line, 1)
    slot.release()
    waiter.got()
    for task in kept:  # they would be complained about
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_slot_that_is_collected_is_given_back(line: Gate) -> None:
    [slot] = fill(line, 1)
    waiter = Waiter(line, 1)
    cycle = [slot]
    cycle.append(cycle)  # type: ignore[arg-type]
    del slot, cycle
    gc.collect()
    waiter.got()


def test_collecting_a_slot_amid_the_gates_work_does_not_hang(line: Gate) -> None:
    slots = fill(line, 2)
    waiter = Waiter(line, 2)

    def collect() -> None:
        with line._locked():
            slots.clear()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    waiter.got()


def test_a_deadline_ends_the_waiting(line: Gate) -> None:
    [slot] = fill(line, 1)
    before = time.monotonic()
    assert line.acquire(1, deadline=before + 0.1) is None
    assert asyncio.run(line.acquire_async(1, deadline=before + 0.2)) is None
    assert 0.2 <= time.monotonic() - before < 2
    slot.release()
    fill(line, 1)


# ------------------------------------------------------------------------------------------------------ standing still


@pytest.mark.guarantees("never-stuck")
@pytest.mark.usefixtures("hurry")
def test_when_nothing_moves_the_first_in_line_goes_ahead_and_the_others_after_it(
    line: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "stepplan")
    slots = fill(line, 2)
    before = time.monotonic()
    first = held(line.acquire(2))
    assert 0.3 <= time.monotonic() - before < 2
    assert "the next one goes ahead" in caplog.text
    second = Waiter(line, 2)
    first.release()
    assert time.monotonic() - before < 2
    second.got().release()
    slots.pop().release()
    slots.append(held(line.acquire(2)))
    assert line.acquire(2, deadline=time.monotonic() + SETTLING) is None, "one more was for those who stood in line"


@pytest.mark.usefixtures("hurry")
async def test_a_task_goes_ahead_as_well(line: Gate) -> None:
    slots = fill(line, 1)
    slots.append(held(await asyncio.wait_for(line.acquire_async(1), 5)))
    assert slots[1].ahead


@pytest.mark.usefixtures("hurry")
def test_a_line_that_moves_lets_nobody_go_ahead(line: Gate) -> None:
    slots = fill(line, 1)
    waiters = [Waiter(line, 1) for _ in range(6)]
    for waiter in waiters:  # each for less than a standstill, all together for much longer
        time.sleep(0.1)
        slots.pop().release()
        slots.append(waiter.got())
        assert slots[0].rank == 1
        assert not slots[0].ahead


# ----------------------------------------------------------------------------------------------- what the server says


def test_a_limit_that_the_server_names_lowers_the_gate(line: Gate) -> None:
    slots = fill(line, 5)
    assert not line.refused(slots[4], 3)
    assert not line.refused(slots[3], 3)
    waiters = [Waiter(line, 5, first=True) for _ in range(2)]
    for slot in slots[:3]:
        slot.release()
    again = [waiter.got() for waiter in waiters]
    again.append(held(line.acquire(5)))
    assert line.acquire(5, deadline=time.monotonic() + SETTLING) is None
    assert {slot.rank for slot in again} == {3}


def test_a_refusal_within_the_limit_means_that_others_use_the_account(line: Gate) -> None:
    slots = fill(line, 4)
    assert not line.refused(slots[3], 10)
    assert not line.refused(slots[2], 10)
    slots[0].release()
    slots.append(held(line.acquire(4)))
    assert line.acquire(4, deadline=time.monotonic() + SETTLING) is None, "two were running when the third was refused"


def test_a_request_that_is_refused_alone_keeps_its_slot_and_the_others_wait(line: Gate) -> None:
    [slot] = fill(line, 1)
    waiter = Waiter(line, 1)
    assert line.refused(slot, 10)
    assert slot.held
    time.sleep(SETTLING)
    assert waiter.is_alive()
    slot.release()
    waiter.got()


def test_a_lowered_gate_is_raised_again_by_what_passes(line: Gate) -> None:
    slots = fill(line, 8)
    for slot in reversed(slots):
        line.refused(slot, 10)
    slots[0].release()
    kept = [held(line.acquire(8))]
    assert line.acquire(8, deadline=0) is None
    for _ in range(2 * sum(range(1, 8))):
        line.accepted()
    kept += [held(line.acquire(8)) for _ in range(7)]
    assert len(kept) == 8
    assert line.acquire(8, deadline=0) is None


async def test_what_waits_can_be_called_off(line: Gate) -> None:
    slots = fill(line, 1)
    waiter, task = Waiter(line, 1), asyncio.create_task(line.acquire_async(1))
    await asyncio.sleep(0)
    error = QuotaExceededError("402: used up.", body={"a": 1})
    line.call_off(error)
    with pytest.raises(QuotaExceededError, match=r"402: used up\.") as caught:
        await task
    waiter.join(5)
    assert isinstance(waiter.error, QuotaExceededError)
    assert caught.value is not error
    assert caught.value.body == {"a": 1}
    slots[0].release()
    fill(line, 1)


# ------------------------------------------------------------------------------------------------------------- the log


def test_waiting_is_logged(line: Gate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "stepplan")
    slots = fill(line, 2)
    assert caplog.text == ""
    line.acquire(2, deadline=time.monotonic() + 0.01)
    assert "Waiting in line: 2 requests of this account are running, 1 wait." in caplog.text
    assert len(slots) == 2
