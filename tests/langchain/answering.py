"""A model whose server says what a test says, byte for byte, and notes what it was asked."""

from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import SecretStr

from langchain_stepplan import ChatStepPlan
from stepplan import ProtocolName


@dataclass
class Server:
    """Gives its answers in turn: an object as JSON, bytes as a stream."""

    answers: list[dict[str, Any] | bytes]
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=answer)

    def model(self, protocol: ProtocolName, **fields: Any) -> ChatStepPlan:
        """A model that asks here."""
        transport = httpx.MockTransport(self.answer)
        known: dict[str, Any] = {"max_retries": 0, **fields}
        return ChatStepPlan(
            protocol=protocol,
            api_key=SecretStr("sk-test"),
            http_client=httpx.Client(transport=transport),
            http_async_client=httpx.AsyncClient(transport=transport),
            **known,
        )
