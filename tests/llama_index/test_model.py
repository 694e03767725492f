"""The model object: how it is made, described, stored, copied and shared."""

import copy
import json
import os
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.utils import resolve_llm
from llama_index.core.rate_limiter import TokenBucketRateLimiter
from pydantic import BaseModel, SecretStr

import llama_index_stepplan
from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, ProtocolName
from stepplan.sandbox import Sandbox
from tests.support.marks import forced_choice_is_asked_for
from tests.support.ways.llama_index import make_llm

CANARY = "sk-canary-0123456789"


def test_it_is_a_function_calling_llm() -> None:
    assert issubclass(StepPlan, FunctionCallingLLM)
    assert BaseLLM in StepPlan.__mro__
    assert StepPlan.class_name() == "stepplan"
    assert llama_index_stepplan.__version__


def test_it_needs_no_key_until_it_is_used(monkeypatch: pytest.MonkeyPatch, plan: Sandbox) -> None:
    llm = StepPlan(base_url=plan.base_url)
    with pytest.raises(InvalidRequestError, match="STEP_API_KEY"):
        llm.complete("Hi")
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)

    assert llm.complete("Hi").text


@pytest.mark.guarantees("any-model-name")
def test_metadata_says_what_is_known_and_works_for_any_model() -> None:
    known = StepPlan().metadata
    unknown = StepPlan(model="step-99", max_tokens=100, context_window=1000, is_function_calling_model=False).metadata

    assert (known.context_window, known.num_output) == (256_000, -1)
    assert known.is_chat_model
    assert known.is_function_calling_model
    assert (unknown.model_name, unknown.context_window, unknown.num_output) == ("step-99", 1000, 100)
    assert not unknown.is_function_calling_model
    assert unknown.system_role is MessageRole.SYSTEM
    assert PromptHelper.from_llm_metadata(known).num_output == 256


@pytest.mark.parametrize("name", ["model", "model_name"])
def test_metadata_is_that_of_the_model_that_calls_use(plan: Sandbox, name: str) -> None:
    llm = make_llm(plan, "openai", model="step-5-preview", additional_kwargs={name: "step-3.5-flash"})
    llm.complete("Hi")
    assert plan.requests[0].body["model"] == llm.metadata.model_name == "step-3.5-flash"
    assert llm.metadata.context_window == 256_000


def test_the_payload_for_tracers_names_the_model_and_holds_no_secret() -> None:
    llm = StepPlan(api_key=CANARY, base_url="https://example.invalid/step_plan/v1/", temperature=0)
    payload = llm.to_payload()

    assert CANARY not in json.dumps(payload)
    assert payload["base_url"] == "https://example.invalid/step_plan"
    assert {name: payload[name] for name in ("class_name", "model", "model_name", "protocol", "temperature")} == {
        "class_name": "stepplan",
        "model": "step-3.7-flash",
        "model_name": "step-3.7-flash",
        "protocol": "openai",
        "temperature": 0,
    }
    assert "temperature" not in StepPlan().to_payload()


@pytest.mark.parametrize("name", ["base_url", "api_base"])
def test_the_address_has_two_names(plan: Sandbox, name: str) -> None:
    fields: dict[str, Any] = {name: plan.base_url + "/v1/", "api_key": plan.api_key}

    assert StepPlan(**fields).complete("Hi").text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temprature": 0.5}, "'temprature' is not known: did you mean 'temperature'?"),
        ({"reuse_client": False}, "'reuse_client' is not known here. All models share connections."),
        ({"temperature": 3}, "temperature=3 is out of range"),
        ({"top_k": 501}, "top_k=501 is out of range"),
        ({"max_tokens": 0}, "max_tokens=0 is out of range"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort='extreme' is not supported by step-3.7-flash"),
        ({"base_url": "api.stepfun.ai"}, "is not a base URL"),
        ({"api_key": "ключ"}, "The key in api_key is not ASCII text: copy it again."),
        ({"api_key": " "}, "The key in api_key is empty: copy it again."),
        ({"additional_kwargs": {"topp": 1}}, "'topp' is not known: did you mean 'top_p'?"),
        ({"additional_kwargs": {"seed": 1}}, "extra_body"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_model_is_made(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        StepPlan(**wrong)

    assert said in str(caught.value)


@pytest.mark.guarantees("key-not-shown")
def test_the_key_shows_up_nowhere_but_in_a_pickle() -> None:
    llm = StepPlan(api_key=CANARY, default_headers={"authorization": CANARY})

    assert isinstance(llm.api_key, SecretStr)
    for shown in (repr(llm), str(llm), llm.to_json(), str(llm.to_dict()), llm.model_dump_json(), str(llm.to_payload())):
        assert CANARY not in shown


@pytest.mark.parametrize("field", ["default_headers", "extra_body", "context_window", "timeout"])
def test_a_key_in_the_wrong_place_is_not_shown(field: str) -> None:
    wrong: dict[str, Any] = {field: CANARY}
    with pytest.raises(ValueError, match=field) as caught:
        StepPlan(**wrong)

    assert CANARY not in str(caught.value)


@pytest.mark.guarantees("llama-index-store")
def test_it_is_stored_as_a_dict_and_made_from_it(monkeypatch: pytest.MonkeyPatch, plan: Sandbox) -> None:
    llm = StepPlan(
        model="step-3.5-flash",
        protocol="anthropic",
        base_url=plan.base_url,
        api_key=plan.api_key,
        reasoning_effort="low",
        temperature=0.0,
        stop=["x"],
        system_prompt="Be brief.",
    )
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    stored = llm.to_json()
    again = StepPlan.from_json(stored)

    assert json.loads(stored)["class_name"] == "stepplan"
    assert again.to_dict() == llm.to_dict()
    assert (again.reasoning_effort, again.temperature, again.system_prompt) == ("low", 0.0, "Be brief.")
    assert again.complete("Hi").text


@pytest.mark.guarantees("copies-and-pickles")
def test_it_pickles_after_use_with_all_that_was_set(plan: Sandbox, protocol: ProtocolName) -> None:
    llm = make_llm(plan, protocol, max_tokens=77, default_headers={"x-team": "a"})
    llm.complete("Hi")
    again = pickle.loads(pickle.dumps(llm))

    assert again.to_dict() == llm.to_dict()
    assert again.complete("Hi").text
    assert plan.requests[-1].headers["x-team"] == "a"
    assert plan.requests[-1].body["max_tokens"] == 77


def test_a_pickle_leaves_the_callers_connections_behind(caplog: pytest.LogCaptureFixture) -> None:
    with httpx.Client() as client:
        llm = StepPlan(http_client=client)
        again = pickle.loads(pickle.dumps(llm))

        assert again.http_client is None
        assert llm.http_client is client
    assert caplog.records == []


class City(BaseModel):
    """A city."""

    name: str


@pytest.mark.guarantees("copies-and-pickles")
@forced_choice_is_asked_for
@pytest.mark.parametrize("library", ["pickle", "cloudpickle"])
def test_a_structured_model_pickles_too(plan: Sandbox, protocol: ProtocolName, library: str) -> None:
    pickler = import_module(library)
    structured: Any = pickler.loads(pickler.dumps(make_llm(plan, protocol).as_structured_llm(City)))

    assert isinstance(structured.complete("Where is 'Rome'?").raw, City)


@pytest.mark.guarantees("copies-and-pickles")
@pytest.mark.interpreter
def test_a_pickle_works_in_another_process(plan: Sandbox) -> None:
    llm = make_llm(plan, "anthropic")
    script = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).complete('Hi').text)"
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(llm), capture_output=True, check=True)

    assert b'You asked: "Hi"' in done.stdout


def test_a_copy_is_deep_but_shares_the_callers_connections(plan: Sandbox) -> None:
    with httpx.Client() as client:
        llm = make_llm(plan, "openai", http_client=client, additional_kwargs={"extra_body": {"a": 1}})
        llm.complete("Hi")
        deep, shallow = copy.deepcopy(llm), llm.model_copy(update={"temperature": 1.0})
        deep.additional_kwargs["extra_body"]["a"] = 2

        assert llm.additional_kwargs == {"extra_body": {"a": 1}}
        assert deep.http_client is shallow.http_client is client
        assert deep.complete("Hi").text == shallow.complete("Hi").text


async def test_a_limiter_of_rates_is_asked_once_per_call(plan: Sandbox, protocol: ProtocolName) -> None:
    class Counting(TokenBucketRateLimiter):
        asked: int = 0

        def acquire(self, num_tokens: int = 0) -> None:
            self.asked += 1

        async def async_acquire(self, num_tokens: int = 0) -> None:
            self.asked += 1

    limiter = Counting(requests_per_minute=1000)
    llm = make_llm(plan, protocol, rate_limiter=limiter)
    llm.complete("Hi")
    llm.chat([ChatMessage("Hi")])
    list(llm.stream_complete("Hi"))
    list(llm.stream_chat([ChatMessage("Hi")]))
    assert limiter.asked == 4
    await llm.acomplete("Hi")
    await llm.achat([ChatMessage("Hi")])
    assert [chunk async for chunk in await llm.astream_complete("Hi")]
    assert [chunk async for chunk in await llm.astream_chat([ChatMessage("Hi")])]

    assert limiter.asked == 8
    assert copy.deepcopy(llm).rate_limiter is limiter


def test_it_serves_as_the_model_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr(Settings, "_callback_manager", None)
    llm = StepPlan()
    Settings.llm = llm
    handler = TokenCountingHandler()
    Settings.callback_manager = CallbackManager([handler])

    assert resolve_llm(llm) is llm
    assert Settings.llm is llm
    assert llm.callback_manager.handlers == [handler]


@pytest.mark.guarantees("subclasses")
def test_a_subclass_may_add_fields() -> None:
    class Tuned(StepPlan):
        mood: str = "calm"

    assert Tuned(mood="wild", model="x").mood == "wild"
    with pytest.raises(InvalidRequestError, match="did you mean 'mood'"):
        Tuned(modo="wild")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - what is tested


@pytest.mark.interpreter
def test_the_namespace_package_has_the_same_class() -> None:
    root = Path(__file__).parents[2]
    script = "import llama_index.llms.stepplan as n, llama_index_stepplan as s; assert n.StepPlan is s.StepPlan"
    folders = os.pathsep.join(map(str, (root, root / "distributions" / "llama-index-llms-stepplan")))

    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": folders})
