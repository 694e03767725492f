"""What LangSmith's client sends of a run: metadata, token counts, finish reason, calls, and no key."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from langsmith.schemas import BatchIngestConfig, LangSmithInfo

from langchain_stepplan import ChatStepPlan
from stepplan import AuthenticationError, ProtocolName
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.tracing import OPTIONS, SECRET, TURN, of, prompt_tokens, reasoning_tokens, receiving
from tests.support.ways.langchain import WAYS, Way

pytestmark = pytest.mark.guarantees("tracers-see-it", "tracers-see-no-key")

# One batch is one body of JSON, which is easy to read.
BATCHES: BatchIngestConfig = {
    "use_multipart_endpoint": False,
    "size_limit": 100,
    "size_limit_bytes": None,
    "scale_up_qsize_trigger": 1000,
    "scale_up_nthreads_limit": 1,
    "scale_down_nempty_trigger": 4,
}


class LangSmith:
    """A server in LangSmith's place.

    Attributes:
        received: The bodies that it was sent, joined.
        runs: The runs in them, with the fields of their start and of their end.
    """

    def __init__(self) -> None:
        self.received = ""
        self.runs: dict[str, dict[str, Any]] = {}

    def take(self, body: bytes) -> None:
        self.received += body.decode()
        batch = json.loads(body)
        for run in [*batch.get("post", []), *batch.get("patch", [])]:
            self.runs.setdefault(run["id"], {}).update(run)


@pytest.fixture
def langsmith() -> Iterator[tuple[LangSmith, Client]]:
    service = LangSmith()

    with receiving(service.take) as url:
        client = Client(api_url=url, api_key="lsv2-1", info=LangSmithInfo(batch_ingest_config=BATCHES))
        try:
            yield service, client
        finally:
            client.close(timeout=30)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_a_run_holds_all_of_it_and_no_key(
    plan: Sandbox, langsmith: tuple[LangSmith, Client], protocol: ProtocolName, way: Way
) -> None:
    service, client = langsmith
    plan.script(TURN)
    model = ChatStepPlan(base_url=plan.base_url, api_key=plan.api_key, protocol=protocol, **OPTIONS)
    await way(model.with_config(callbacks=[LangChainTracer(client=client)]), "Hi")
    client.flush(timeout=30)

    [run] = service.runs.values()
    reasoning = reasoning_tokens(protocol)
    expected = {
        "ls_provider": "stepplan",
        "ls_model_name": "step-3.7-flash",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 99,
        "usage_metadata": {
            "input_tokens": prompt_tokens(protocol),
            "output_tokens": 10,
            "total_tokens": prompt_tokens(protocol) + 10,
            "input_token_details": {"cache_read": 8},
            **({"output_token_details": {"reasoning": reasoning}} if reasoning else {}),
        },
    }
    assert of(run["extra"]["metadata"], expected) == expected
    [[generation]] = run["outputs"]["generations"]
    assert generation["generation_info"]["finish_reason"] == "tool_calls"
    assert generation["message"]["kwargs"]["tool_calls"][0]["args"] == {"x": 1}
    assert [event["name"] for event in run["events"][:2]] == [
        "start",
        "end" if "invoke" in way.__name__ else "new_token",
    ]
    assert plan.api_key not in service.received
    assert SECRET not in service.received


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_run_that_failed_tells_the_error_and_no_key(
    plan: Sandbox, langsmith: tuple[LangSmith, Client], protocol: ProtocolName
) -> None:
    service, client = langsmith
    plan.script(Turn(fault=Fault(status=401)))
    model = ChatStepPlan(base_url=plan.base_url, api_key=plan.api_key, protocol=protocol, **OPTIONS)
    with pytest.raises(AuthenticationError):
        model.invoke("Hi", {"callbacks": [LangChainTracer(client=client)]})
    client.flush(timeout=30)

    [run] = service.runs.values()
    assert "AuthenticationError" in run["error"]
    assert plan.api_key not in service.received
    assert SECRET not in service.received
