"""Models as objects, in both frameworks: what derives from their fields, copies, pickles, and subclasses of users."""

import copy
import inspect
import pickle
from typing import Any

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.rate_limiters import InMemoryRateLimiter
from llama_index.core.base.llms.types import ChatMessage
from pydantic import AliasChoices, ConfigDict, Field, SecretStr, model_validator

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import AsyncClient, Client, InvalidRequestError, Message, ProtocolName, Request, Settings
from stepplan.sandbox import Sandbox, Turn
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX, settings_of
from tests.support.cpu import cpu_seconds

MODELS = pytest.mark.parametrize("cls", [LANGCHAIN, LLAMA_INDEX])


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


@pytest.mark.guarantees("quick-construction")
@MODELS
def test_making_a_model_takes_microseconds(cls: Any) -> None:
    """A client of httpx takes milliseconds: it reads the certificates."""
    model = cpu_seconds(lambda: cls(model="step-3.7-flash", temperature=0), times=20)
    assert model < cpu_seconds(httpx.Client) / 20


@pytest.mark.parametrize("name", ["_generate", "_agenerate", "_stream", "_astream"])
def test_the_signatures_that_langchain_asks_for_in_every_call_are_at_hand(name: str) -> None:
    assert "__signature__" in vars(getattr(ChatStepPlan, name))


@pytest.mark.parametrize("kind", ["chat", "complete"])
@pytest.mark.parametrize("way", ["", "a", "stream_", "astream_"])
def test_the_signatures_that_llama_index_asks_for_in_every_call_are_at_hand(kind: str, way: str) -> None:
    assert "__signature__" in vars(inspect.unwrap(getattr(StepPlan, way + kind)))  # LlamaIndex wraps it once more


@pytest.mark.guarantees("derived-when-asked")
def test_a_profile_follows_from_the_fields_as_they_are_now() -> None:
    model = ChatStepPlan()
    over_messages = ChatStepPlan(protocol="anthropic").profile
    assert model.profile is not None
    assert model.profile != over_messages
    assert model.model_copy(update={"protocol": "anthropic"}).profile == over_messages
    assert model.model_copy(update={"model": "step-of-tomorrow"}).profile is None
    assert copy.deepcopy(model).profile == pickle.loads(pickle.dumps(model)).profile == model.profile
    model.protocol = "anthropic"
    assert model.profile == over_messages
    own: Any = {"max_input_tokens": 5}
    assert ChatStepPlan(profile=own).model_copy(update={"protocol": "anthropic"}).profile == own


@pytest.mark.guarantees("derived-when-asked")
def test_a_copy_of_a_model_that_was_used_has_its_own_key_in_the_cache(plan: Sandbox) -> None:
    plan.script(Turn(text="One."), Turn(text="Two."), Turn(text="Three."))
    model = LANGCHAIN(**settings_of(plan), cache=InMemoryCache())
    assert [model.invoke("Hi").text, model.invoke("Hi").text] == ["One.", "One."]
    assert model.model_copy(update={"model": "step-3.5-flash"}).invoke("Hi").text == "Two."
    model.temperature = 0.5
    assert model.invoke("Hi").text == "Three."


@pytest.mark.guarantees("langchain-cache")
def test_an_answer_that_is_cached_belongs_to_its_address(plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    plan.script(Turn(text="One."), Turn(text="Two."))
    model = LANGCHAIN(api_key=plan.api_key, max_retries=0, cache=InMemoryCache())
    monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
    assert [model.invoke("Hi").text, model.invoke("Hi").text] == ["One.", "One."]
    monkeypatch.setenv("STEP_BASE_URL", plan.base_url.replace("127.0.0.1", "localhost"))
    assert model.invoke("Hi").text == "Two."


@pytest.mark.guarantees("derived-when-asked")
def test_the_models_name_can_be_assigned(plan: Sandbox) -> None:
    model = LANGCHAIN(**settings_of(plan))
    model.model_name = "step-3.5-flash"
    model.invoke("Hi")
    assert plan.requests[0].body["model"] == model.model == "step-3.5-flash"


@pytest.mark.guarantees("derived-when-asked")
@MODELS
def test_a_copy_takes_new_values_under_the_names_that_the_model_takes(cls: Any) -> None:
    copied = cls(api_key="sk-x").model_copy(update={"model_name": "b", "max_completion_tokens": 7, "region": "china"})
    assert (copied.model, copied.max_tokens, copied.region) == ("b", 7, "china")
    assert not copied.__dict__.keys() & {"model_name", "max_completion_tokens"}


@pytest.mark.guarantees("key-not-shown")
@MODELS
def test_a_key_that_is_assigned_is_a_secret(plan: Sandbox, cls: Any) -> None:
    model = cls(**settings_of(plan) | {"api_key": "old"})
    copied = model.model_copy(update={"api_key": plan.api_key})
    model.api_key = plan.api_key
    for changed in (model, copied):
        assert plan.api_key not in repr(changed)
        assert isinstance(changed.api_key, SecretStr)
        assert "canned" in str(changed.invoke("Hi") if cls is LANGCHAIN else changed.complete("Hi"))


@pytest.mark.guarantees("copies-and-pickles")
@MODELS
def test_a_copy_shares_the_callers_client_and_a_pickle_leaves_it_behind(plan: Sandbox, cls: Any) -> None:
    with httpx.Client() as client:
        model = cls(**settings_of(plan), http_client=client)
        assert copy.deepcopy(model).http_client is model.model_copy(deep=True).http_client is client
        again = pickle.loads(pickle.dumps(model))
        assert again.http_client is None
        assert model.http_client is client


def test_a_limiter_of_rates_is_shared_by_copies() -> None:
    limiter = InMemoryRateLimiter(requests_per_second=100)
    assert copy.deepcopy(ChatStepPlan(rate_limiter=limiter)).rate_limiter is limiter


async def test_a_client_shares_its_connections_with_copies_and_leaves_them_out_of_pickles(plan: Sandbox) -> None:
    settings, request = Settings(base_url=plan.base_url, api_key=plan.api_key), Request(messages=(Message.user("Hi"),))
    with httpx.Client() as own:
        client = Client(settings, protocol="anthropic", http_client=own)
        assert copy.deepcopy(client).http_client is copy.copy(client).http_client is own
        again = pickle.loads(pickle.dumps(client))
        assert (again.http_client, again.settings, again.protocol) == (None, settings, "anthropic")
        assert again.send(request).text
    async with httpx.AsyncClient() as own_async:
        async_client = AsyncClient(settings, http_client=own_async)
        assert copy.deepcopy(async_client).http_client is own_async
        assert (await pickle.loads(pickle.dumps(async_client)).send(request)).text


@pytest.mark.guarantees("subclasses")
@pytest.mark.parametrize("base", [ChatStepPlan, StepPlan])
def test_a_subclass_may_have_aliases_validators_before_and_any_arguments(base: Any) -> None:
    class WithAliases(base):  # type: ignore[misc, unused-ignore]
        mood: str = Field(default="calm", alias="theMood")
        place: str = Field(default="", validation_alias=AliasChoices("where", "location"))

    made = WithAliases(theMood="wild", where="here", model="x")
    assert (made.mood, made.place, made.model) == ("wild", "here", "x")
    assert WithAliases(location="there").place == "there"
    assert (WithAliases(mood="mild", place="away").mood, WithAliases(place="away").place) == ("mild", "away")

    class WithModel(base):  # type: ignore[misc, unused-ignore]
        model: str = Field(default="step-3.5-flash", alias="model_id")

    assert WithModel(model="a").model == WithModel(model_id="a").model == "a"

    class WithValidator(base):  # type: ignore[misc, unused-ignore]
        @model_validator(mode="before")
        @classmethod
        def _rename(cls, given: dict[str, Any]) -> dict[str, Any]:
            return {"temperature" if name == "warmth" else name: value for name, value in given.items()}

    assert WithValidator(warmth=0.5).temperature == 0.5
    with pytest.raises(InvalidRequestError, match="'coldness' is not known"):
        WithValidator(coldness=0.5)

    class WithAny(base):  # type: ignore[misc, unused-ignore]
        model_config = ConfigDict(extra="allow")

    assert WithAny(whatever=5).whatever == 5

    class WithNone(base):  # type: ignore[misc, unused-ignore]
        mood: str | None = "calm"

    assert WithNone(mood=None, timeout=None).mood is None


@pytest.mark.guarantees("max-tokens-default")
@pytest.mark.parametrize(
    ("protocol", "fields", "reserved"),
    [
        ("openai", {}, -1),
        ("openai", {"max_tokens": 9}, 9),
        ("anthropic", {}, 32_768),
        ("anthropic", {"max_tokens": 9}, 9),
        ("openai", {"max_tokens": 9, "additional_kwargs": {"max_tokens": 7}}, 7),
        ("anthropic", {"additional_kwargs": {"max_completion_tokens": 7}}, 7),
        ("anthropic", {"max_tokens": 9, "extra_body": {"max_tokens": 5}}, 5),
        ("openai", {"additional_kwargs": {"extra_body": {"max_tokens": 5}}}, 5),
    ],
)
def test_llama_index_reserves_the_output_that_will_be_sent(
    plan: Sandbox, protocol: ProtocolName, fields: dict[str, Any], reserved: int
) -> None:
    llm = LLAMA_INDEX(protocol=protocol, **settings_of(plan), **fields)
    assert llm.metadata.num_output == reserved
    llm.chat([ChatMessage("Hi")])
    assert plan.requests[0].body.get("max_tokens", -1) == reserved
