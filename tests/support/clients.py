"""One way to ask for both clients: a test that holds for one has to hold for the other."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stepplan import PROTOCOLS as WIRES
from stepplan import (
    AsyncClient,
    Client,
    Event,
    ModelInfo,
    ProtocolName,
    Request,
    Response,
    RetryPolicy,
    Settings,
    StepPlanError,
)
from stepplan.sandbox import Sandbox

Way = Literal["sync", "async"]
WAYS: tuple[Way, ...] = get_args(Way)
TRANSPORTS = ("httpx", "aiohttp")
"""What async calls go over."""
PROTOCOLS: tuple[ProtocolName, ...] = tuple(WIRES)


QUICK = RetryPolicy(initial=0.02)
"""Waits between attempts are hundredths of seconds."""


def settings_for(plan: Sandbox, **fields: Any) -> Settings:
    return Settings(**{"api_key": plan.api_key, "base_url": plan.base_url, "retry": QUICK, **fields})


@dataclass(frozen=True)
class Asker:
    """Asks with the sync or with the async client; `http_client` is one of that kind."""

    way: Way
    settings: Settings
    protocol: ProtocolName = "openai"
    http_client: Any = None

    @property
    def _client(self) -> Client:
        return Client(self.settings, protocol=self.protocol, http_client=self.http_client)

    @property
    def _async_client(self) -> AsyncClient:
        return AsyncClient(self.settings, protocol=self.protocol, http_client=self.http_client)

    def send(self, request: Request) -> Response:
        if self.way == "sync":
            return self._client.send(request)
        return asyncio.run(self._async_client.send(request))

    def stream(self, request: Request) -> list[Event]:
        if self.way == "sync":
            return list(self._client.stream(request))
        return asyncio.run(_listed(self._async_client.stream(request)))

    def stream_until_error(self, request: Request) -> tuple[list[Event], StepPlanError | None]:
        """The events, and the error that ended them if one did."""
        if self.way == "sync":
            events: list[Event] = []
            try:
                for event in self._client.stream(request):
                    events.append(event)  # noqa: PERF402 - what came before the error counts
            except StepPlanError as error:
                return events, error
            return events, None
        return asyncio.run(_listed_until_error(self._async_client.stream(request)))

    def count_tokens(self, request: Request) -> int:
        if self.way == "sync":
            return self._client.count_tokens(request)
        return asyncio.run(self._async_client.count_tokens(request))

    def models(self) -> tuple[ModelInfo, ...]:
        if self.way == "sync":
            return self._client.models()
        return asyncio.run(self._async_client.models())

    def whole_or_streamed(self, request: Request, *, streamed: bool) -> object:
        return self.stream(request) if streamed else self.send(request)


async def _listed(events: AsyncGenerator[Event]) -> list[Event]:
    return [event async for event in events]


async def _listed_until_error(events: AsyncGenerator[Event]) -> tuple[list[Event], StepPlanError | None]:
    listed: list[Event] = []
    try:
        async for event in events:
            listed.append(event)  # noqa: PERF401 - what came before the error counts
    except StepPlanError as error:
        return listed, error
    return listed, None
