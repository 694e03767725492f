"""Drivers do the steps of an exchange: they wait, send and read, sync or async, and decide nothing."""

import _thread
import asyncio
import contextlib
import math
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stepplan import transport
from stepplan.errors import APIConnectionError
from stepplan.failures import connection_error, without_frames
from stepplan.guard import guard, guard_async, is_guarded, is_left_over, uninterrupted, until, until_async
from stepplan.steps import Acquire, Emit, Head, HTTPRequest, Open, Read, Sleep, Steps

if TYPE_CHECKING:
    from stepplan.errors import StepPlanError

T = TypeVar("T")

_GRACE = 0.05
"""Seconds in which the body of an answer that is whole should end, so that its connection can be used again."""


class _Driver(transport.Call, Generic[T]):
    """Where an exchange stands.

    Args:
        client: The client that makes the call.
        steps: The exchange.
        sleep: What to wait with.
    """

    def __init__(self, client: transport.Client, steps: Steps[T], sleep: Callable[[float], Any]) -> None:
        super().__init__(client)
        self._steps = steps
        self._sleep = sleep
        self._response: Any = None
        self._chunks: Any = None
        self._has_more = False
        self._result: object = None
        self._failure: StepPlanError | None = None

    def _next(self) -> Acquire | Open | Read | Sleep | Emit[T]:
        failure = self._failure
        if failure is None:
            result, self._result = self._result, None
            return self._steps.send(result)
        self._failure = None
        return self._steps.throw(failure)

    def _build(self, http: Any, request: HTTPRequest, trace: Callable[..., object]) -> Any:
        """The request as this client (`httpx` or the like) wants it."""
        # Waiting for a connection is not reading: it has no limit of its own.
        timeout = (request.connect_timeout, request.read_timeout, request.read_timeout, None)
        key = request.key
        return http.build_request(
            request.method,
            request.url,
            headers={**({"authorization": f"Bearer {key.get_secret_value()}"} if key else {}), **request.headers},
            content=request.content,
            timeout=timeout,
            extensions={"trace": trace},
        )

    def _begin(self, response: Any, chunks: Any) -> None:
        self._response, self._chunks, self._has_more = response, chunks, True
        if is_left_over(response):
            self._failure = APIConnectionError(
                "The connection still held bytes of the previous answer, so it was closed."
            )
            return
        self._result = Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


async def _until(deadline: float, work: Awaitable[T]) -> T:
    """Waits for the work, until the deadline (`time.monotonic`)."""
    async with asyncio.timeout(deadline - time.monotonic()):
        return await work


class Driver(_Driver[T]):
    """Does the steps of one exchange in the calling thread.

    If a half-read stream is dropped, the garbage collector may finalize it on any thread, even while that thread holds
    a lock of httpcore's pool; closing the connection there would deadlock. So the transport keeps running calls
    referenced, and an abandoned one is closed on another thread.
    """

    def __init__(self, client: transport.Client, steps: Steps[T], sleep: Callable[[float], Any]) -> None:
        super().__init__(client, steps, sleep)
        self._lock = _thread.allocate_lock()
        self._socket: Any = None  # of the connection, as long as no other call can have it

    def run(self) -> Generator[T]:
        """The items of the answer. Closing the generator closes the connection.

        Raises:
            StepPlanError: The exchange failed.
        """
        close = self._close
        try:
            while True:
                step = self._next()
                while isinstance(step, Emit):
                    yield from step.items
                    step = next(self._steps)
                self._do(step)
        except StopIteration:
            close = self._finish
        except GeneratorExit:
            close = self._close_elsewhere
            raise
        finally:
            close()

    def only(self) -> T:
        """The answer's one item; see `run`."""
        [item] = self.run()
        return item

    def hang_up(self) -> None:
        """Close the connection from another thread: whoever is reading from it gets an error."""
        with self._lock:  # the connection is not given back meanwhile, so no other call's can be hit
            if self._socket is not None:
                with contextlib.suppress(OSError, AttributeError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        self.give_up_slot()

    def _do(self, step: Acquire | Open | Read | Sleep) -> None:
        try:
            if isinstance(step, Read):
                unlimited = step.deadline == math.inf
                data = next(self._chunks, b"") if unlimited else until(step.deadline, next, self._chunks, b"")
                self._result, self._has_more = data, bool(data)
                return
            self._drop()
            if isinstance(step, Open):
                until(step.deadline, self._open, step.request)
            elif isinstance(step, Sleep):
                self._sleep(step.seconds)
            else:
                self.give_up_slot()
                transport.forget_closed_loops()
                self._result = self.slot = step.line.gate.acquire(
                    step.line.limit, first=step.first, deadline=step.deadline
                )
        except Exception as error:  # noqa: BLE001 - told apart by name: the client may be of another library
            self._failure = connection_error(error, self.client.settings.host)
        except BaseException as error:
            without_frames(error)
            raise

    def _open(self, request: HTTPRequest) -> None:
        http = transport.join(self)
        response = http.send(self._build(http, request, guard), stream=True)
        stream = response.extensions.get("network_stream")
        self._socket = stream and stream.get_extra_info("socket")
        close = response.close

        def give_back() -> None:
            with self._lock:
                self._socket = None  # from now on another call may have the connection
            close()

        response.close = give_back  # httpx itself calls it at the end of the body
        self._begin(response, response.iter_bytes())

    def _drop(self) -> None:
        """Free the connection: it is kept if the body was read to its end, and closed if not."""
        response, self._response, self._chunks = self._response, None, None
        if response is not None:
            with contextlib.suppress(Exception):  # given up either way
                response.close()
        transport.leave(self)

    def _close(self) -> None:
        self._drop()
        self.give_up_slot()

    def _finish(self) -> None:
        """Close after a whole answer. Its connection can be used again if the body ends soon."""
        if self._has_more and is_guarded(self._response):
            with contextlib.suppress(Exception):
                until(time.monotonic() + _GRACE, self._read_to_the_end)
        self._close()

    def _read_to_the_end(self) -> None:
        for _ in self._chunks:
            pass

    def _close_elsewhere(self) -> None:
        """Close in another thread, and wait for it as long as it should take."""
        closed = _thread.allocate_lock()
        closed.acquire()

        def close() -> None:
            self._close()
            closed.release()

        with contextlib.suppress(RuntimeError):  # the interpreter ends: no thread can be started any more
            _thread.start_new_thread(close, ())  # `threading` has locks of its own
            closed.acquire(timeout=0.1)


class AsyncDriver(_Driver[T]):
    """Does the steps of one exchange without blocking the event loop."""

    _pools: transport.LoopPools

    async def run(self) -> AsyncGenerator[T]:
        """The items of the answer. Closing the generator closes the connection.

        Raises:
            StepPlanError: The exchange failed.
        """
        self._pools = transport.loop_pools()
        try:
            while (items := await self._advance()) is not None:
                for item in items:
                    yield item
            await self._read_on()
        finally:
            await self._close()

    async def only(self) -> T:
        """The answer's one item. No async generator, because a loop may have shut those down.

        Raises:
            StepPlanError: The exchange failed.
        """
        self._pools = transport.loop_pools()
        items: list[T] = []
        try:
            while (more := await self._advance()) is not None:
                items += more
        finally:
            await self._close()
        [item] = items
        return item

    async def hang_up(self) -> None:
        """Close the connection from another task: whoever is reading from it gets an error."""
        if self._response is not None:
            await self._response.aclose()
        self.give_up_slot()

    async def _advance(self) -> Sequence[T] | None:
        """Do the steps up to the next items; `None` at the end."""
        try:
            while not isinstance(step := self._next(), Emit):
                await self._do(step)
        except StopIteration:
            return None
        return step.items

    async def _do(self, step: Acquire | Open | Read | Sleep) -> None:
        try:
            if isinstance(step, Read):
                reading = anext(self._chunks, b"")
                data = await (reading if step.deadline == math.inf else _until(step.deadline, reading))
                self._result, self._has_more = data, bool(data)
                return
            await self._drop()
            if isinstance(step, Open):
                await _until(step.deadline, self._open(step.request))
            elif isinstance(step, Sleep):
                await self._sleep(step.seconds)
            else:
                self.give_up_slot()
                transport.forget_closed_loops()
                self._result = self.slot = await step.line.gate.acquire_async(
                    step.line.limit, first=step.first, deadline=step.deadline
                )
        except Exception as error:  # noqa: BLE001 - told apart by name: the client may be of another library
            self._failure = connection_error(error, self.client.settings.host)
        except BaseException as error:
            without_frames(error)
            raise

    async def _open(self, request: HTTPRequest) -> None:
        http = await self._pools.join(self)
        response = await http.send(self._build(http, request, guard_async), stream=True)
        close = response.aclose
        response.aclose = lambda: uninterrupted(close())  # httpx itself calls it at the end of the body
        self._begin(response, response.aiter_bytes())

    async def _read_on(self) -> None:
        """Read the end of the body of an answer that is whole."""
        if self._has_more:
            # httpx must not be cancelled, because it might be closing: it would leave the connection open for good.
            wait = until_async if is_guarded(self._response) else _until
            with contextlib.suppress(Exception):
                await wait(time.monotonic() + _GRACE, self._read_to_the_end())

    async def _read_to_the_end(self) -> None:
        async for _ in self._chunks:
            pass

    async def _drop(self) -> None:
        """Free the connection: it is kept if the body was read to its end, and closed if not."""
        response, self._response, self._chunks = self._response, None, None
        try:
            if response is not None:
                await response.aclose()
        except Exception:  # noqa: BLE001, S110 - given up either way
            pass
        finally:
            self._pools.leave(self)

    async def _close(self) -> None:
        try:
            await self._drop()
        finally:
            self.give_up_slot()
