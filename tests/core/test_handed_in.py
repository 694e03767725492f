"""HTTP clients that are handed in: used as they are, and never closed."""

from typing import Any

import httpx
import httpx2
import pytest

from stepplan import APIConnectionError, AsyncClient, Client, Message, Request, fold
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import settings_for

REQUEST = Request(messages=(Message.user("Hello"),))


@pytest.mark.guarantees("own-client")
@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_client_that_is_handed_in_is_used_and_not_closed(library: Any, plan: Sandbox) -> None:
    seen: list[str] = []

    def look(request: Any) -> None:
        seen.append(str(request.url))

    http = library.Client(event_hooks={"request": [look]}, trust_env=False)
    with Client(settings_for(plan), http_client=http) as client:
        assert client.send(REQUEST).text
        assert fold(client.stream(REQUEST)).text
    assert not http.is_closed
    assert seen == [f"{plan.base_url}/v1/chat/completions"] * 2
    plan.script(Turn(fault=Fault(reset=True, times=5)))
    with pytest.raises(APIConnectionError):
        client.send(REQUEST)
    http.close()


@pytest.mark.guarantees("own-client")
@pytest.mark.parametrize("library", [httpx, httpx2])
async def test_an_async_client_that_is_handed_in_is_used_and_not_closed(library: Any, plan: Sandbox) -> None:
    async with library.AsyncClient(trust_env=False) as http:
        async with AsyncClient(settings_for(plan, stream_timeout=0.2), http_client=http) as client:
            assert (await client.send(REQUEST)).text
            assert fold([event async for event in client.stream(REQUEST)]).text
        assert not http.is_closed
        plan.script(*[Turn(text="x", fault=Fault(stall_after=1))] * 3)
        with pytest.raises(APIConnectionError, match="did not answer in time"):
            await anext(client.stream(REQUEST))
