"""Client and AsyncClient: thin drivers of the exchange.

A client is a value: it holds settings but no connection, so it costs nothing to make, pickles, and works in any event
loop and after a fork. Connections come from `stepplan.transport`, or from an httpx client that is handed in.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from stepplan import arguments, transport
from stepplan.answers import AnswerReader
from stepplan.driver import AsyncDriver, Driver
from stepplan.events import Event
from stepplan.exchange import encode_json, exchange, read_json, read_stream
from stepplan.gate import gate_for
from stepplan.headers import Headers
from stepplan.pools import PoolKey
from stepplan.protocols import ProtocolName, token_counter, wire_protocol
from stepplan.refusals import Origin
from stepplan.requests import Request
from stepplan.responses import Response
from stepplan.settings import Settings
from stepplan.steps import Head, HTTPRequest, Line, Steps
from stepplan.version import __version__

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
        if settings is not None:
            arguments.instance("settings", settings, Settings)
        self.settings = settings or Settings()
        self.protocol: ProtocolName = protocol

    def __copy__(self) -> Self:
        """Copies share the caller's HTTP client, whose connections cannot be copied. All else is a value."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        """The caller's HTTP client stays behind: connections do not travel between processes."""
        return {**self.__dict__, "http_client": None}

    @property
    def _pool_key(self) -> PoolKey:
        return transport.pool_key(self.settings)

    @property
    def _line(self) -> Line:
        """The line of this client's account. Only answers wait in it: nothing else counts toward the plan's limit."""
        return Line(gate_for(self.settings), self.settings.concurrency, self.settings.timeout)

    def _send_steps(self, request: Request) -> Steps[Response]:
        arguments.instance("request", request, Request)
        wire = wire_protocol(self.protocol)
        http = self._http(wire.PATH, wire.HEADERS, request, wire.encode(request, stream=False))

        def read(head: Head) -> Steps[Response]:
            return read_json(http, head, AnswerReader(wire, request, head.trace_id).read)

        return self._exchange(http, read, request, self._line)

    def _stream_steps(self, request: Request) -> Steps[Event]:
        arguments.instance("request", request, Request)
        wire = wire_protocol(self.protocol)
        http = self._http(wire.PATH, wire.HEADERS, request, wire.encode(request, stream=True))
        http = replace(http, read_timeout=self.settings.stream_timeout)

        def read(head: Head) -> Steps[Event]:
            return read_stream(http, head, AnswerReader(wire, request, head.trace_id))

        return self._exchange(http, read, request, self._line)

    def _count_steps(self, request: Request) -> Steps[int]:
        arguments.instance("request", request, Request)
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

    def _exchange(
        self,
        http: HTTPRequest,
        read: Callable[[Head], Steps[T]],
        request: Request | None,
        line: Line | None = None,
    ) -> Steps[T]:
        policy = self.settings.retry.within(self.settings.timeout)
        return exchange(http, read, policy, lambda: self._origin(http, request), line)

    def _origin(self, http: HTTPRequest, request: Request | None) -> Origin:
        settings = self.settings
        key_source = "the authorization header" if "authorization" in http.headers else settings.key_source
        model = None if request is None else str(request.extra_body.get("model", request.model))
        return Origin(http.url, settings.endpoint, key_source, model)


def _decode_models(body: Mapping[str, Any]) -> tuple[ModelInfo, ...]:
    return tuple(ModelInfo(item["id"], item) for item in body["data"])


class Client(_Client):
    """A synchronous client of the plan.

    Example:
        `Client().send(Request(messages=(Message.user("Hello"),))).text`

    Args:
        settings: Address, key and timeouts; by default the global plan, with the key from the environment.
        protocol: `openai` (Chat Completions) or `anthropic` (Messages).
        http_client: An httpx client to send requests with. It is not closed for you.

    Raises:
        InvalidRequestError: `settings` or `http_client` is of the wrong type, or there is no such protocol.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        protocol: ProtocolName = "openai",
        http_client: transport.HTTPClient | None = None,
    ) -> None:
        super().__init__(settings, protocol)
        if http_client is not None:
            arguments.http_client("http_client", http_client, asynchronous=False)
        self.http_client = http_client

    def send(self, request: Request) -> Response:
        """The whole answer.

        Raises:
            StepPlanError: The call failed. The class tells why; see `stepplan.errors`.
        """
        return self._driver(self._send_steps(request)).only()

    def stream(self, request: Request) -> Generator[Event]:
        """The answer's events as they arrive. Closing the generator closes the connection.

        Raises:
            StepPlanError: As for `send`; `partial` holds the part of the answer that had arrived.
        """
        return self._driver(self._stream_steps(request)).run()

    def count_tokens(self, request: Request) -> int:
        """The number of input tokens of a request, as the server counts them (`/v1/messages/count_tokens`).

        Raises:
            StepPlanError: As for `send`.
        """
        return self._driver(self._count_steps(request)).only()

    def models(self) -> tuple[ModelInfo, ...]:
        """The models that the plan lists (`/v1/models`).

        Raises:
            StepPlanError: As for `send`.
        """
        return self._driver(self._models_steps()).only()

    def close(self) -> None:
        """End the answers that this client is reading, and close its connections unless another client is using them.

        All clients with the same proxy and TLS settings share connections. The next request opens new ones. A client
        that was handed in stays open.
        """
        for call in transport.calls_of(self):
            call.hang_up()
        if self.http_client is None:
            transport.close_sync_pool(self._pool_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _driver(self, steps: Steps[T]) -> Driver[T]:
        return Driver(self, steps, time.sleep)


class AsyncClient(_Client):
    """An asynchronous client of the plan. One client may be used in several event loops.

    Example:
        `(await AsyncClient().send(Request(messages=(Message.user("Hello"),)))).text`

    Args:
        settings: Address, key and timeouts; by default the global plan, with the key from the environment.
        protocol: `openai` (Chat Completions) or `anthropic` (Messages).
        http_client: An async httpx client to send requests with. It is not closed for you.

    Raises:
        InvalidRequestError: `settings` or `http_client` is of the wrong type, or there is no such protocol.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        protocol: ProtocolName = "openai",
        http_client: transport.AsyncHTTPClient | None = None,
    ) -> None:
        super().__init__(settings, protocol)
        if http_client is not None:
            arguments.http_client("http_client", http_client, asynchronous=True)
        self.http_client = http_client

    async def send(self, request: Request) -> Response:
        """The whole answer.

        Raises:
            StepPlanError: The call failed. The class tells why; see `stepplan.errors`.
        """
        return await self._driver(self._send_steps(request)).only()

    def stream(self, request: Request) -> AsyncGenerator[Event]:
        """The answer's events as they arrive. Closing the generator closes the connection.

        Raises:
            StepPlanError: As for `send`; `partial` holds the part of the answer that had arrived.
        """
        return self._driver(self._stream_steps(request)).run()

    async def count_tokens(self, request: Request) -> int:
        """The number of input tokens of a request, as the server counts them (`/v1/messages/count_tokens`).

        Raises:
            StepPlanError: As for `send`.
        """
        return await self._driver(self._count_steps(request)).only()

    async def models(self) -> tuple[ModelInfo, ...]:
        """The models that the plan lists (`/v1/models`).

        Raises:
            StepPlanError: As for `send`.
        """
        return await self._driver(self._models_steps()).only()

    async def aclose(self) -> None:
        """As `Client.close`, for the running event loop: connections belong to the loop that opened them."""
        pools = transport.loop_pools()
        for call in pools.calls_of(self):
            await call.hang_up()
        if self.http_client is None:
            await pools.close_pool(self._pool_key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _driver(self, steps: Steps[T]) -> AsyncDriver[T]:
        return AsyncDriver(self, steps, asyncio.sleep)
