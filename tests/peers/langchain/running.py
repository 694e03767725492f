"""Features of the object itself: making, copying, loops, clients, dumps, belonging."""

import asyncio
import copy
import json
import pickle
import socket
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import httpx
import langchain.chat_models.base as chat_models
from langchain.chat_models import init_chat_model
from langchain_core.load import dumpd, load

import langchain_stepplan
from stepplan.sandbox import Fault, Turn
from tests.peers.features import Bench
from tests.peers.features import for_langchain as feature
from tests.support.cpu import cpu_seconds
from tests.support.servers import RawServer, raw_server, response


@feature("The model object", "construction takes less than a twentieth of the time of `httpx.Client()`")
def made_quickly(it: Bench) -> None:
    model, client = cpu_seconds(it.llm, times=5), cpu_seconds(httpx.Client)
    assert model < client / 20, f"takes {model / client:.2f} of it"


@feature("The model object", "a used model can be pickled and deep-copied")
def copies(it: Bench) -> None:
    model = it.llm()
    model.invoke("hi")
    assert copy.deepcopy(model).invoke("hi").text
    assert pickle.loads(pickle.dumps(model)).invoke("hi").text


@feature("The model object", "a model works in several event loops in turn, without retries")
def loops(it: Bench) -> None:
    model = it.llm()
    for _ in range(3):
        assert asyncio.run(model.ainvoke("hi")).text


@feature("The model object", "equal models share connections")
def shared_connections(it: Bench) -> None:
    answer = {
        "id": "a",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "type": "message",
        "role": "assistant",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }

    def serve(server: RawServer, connection: socket.socket, number: int) -> None:
        while server.read_request(connection):
            connection.sendall(response(json.dumps(answer).encode()))

    with raw_server(serve) as server:
        for _ in range(3):
            assert it.llm(url=f"http://127.0.0.1:{server.port}").invoke("hi").text
    assert server.connections == 1, f"{server.connections} models opened {server.connections}"


@feature("The model object", '`init_chat_model("provider:model")` (ChatStepPlan after `register()`)')
def made_of_a_string(it: Bench) -> None:
    provider = it.candidate.module.removeprefix("langchain_")
    with patch.dict(chat_models._BUILTIN_PROVIDERS):
        if provider == "stepplan":
            langchain_stepplan.register()
        made = init_chat_model(
            f"{provider}:step-3.7-flash", api_key=it.plan.api_key, **it.candidate.address(it.plan.base_url)
        )
    chat_models._get_chat_model_creator.cache_clear()
    assert type(made).__name__ == it.candidate.cls
    assert made.invoke("hi").text


@feature("The model object", "accepts your own httpx client")
def own_client(it: Bench) -> None:
    seen: list[str] = []

    def note(request: httpx.Request) -> None:
        seen.append(request.url.path)

    with httpx.Client(event_hooks={"request": [note]}) as client:
        it.llm(http_client=client).invoke("hi")
    assert seen, "it is not used"


@feature("The model object", "a misspelt argument raises an error that suggests the right one")
def misspelt(it: Bench) -> None:
    error = raised(lambda: it.llm(temprature=0))
    assert error is not None, "it is taken, with a warning or in silence"
    assert "temperature" in str(error), "no word of what was meant"


def raised(run: Callable[[], object]) -> Exception | None:
    """What goes wrong, if anything does."""
    try:
        run()
    except Exception as error:  # noqa: BLE001 - whichever it is
        return error
    return None


@feature("The model object", "`dumps` leaves out the key, and `loads` restores the model")
def dumps(it: Bench) -> None:
    model = it.llm()
    dumped = dumpd(model)
    assert it.plan.api_key not in str(dumped)
    assert dumped["type"] == "constructor", "it is not dumped"
    options: dict[str, Any] = {
        "allowed_objects": [type(model)],
        "valid_namespaces": [it.candidate.module],
        "secrets_map": dict.fromkeys(("STEP_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"), it.plan.api_key),
    }
    assert load(dumped, **options).invoke("hi").text


@feature("The model object", "`Retry-After` is honoured")
def retries(it: Bench) -> None:
    it.plan.script(Turn(text="At last.", fault=Fault(status=429, headers={"Retry-After": "1"})))
    began = time.monotonic()
    assert it.llm(max_retries=2).invoke("hi").text == "At last."
    assert time.monotonic() - began >= 0.9, "it does not wait"


@feature("The model object", "`profile` describes the plan's models")
def profile(it: Bench) -> None:
    known = it.llm().profile or {}
    assert known.get("max_input_tokens"), "there is none"
