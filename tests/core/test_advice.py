"""What an error advises works: whoever does what it says gets an answer."""

import re
from dataclasses import replace

import pytest

from stepplan import (
    AuthenticationError,
    InvalidRequestError,
    Message,
    NotFoundError,
    ProtocolName,
    Request,
    Settings,
)
from stepplan.sandbox import Sandbox
from tests.support.clients import PROTOCOLS, Asker, Way, settings_for

REQUEST = Request(messages=(Message.user("Hello"),))
ON_BOTH = pytest.mark.parametrize("protocol", PROTOCOLS)
WHOLE_AND_STREAMED = pytest.mark.parametrize("streamed", [False, True])


@pytest.mark.guarantees("near-miss")
@ON_BOTH
@WHOLE_AND_STREAMED
@pytest.mark.parametrize("name", ["step-3.7-flsh", "Step-3.7-Flash", "step3.7-flash", "stepfun/step-3.7-flash"])
def test_a_near_miss_of_a_models_name_is_sent_and_then_named(
    way: Way, plan: Sandbox, protocol: ProtocolName, streamed: bool, name: str
) -> None:
    asker = Asker(way, settings_for(plan), protocol)
    with pytest.raises(NotFoundError) as caught:
        asker.whole_or_streamed(replace(REQUEST, model=name), streamed=streamed)
    assert [request.body["model"] for request in plan.requests] == [name]
    [advised] = re.findall(r"Did you mean '(.*)'\?", str(caught.value))
    asker.whole_or_streamed(replace(REQUEST, model=advised), streamed=streamed)


@ON_BOTH
def test_a_name_that_is_like_none_is_sent_without_a_suggestion(way: Way, plan: Sandbox, protocol: ProtocolName) -> None:
    with pytest.raises(NotFoundError, match=r"name, 'my-finetune'\.$"):
        Asker(way, settings_for(plan), protocol).send(replace(REQUEST, model="my-finetune"))


@ON_BOTH
@WHOLE_AND_STREAMED
def test_what_was_sent_is_named_and_not_what_was_overridden(
    way: Way, plan: Sandbox, protocol: ProtocolName, streamed: bool
) -> None:
    asker = Asker(way, settings_for(plan), protocol)
    with pytest.raises(NotFoundError, match=r"name, 'step-3.7-flsh'.*Did you mean 'step-3.7-flash'"):
        asker.whole_or_streamed(replace(REQUEST, extra_body={"model": "step-3.7-flsh"}), streamed=streamed)
    other_key = {"Authorization": "Bearer sk-another"}
    with pytest.raises(AuthenticationError, match="The key from the authorization header was sent to"):
        asker.whole_or_streamed(replace(REQUEST, extra_headers=other_key), streamed=streamed)


@pytest.mark.guarantees("pasted-keys")
@pytest.mark.parametrize("pasted", ["Bearer {}", '"{}"', " '{}'\n", "Authorization: Bearer {}"])
@ON_BOTH
def test_a_key_that_was_pasted_with_its_surroundings_is_accepted(
    way: Way, plan: Sandbox, protocol: ProtocolName, pasted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pasted.format(plan.api_key)
    assert Asker(way, settings_for(plan, api_key=key), protocol).send(REQUEST).text
    monkeypatch.setenv("STEP_API_KEY", key)
    assert Asker(way, settings_for(plan, api_key=None), protocol).send(REQUEST).text
    assert {request.headers["authorization"] for request in plan.requests} == {f"Bearer {plan.api_key}"}


@pytest.mark.guarantees("pasted-keys")
@ON_BOTH
@WHOLE_AND_STREAMED
def test_without_a_key_nothing_is_sent(way: Way, plan: Sandbox, protocol: ProtocolName, streamed: bool) -> None:
    asker = Asker(way, settings_for(plan, api_key=None), protocol)
    with pytest.raises(InvalidRequestError, match="STEP_API_KEY or pass api_key="):
        asker.whole_or_streamed(REQUEST, streamed=streamed)
    assert plan.requests == []


@pytest.mark.guarantees("wrong-key-advice")
@ON_BOTH
def test_a_wrong_key_is_answered_with_where_key_and_address_came_from(
    way: Way, protocol: ProtocolName, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(api_key="sk-right") as plan:
        monkeypatch.setenv("STEP_API_KEY", "sk-wrong")
        monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
        with pytest.raises(AuthenticationError) as caught:
            Asker(way, Settings(), protocol).send(REQUEST)
    assert str(caught.value).endswith(
        f"The key from STEP_API_KEY was sent to {Settings().host} (set by STEP_BASE_URL). To reach "
        "StepFun, unset STEP_BASE_URL."
    )


@ON_BOTH
def test_a_wrong_path_is_answered_with_the_setting_that_holds_it(
    way: Way, plan: Sandbox, protocol: ProtocolName, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = plan.base_url.replace("step_plan", "elsewhere")
    with pytest.raises(NotFoundError, match="Check base_url; the plan's URL ends in /step_plan"):
        Asker(way, settings_for(plan, base_url=wrong), protocol).send(REQUEST)
    monkeypatch.setenv("STEP_BASE_URL", wrong)
    with pytest.raises(NotFoundError, match="Check STEP_BASE_URL; the plan's URL ends in /step_plan"):
        Asker(way, settings_for(plan, base_url=None), protocol).send(REQUEST)
    monkeypatch.setenv("STEP_BASE_URL", plan.base_url)
    assert Asker(way, settings_for(plan, base_url=None), protocol).send(REQUEST).text
