"""Client and AsyncClient: thin drivers of the exchange.

A client is a value: it holds settings but no connection, so it costs nothing to make, pickles, and works in any event
loop and after a fork. Connections come from `stepplan.transport`, or from an httpx client that is handed in.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stepplan import transport
from stepplan.answers import AnswerReader
from stepplan.events import Event
from stepplan.exchange import Emit, Head, HTTPRequest, Open, Read, Steps, encode_json, exchange, read_json, read_stream
from stepplan.headers import Headers
from stepplan.protocols import ProtocolName, token_counter, wire_protocol
from stepplan.refusals import Origin
from stepplan.requests import Request
from stepplan.responses import Response
from stepplan.settings import Settings
from stepplan.version import __version__

if TYPE_CHECKING:
    from stepplan.errors import StepPlanError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the plan lists.

    Attributes:
        id: The model's name.
        details: Everything the server reports about it, as JSON.
    """

    id: str
    details: Mapping[str, Any]


class _Client:
    """Builds requests; shared by Client and AsyncClient. Does no I/O."""

    def __init__(self, settings: Settings | None, protocol: ProtocolName) -> None:
        wire_protocol(protocol)  # raises if there is none
        self.settings = settings or Settings()
        self.protocol: ProtocolName = protocol

    @property
    def _pool_key(self) -> transport.PoolKey:
        return self.settings.proxy, self.settings.verify

    def _send_steps(self, request: Request) -> Steps[Response]:
        wire = wire_protocol(self.protocol)
        http = self._http(wire.PATH, wire.HEADERS, request, wire.encode(request, stream=False))
        return self._exchange(
            http, lambda head: read_json(http, head, AnswerReader(wire, request, head.trace_id).read), request
        )

    def _stream_steps(self, request: Request) -> Steps[Event]:
        wire = wire_protocol(self.protocol)
        http = self._http(wire.PATH, wire.HEADERS, request, wire.encode(request, stream=True))
        http = replace(http, read_timeout=self.settings.stream_timeout)
        return self._exchange(
            http, lambda head: read_stream(http, head, AnswerReader(wire, request, head.trace_id)), request
        )

    def _count_steps(self, request: Request) -> Steps[int]:
        wire, counter = token_counter(self.protocol)
        http = self._http(counter.path, wire.HEADERS, request, counter.encode(request))
        return self._exchange(http, lambda head: read_json(http, head, counter.decode), request)

    def _models_steps(self) -> Steps[tuple[ModelInfo, ...]]:
        http = self._http("/models", {}, None, None)
        return self._exchange(http, lambda head: read_json(http, head, _decode_models), None)

    def _http(
        self, path: str, headers: Mapping[str, str], request: Request | None, body: Mapping[str, Any] | None
    ) -> HTTPRequest:
        settings = self.settings
        merged = Headers(
            {
                "user-agent": f"stepplan/{__version__}",
                **({"content-type": "application/json"} if body is not None else {}),
                **headers,
                **settings.headers,
                **(request.extra_headers if request else {}),
            }
        )
        return HTTPRequest(
            method="GET" if body is None else "POST",
            url=f"{settings.root}/v1{path}",
            headers=merged,
            key=settings.secret_key(),
            content=None if body is None else encode_json(body),
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.timeout,
        )

    def _exchange(self, http: HTTPRequest, read: Callable[[Head], Steps[T]], request: Request | None) -> Steps[T]:
        settings = self.settings
        return exchange(http, read, settings.retry.within(settings.timeout), lambda: self._origin(http, request))

    def _origin(self, http: HTTPRequest, request: Request | None) -> Origin:
        settings = self.settings
        return Origin(http.url, settings.endpoint, settings.key_source, request.model if request else None)


def _decode_models(body: Mapping[str, Any]) -> tuple[ModelInfo, ...]:
    return tuple(ModelInfo(item["id"], item) for item in body["data"])


class Client(_Client):
    """A synchronous client of the plan.

    Example:
        `Client().send(Request(messages=(Message.user("Hello"),))).text`

    Args:
        settings: Address, key and timeouts; by default the global plan, with the key from the environment.
        protocol: `openai` (Chat Completions) or `anthropic` (Messages).
        http_client: An httpx client to send requests with. It is never closed here.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        protocol: ProtocolName = "openai",
        http_client: transport.HTTPClient | None = None,
    ) -> None:
        super().__init__(settings, protocol)
        self._http_client = http_client

    def send(self, request: Request) -> Response:
        """The whole answer.

        Raises:
            StepPlanError: The class tells what went wrong; see `stepplan.errors`.
        """
        return _only(self._drive(self._send_steps(request)))

    def stream(self, request: Request) -> Generator[Event]:
        """The answer's events as they arrive. Closing the generator closes the connection.

        Raises:
            StepPlanError: As for `send`; `partial` holds the part of the answer that had arrived.
        """
        return self._drive(self._stream_steps(request))

    def count_tokens(self, request: Request) -> int:
        """The number of input tokens of a request, as the server counts them (`/v1/messages/count_tokens`).

        Raises:
            StepPlanError: As for `send`.
        """
        return _only(self._drive(self._count_steps(request)))

    def models(self) -> tuple[ModelInfo, ...]:
        """The models that the plan lists (`/v1/models`).

        Raises:
            StepPlanError: As for `send`.
        """
        return _only(self._drive(self._models_steps()))

    def close(self) -> None:
        """Close the connections, busy ones too, that this client shares with its equals; the next request opens new."""
        if self._http_client is None:
            transport.close_sync_pool(self._pool_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drive(self, steps: Steps[T]) -> Generator[T]:
        reply: transport.Reply | None = None
        result: Head | bytes | None = None
        failure: StepPlanError | None = None
        try:
            while True:
                step = steps.send(result) if failure is None else steps.throw(failure)
                result = failure = None
                if isinstance(step, Emit):
                    yield from step.items
                    continue
                try:
                    if isinstance(step, Read):
                        result = reply.read() if reply else b""
                        continue
                    if reply is not None:
                        reply.close()
                    if isinstance(step, Open):
                        http = self._http_client or transport.sync_pool(self._pool_key)
                        response = http.send(transport.build(http, step.request), stream=True)
                        reply, result = transport.Reply(response), transport.head(response)
                    else:
                        time.sleep(step.seconds)
                except Exception as error:  # noqa: BLE001 - classified by name: the client may be of another library
                    failure = transport.connection_error(error, self.settings.host)
        except StopIteration:
            return
        except GeneratorExit:
            if reply is not None:
                reply.leave()
                reply = None
            raise
        finally:
            if reply is not None:
                reply.close()


class AsyncClient(_Client):
    """An asynchronous client of the plan. One client may be used in several event loops.

    Example:
        `(await AsyncClient().send(Request(messages=(Message.user("Hello"),)))).text`

    Args:
        settings: Address, key and timeouts; by default the global plan, with the key from the environment.
        protocol: `openai` (Chat Completions) or `anthropic` (Messages).
        http_client: An async httpx client to send requests with. It is never closed here.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        protocol: ProtocolName = "openai",
        http_client: transport.AsyncHTTPClient | None = None,
    ) -> None:
        super().__init__(settings, protocol)
        self._http_client = http_client

    async def send(self, request: Request) -> Response:
        """The whole answer.

        Raises:
            StepPlanError: The class tells what went wrong; see `stepplan.errors`.
        """
        return await _only_async(self._drive(self._send_steps(request)))

    def stream(self, request: Request) -> AsyncGenerator[Event]:
        """The answer's events as they arrive. Closing the generator closes the connection.

        Raises:
            StepPlanError: As for `send`; `partial` holds the part of the answer that had arrived.
        """
        return self._drive(self._stream_steps(request))

    async def count_tokens(self, request: Request) -> int:
        """The number of input tokens of a request, as the server counts them (`/v1/messages/count_tokens`).

        Raises:
            StepPlanError: As for `send`.
        """
        return await _only_async(self._drive(self._count_steps(request)))

    async def models(self) -> tuple[ModelInfo, ...]:
        """The models that the plan lists (`/v1/models`).

        Raises:
            StepPlanError: As for `send`.
        """
        return await _only_async(self._drive(self._models_steps()))

    async def aclose(self) -> None:
        """Close the connections, busy ones too, that this client shares with its equals in this loop."""
        if self._http_client is None:
            await transport.close_async_pool(self._pool_key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _drive(self, steps: Steps[T]) -> AsyncGenerator[T]:
        reply: Any = None
        chunks: Any = None
        result: Head | bytes | None = None
        failure: StepPlanError | None = None
        try:
            while True:
                step = steps.send(result) if failure is None else steps.throw(failure)
                result = failure = None
                if isinstance(step, Emit):
                    for item in step.items:
                        yield item
                    continue
                try:
                    if isinstance(step, Read):
                        result = await anext(chunks, b"")
                        continue
                    if reply is not None:
                        await reply.aclose()
                    if isinstance(step, Open):
                        http = self._http_client or await transport.async_pool(self._pool_key)
                        reply = await http.send(transport.build(http, step.request), stream=True)
                        chunks, result = reply.aiter_bytes(), transport.head(reply)
                    else:
                        await asyncio.sleep(step.seconds)
                except Exception as error:  # noqa: BLE001 - classified by name: the client may be of another library
                    failure = transport.connection_error(error, self.settings.host)
        except StopIteration:
            return
        finally:
            if reply is not None:
                await reply.aclose()


def _only(items: Generator[T]) -> T:
    [item] = items
    return item


async def _only_async(items: AsyncGenerator[T]) -> T:
    [item] = [item async for item in items]
    return item
