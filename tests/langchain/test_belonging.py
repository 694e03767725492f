"""What LangChain and its neighbors know of the model: profile, tracing, cache, limits, configuration, strings."""

import sys
import time
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import langchain.chat_models.base as chat_models
import pytest
from langchain.chat_models import init_chat_model
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models.model_profile import _warn_unknown_profile_keys
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField

import langchain_stepplan
from langchain_stepplan import ChatStepPlan
from langchain_stepplan._profile import profile_of
from stepplan import MODELS, ProtocolName
from stepplan.sandbox import Sandbox, Turn, Usage
from tests.support.agents.langchain import create_agent
from tests.support.ways.langchain import Models

# ------------------------------------------------------------------------------------------------------------- profile


@pytest.mark.guarantees("langchain-profile")
def test_every_known_model_has_a_profile_that_says_what_the_core_knows(protocol: ProtocolName) -> None:
    for name, known in MODELS.items():
        profile: dict[str, Any] = {**(ChatStepPlan(model=name, protocol=protocol).profile or {})}
        assert profile["reasoning_effort_levels"] == list(known.reasoning_efforts)
        assert profile["max_input_tokens"] == known.context_window
        assert profile["image_inputs"] == profile["image_tool_message"] == ("image" in known.inputs)
        assert profile["video_inputs"] == ("video" in known.inputs and protocol == "openai")
        assert profile["structured_output"] == (known.json_schema and protocol == "openai")
        assert profile["tool_choice"] == (protocol == "openai")
        assert profile.get("max_output_tokens") == known.max_output_tokens


@pytest.mark.filterwarnings("error")
def test_our_profiles_have_no_key_that_core_does_not_know(protocol: ProtocolName) -> None:
    for name in MODELS:
        profile = profile_of(name, protocol)
        assert profile is not None
        _warn_unknown_profile_keys(profile)


@pytest.mark.guarantees("langchain-profile")
def test_a_profile_of_ones_own_is_kept_and_checked() -> None:
    assert ChatStepPlan(profile={"max_input_tokens": 9}).profile == {"max_input_tokens": 9}
    invented: Any = {"invented": 9}
    with pytest.warns(UserWarning, match="invented"):
        ChatStepPlan(profile=invented)


@pytest.mark.guarantees("any-model-name")
def test_profiles_are_copies_and_unknown_models_have_none() -> None:
    one, other = ChatStepPlan(), ChatStepPlan()
    assert one.profile is not None
    one.profile["max_input_tokens"] = 1
    assert other.profile != one.profile
    assert ChatStepPlan(model="step-of-tomorrow").profile is None


# ------------------------------------------------------------------------------------------------------------- tracing


@pytest.mark.guarantees("langchain-tracing")
def test_traces_name_provider_model_and_settings() -> None:
    model = ChatStepPlan(temperature=0, max_tokens=7, stop="END")
    assert model._get_ls_params() == {
        "ls_provider": "stepplan",
        "ls_model_name": "step-3.7-flash",
        "ls_model_type": "chat",
        "ls_temperature": 0,
        "ls_max_tokens": 7,
        "ls_stop": ["END"],
    }
    called: dict[str, Any] = {**model._get_ls_params(stop=["x"], model="other", temperature=1.0, max_tokens=8)}
    assert (called["ls_model_name"], called["ls_temperature"], called["ls_max_tokens"]) == ("other", 1.0, 8)
    assert called["ls_stop"] == ["x"]


class Starts(BaseCallbackHandler):
    """Keeps what tracers are given at the start of a call."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.seen.append({"serialized": serialized, **kwargs})


@pytest.mark.guarantees("key-not-shown", "langchain-tracing")
def test_traces_hold_the_parameters_and_no_secret(model_for: Models, plan: Sandbox) -> None:
    canary, handler = "sk-canary-0123456789", Starts()
    model = model_for("openai", api_key=plan.api_key, temperature=0, default_headers={"X-Secret": canary})
    model.invoke("hi", config={"callbacks": [handler]})
    [seen] = handler.seen
    assert seen["invocation_params"]["temperature"] == 0
    assert seen["metadata"]["ls_provider"] == "stepplan"
    assert "langchain-stepplan" in seen["metadata"]["lc_versions"]
    assert canary not in str(seen)
    assert plan.api_key not in str(seen)


@pytest.mark.guarantees("langchain-tracing")
def test_usage_handlers_count_by_model(model: ChatStepPlan, plan: Sandbox) -> None:
    handler = UsageMetadataCallbackHandler()
    plan.script(Turn(text="a", usage=Usage(5, 2)), Turn(text="b", usage=Usage(6, 3)))
    model.invoke("hi", config={"callbacks": [handler]})
    list(model.stream("hi", config={"callbacks": [handler]}))
    usage = handler.usage_metadata["step-3.7-flash"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (11, 5, 16)


# ----------------------------------------------------------------------------------------------- cache, limits, chains


@pytest.mark.guarantees("langchain-cache")
def test_a_cached_answer_costs_no_request_and_a_changed_parameter_does(model_for: Models, plan: Sandbox) -> None:
    cache = InMemoryCache()
    plan.script(Turn(reasoning="Hm.", text="Cached."), Turn(text="Other."))
    model = model_for("anthropic", cache=cache)
    first, again = model.invoke("hi"), model.invoke("hi")
    assert again.content == first.content == "Cached."
    assert again.additional_kwargs == first.additional_kwargs
    assert model_for("anthropic", cache=cache, reasoning_effort="low").invoke("hi").content == "Other."
    assert len(plan.requests) == 2


@pytest.mark.guarantees("langchain-cache")
def test_a_rate_limiter_is_asked_before_each_request(model_for: Models) -> None:
    limiter = InMemoryRateLimiter(requests_per_second=10, check_every_n_seconds=0.01, max_bucket_size=1)
    model = model_for("openai", rate_limiter=limiter)
    began = time.monotonic()
    for _ in range(3):
        model.invoke("hi")
    assert time.monotonic() - began > 0.2


@pytest.mark.guarantees("langchain-streaming-flag")
@pytest.mark.parametrize(
    ("fields", "tools", "streamed"),
    [
        ({}, False, True),
        ({"streaming": True}, False, True),
        ({"streaming": False}, False, False),
        ({"disable_streaming": True}, False, False),
        ({"disable_streaming": "tool_calling"}, True, False),
        ({"disable_streaming": "tool_calling"}, False, True),
    ],
)
def test_stream_streams_unless_it_is_turned_off(
    model_for: Models, plan: Sandbox, fields: dict[str, Any], tools: bool, streamed: bool
) -> None:
    def look(place: str) -> str:
        """Look at a place."""
        return place

    model = model_for("openai", **fields)
    list((model.bind_tools([look]) if tools else model).stream("hi"))
    assert plan.requests[-1].body.get("stream", False) is streamed


@pytest.mark.guarantees("langchain-streaming-flag")
def test_streaming_makes_invoke_stream(model_for: Models, plan: Sandbox) -> None:
    assert model_for("openai", streaming=True).invoke("hi").content
    assert plan.requests[-1].body["stream"] is True


@pytest.mark.guarantees("langchain-content-is-text")
async def test_chains_run_whole_streamed_batched_and_async(model: ChatStepPlan) -> None:
    chain = ChatPromptTemplate.from_messages([("human", "Say {word}")]) | model | StrOutputParser()
    answer = chain.invoke({"word": "hello"})
    assert "hello" in answer
    assert "".join(chain.stream({"word": "hello"})) == answer
    assert await chain.ainvoke({"word": "hello"}) == answer
    assert chain.batch([{"word": "hello"}, {"word": "hello"}]) == [answer, answer]
    assert await chain.abatch([{"word": "hello"}]) == [answer]


def test_fields_are_configurable_by_name(model: ChatStepPlan, plan: Sandbox) -> None:
    configurable = model.configurable_fields(
        temperature=ConfigurableField(id="temperature"), reasoning_effort=ConfigurableField(id="effort")
    )
    configurable.invoke("hi", config={"configurable": {"temperature": 0, "effort": "low"}})
    body = plan.requests[-1].body
    assert body["temperature"] == 0
    assert (body.get("reasoning_effort") or body["output_config"]["effort"]) == "low"


# ------------------------------------------------------------------------------------------------------------- strings


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_models, "_BUILTIN_PROVIDERS", dict(chat_models._BUILTIN_PROVIDERS))
    chat_models._get_chat_model_creator.cache_clear()
    langchain_stepplan.register()


def test_importing_registers_nothing() -> None:
    assert "stepplan" not in chat_models._BUILTIN_PROVIDERS


@pytest.mark.guarantees("langchain-init")
@pytest.mark.usefixtures("registered")
def test_a_registered_model_is_made_from_a_string(plan: Sandbox, protocol: ProtocolName) -> None:
    model = init_chat_model(
        "stepplan:step-3.5-flash", protocol=protocol, base_url=plan.base_url, api_key=plan.api_key, temperature=0
    )
    assert isinstance(model, ChatStepPlan)
    assert (model.model, model.temperature, model.protocol) == ("step-3.5-flash", 0, protocol)
    assert model.invoke("hi").content


@pytest.mark.guarantees("langchain-init")
@pytest.mark.usefixtures("registered")
def test_a_configurable_model_is_chosen_by_a_string(plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    configurable: Any = init_chat_model(configurable_fields=("model", "model_provider"), base_url=plan.base_url)
    chosen = {"configurable": {"model": "step-3.5-flash", "model_provider": "stepplan"}}
    assert configurable.invoke("hi", config=chosen).content
    assert plan.requests[-1].body["model"] == "step-3.5-flash"
    assert create_agent("stepplan:step-3.7-flash", tools=[])


def test_deepagents_finds_the_entry_point_and_it_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    """deepagents is not installed here: its registry is a stand-in with the two names that are used."""
    made: dict[str, Any] = {}
    stand_in = SimpleNamespace(register_provider_profile=made.__setitem__, ProviderProfile=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "deepagents", stand_in)
    monkeypatch.setattr(chat_models, "_BUILTIN_PROVIDERS", dict(chat_models._BUILTIN_PROVIDERS))
    [entry] = [entry for entry in entry_points(group="deepagents.provider_profiles") if entry.name == "stepplan"]
    entry.load()()
    made["stepplan"].pre_init("stepplan:step-3.7-flash")
    assert "stepplan" in chat_models._BUILTIN_PROVIDERS
