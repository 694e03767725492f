"""Arguments: of the constructor and of a call, known, misspelt, zero, and the ones that go as they are."""

import operator
from functools import reduce
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr

import stepplan
from langchain_stepplan import ChatStepPlan, InvalidRequestError
from stepplan.sandbox import Sandbox
from tests.support.ways.langchain import Models, body_of


@pytest.mark.guarantees("unknown-arguments")
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
        ("stop_sequence", "stop"),
        ("reasoning_efort", "reasoning_effort"),
        ("apikey", "api_key"),
    ],
)
def test_a_misspelt_argument_raises_with_what_was_perhaps_meant(model: ChatStepPlan, given: str, meant: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{given}.*did you mean '{meant}'.*extra_body"):
        made(**{given: 1})
    if given != "apikey":
        with pytest.raises(stepplan.InvalidRequestError, match=f"{given}.*did you mean '{meant}'"):
            body_of(model, "hi", **cast("dict[str, Any]", {given: 1}))


def test_an_argument_unlike_any_is_named_without_a_guess() -> None:
    with pytest.raises(InvalidRequestError, match=r"'zzzzzzzz' is not known\. Fields"):
        made(zzzzzzzz=1)


def made(**arguments: Any) -> ChatStepPlan:
    """A model of arguments that no type checker looks at."""
    return ChatStepPlan(**arguments)


def test_an_argument_that_is_given_elsewhere_says_where_in_a_call_too(model: ChatStepPlan) -> None:
    with pytest.raises(stepplan.InvalidRequestError, match=r"'strict' is not known here\. Give it to bind_tools"):
        body_of(model, "Hi", strict=True)
    assert "strict" not in body_of(model, "Hi", strict=None)


def test_other_names_of_arguments_are_understood() -> None:
    model = made(
        model_name="step-3.5-flash",
        stop_sequences=["x"],
        model_kwargs={"a": 1},
        request_timeout=5,
        max_completion_tokens=9,
        stepfun_api_key="key",
    )
    assert (model.model, model.stop, model.extra_body) == ("step-3.5-flash", ["x"], {"a": 1})
    assert (model.timeout, model.max_tokens) == (5, 9)
    assert model.api_key == SecretStr("key")
    assert model.model_name == "step-3.5-flash"


def test_an_argument_given_under_two_names_raises() -> None:
    with pytest.raises(InvalidRequestError, match="'model' is given twice"):
        made(model="a", model_name="b")


def test_no_error_about_an_argument_shows_the_key() -> None:
    for wrong in ({"temprature": 1}, {"temperature": "hot"}):
        with pytest.raises(ValueError, match="temp") as caught:
            made(api_key="sk-canary-0123456789", **wrong)
        assert "sk-canary" not in str(caught.value)
        assert "sk-canary" not in repr(caught.value)


@pytest.mark.guarantees("pasted-keys")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"base_url": "nonsense"}, "not a base URL"),
        ({"base_url": "https://api.stepfun.ai/v2"}, "no such path"),
        ({"api_key": " "}, "empty"),
        ({"api_key": "ключ"}, "not ASCII"),
        ({"timeout": 0}, "timeout=0"),
        ({"max_retries": -1}, "max_retries=-1"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_right_raises_where_the_model_is_made(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        made(**wrong)


def test_a_key_is_used_without_the_blanks_around_it(model_for: Models, plan: Sandbox) -> None:
    assert model_for("openai", api_key=f" {plan.api_key}\n").invoke("hi").content


def test_the_callers_arguments_are_not_changed() -> None:
    given: dict[str, Any] = {"model_name": "a", "model_kwargs": {"b": 1}}
    ChatStepPlan(**given)
    assert given == {"model_name": "a", "model_kwargs": {"b": 1}}


@pytest.mark.guarantees("only-what-was-set")
def test_only_what_was_set_is_on_the_wire(model: ChatStepPlan) -> None:
    always = {"model", "messages"} | ({"max_tokens"} if model.protocol == "anthropic" else set())
    assert body_of(model, "hi").keys() == always


@pytest.mark.guarantees("zero-takes-effect")
def test_zero_and_false_take_effect(model_for: Models) -> None:
    body = body_of(model_for("openai", temperature=0, frequency_penalty=0), "hi")
    assert (body["temperature"], body["frequency_penalty"]) == (0, 0)
    body = body_of(model_for("anthropic", temperature=0, top_k=0), "hi")
    assert (body["temperature"], body["top_k"]) == (0, 0)
    assert "stream_options" not in body_of(model_for("openai", stream_usage=False), "hi", stream=True)
    assert body_of(model_for("openai", extra_body={"seed": 0}), "hi")["seed"] == 0
    for field in ("top_p", "max_tokens"):  # where zero is out of range, it is refused
        with pytest.raises(stepplan.InvalidRequestError, match=f"{field}=0"):
            body_of(model_for("openai"), "hi", **cast("dict[str, Any]", {field: 0}))


@pytest.mark.guarantees("extra-body")
def test_what_a_call_says_wins_over_the_field(model_for: Models) -> None:
    model = model_for("openai", temperature=1, stop=["a"], reasoning_effort="low", extra_body={"x": 1, "y": 1})
    body = body_of(model, "hi", temperature=0, stop=["b"], reasoning_effort="high", extra_body={"y": 2})
    assert (body["temperature"], body["stop"], body["reasoning_effort"]) == (0, ["b"], "high")
    assert (body["x"], body["y"]) == (1, 2)
    assert body_of(model, "hi", temperature=None)["temperature"] == 1
    assert body_of(model, "hi", model=None)["model"] == "step-3.7-flash"


def test_stop_is_one_or_several_and_ends_the_answer(model_for: Models, model: ChatStepPlan) -> None:
    name = "stop" if model.protocol == "openai" else "stop_sequences"
    assert body_of(model, "hi", stop="END")[name] == ["END"]
    assert name not in body_of(model, "hi", stop=[])
    assert "asked" not in str(model.invoke("hi", stop=["asked"]).content)
    assert "asked" not in str(model_for(model.protocol, stop="asked").invoke("hi").content)


def test_stop_under_two_names_is_refused(model: ChatStepPlan) -> None:
    with pytest.raises(InvalidRequestError, match="'stop' is given twice"):
        model.invoke("hi", stop=["a"], stop_sequences=["b"])


@pytest.mark.guarantees("effort")
def test_effort_is_each_protocols_own_field(model_for: Models) -> None:
    assert body_of(model_for("openai", reasoning_effort="high"), "hi")["reasoning_effort"] == "high"
    assert body_of(model_for("anthropic", reasoning_effort="high"), "hi")["output_config"] == {"effort": "high"}


@pytest.mark.guarantees("headers")
def test_headers_go_to_headers_only(model_for: Models, plan: Sandbox, model: ChatStepPlan) -> None:
    model = model_for(model.protocol, default_headers={"X-One": "1", "X-TWO": "1", "User-Agent": "mine"})
    model.invoke("hi", extra_headers={"x-two": "2"})
    request = plan.requests[-1]
    assert (request.headers["x-one"], request.headers["x-two"], request.headers["user-agent"]) == ("1", "2", "mine")
    assert "extra_headers" not in request.body
    assert "default_headers" not in request.body


@pytest.mark.guarantees("proxies")
def test_every_setting_of_connections_reaches_the_core() -> None:
    given: dict[str, Any] = {
        "region": "china",
        "base_url": "https://plan.example.org",
        "max_retries": 0,
        "connect_timeout": 1.0,
        "timeout": 2.0,
        "stream_timeout": 3.0,
        "proxy": "http://127.0.0.1:9",
        "verify": False,
    }
    settings = made(**given, default_headers={"x": "y"})._settings
    assert {name: getattr(settings, name) for name in given} == given
    assert settings.headers == {"x": "y"}
    assert made()._settings == stepplan.Settings(), "the defaults are the core's"


def test_the_environment_is_read_when_a_model_is_used(plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ChatStepPlan()
    monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
    for name in ("STEPFUN_API_KEY", "STEP_API_KEY"):
        with monkeypatch.context() as patch:
            patch.setenv(name, plan.api_key)
            assert model.invoke("hi").content
            assert model.api_key is None, "a model holds no key that it was not given, so none is dumped or pickled"


@pytest.mark.guarantees("proxies")
def test_a_proxy_of_the_environment_that_cannot_be_used_is_named_at_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    model = made(api_key="key", verify=False)  # settings that no other test has a pool for
    with pytest.raises(InvalidRequestError, match="ALL_PROXY"):
        model.invoke("hi")


@pytest.mark.guarantees("only-what-was-set")
def test_the_messages_protocol_gets_no_field_that_is_not_listed(model_for: Models, plan: Sandbox) -> None:
    model_for("anthropic", temperature=0, top_p=0.5, top_k=5, stop=["x"], reasoning_effort="low").invoke("hi")
    assert plan.requests[-1].unlisted == ()


@pytest.mark.guarantees("own-client")
async def test_clients_of_ones_own_are_used_and_left_open(model_for: Models, plan: Sandbox) -> None:
    seen: list[str] = []

    def note_sync(request: httpx.Request) -> None:
        seen.append("sync")

    with httpx.Client(event_hooks={"request": [note_sync]}) as client:

        async def note(request: httpx.Request) -> None:
            seen.append("async")

        async with httpx.AsyncClient(event_hooks={"request": [note]}) as async_client:
            model = model_for("openai", http_client=client, http_async_client=async_client)
            model.invoke("hi")
            list(model.stream("hi"))
            await model.ainvoke("hi")
            reduce(operator.add, [chunk async for chunk in model.astream("hi")])
            assert not client.is_closed
            assert not async_client.is_closed
    assert seen == ["sync", "sync", "async", "async"]


@pytest.mark.guarantees("other-vendors-variables")
def test_other_vendors_variables_change_nothing(
    model_for: Models, plan: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/nowhere")
    for protocol in ("openai", "anthropic"):
        assert model_for(protocol).invoke("hi").content


def test_a_model_can_be_made_without_a_key_and_says_so_when_it_is_used() -> None:
    with pytest.raises(InvalidRequestError, match="STEP_API_KEY"):
        ChatStepPlan().invoke("hi")
