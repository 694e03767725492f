"""What the message of a refusal advises, for where the request went and what it asked for."""

import json
from dataclasses import replace

import pytest

from stepplan.endpoint import parse
from stepplan.refusals import Origin
from tests.support.driver import ORIGIN, refused

OTHER_REGION = "A key works in one region only: if yours is for the other one, set region='china'."


SENTENCES = [
    (
        *(401, "invalid_api_key", "Incorrect API key provided"),
        f"The key from STEP_API_KEY was sent to api.stepfun.ai. {OTHER_REGION}",
    ),
    (
        *(400, "input_invalid", "you have no active step plan subscription"),
        "Subscribe to a Step Plan, or set region='china' if you have one in the other region.",
    ),
    (
        *(402, "quota_exceeded", "You exceeded your current quota"),
        "The plan's Credits are used up: add a booster pack or wait for the next month.",
    ),
    (*(404, "", "404 page not found"), f"There is no such path: {ORIGIN.url}."),
    (
        *(404, "model_not_found", "The model step-9 does not exist"),
        "Check the model's name, 'step-3.7-flash'.",
    ),
    (
        *(404, "not_found_error", "File Not Found"),
        f"Check the model's name, 'step-3.7-flash', and the address, {ORIGIN.url}.",
    ),
    (
        *(429, "rate_limited", "concurrency reached, current: 11, limit: 10"),
        "Too many requests: slow down, or send fewer at once.",
    ),
    (*(400, "input_invalid", "prompt too long"), "Shorten the conversation or lower max_tokens."),
    (*(400, "input_invalid", "Request param: n is invalid, recommended val is: 1"), ""),
    (*(500, "engine_exception", "failed"), ""),
]


@pytest.mark.parametrize(("status", "kind", "message", "fix"), SENTENCES)
def test_the_message_tells_what_happened_and_what_to_do(status: int, kind: str, message: str, fix: str) -> None:
    text = json.dumps({"error": {"message": message, "type": kind}}) if kind else message
    assert str(refused(status, text)) == f"{status} {kind}".rstrip() + f": {message}. {fix}".rstrip()


def sent_to(url: str, source: str) -> Origin:
    endpoint = parse(url, source)
    return replace(ORIGIN, url=f"{endpoint.root}/v1/x", endpoint=endpoint)


LOCAL = "http://127.0.0.1:8000/step_plan"


PAY_AS_YOU_GO = "https://api.stepfun.ai/v1"


ADVICE = [
    (401, LOCAL, "base_url", "was sent to 127.0.0.1:8000."),
    (401, LOCAL, "STEP_BASE_URL", "127.0.0.1:8000 (set by STEP_BASE_URL). To reach StepFun, unset STEP_BASE_URL."),
    (401, "https://api.stepfun.ai", "STEP_BASE_URL", "(set by STEP_BASE_URL). A key works in one region only: "),
    (401, "https://api.stepfun.ai", "STEP_BASE_URL", "set region='china'."),
    (401, "https://api.stepfun.ai", "base_url", "set base_url='https://api.stepfun.com/step_plan'."),
    (401, PAY_AS_YOU_GO, "base_url", "set base_url='https://api.stepfun.com/v1'."),
    (
        402,
        PAY_AS_YOU_GO,
        "base_url",
        "The balance of the pay-as-you-go platform is used up: top it up, or use the plan",
    ),
    (402, "https://api.stepfun.ai", "base_url", "The plan's Credits are used up"),
    (404, LOCAL, "base_url", "Check base_url; the plan's URL ends in /step_plan."),
    (404, LOCAL, "STEP_BASE_URL", "Check STEP_BASE_URL; the plan's URL ends in /step_plan."),
]


@pytest.mark.parametrize(("status", "url", "source", "advice"), ADVICE)
def test_the_advice_is_one_that_works_for_where_the_request_went(
    status: int, url: str, source: str, advice: str
) -> None:
    assert advice in str(refused(status, "no", sent_to(url, source)))


def test_on_a_host_without_regions_none_is_suggested() -> None:
    origin = replace(sent_to(LOCAL, "base_url"), key_source="api_key")
    assert str(refused(401, "", origin)).endswith("The key from api_key was sent to 127.0.0.1:8000.")
    assert str(refused(400, '{"error": "no active step plan"}', origin)).endswith("Subscribe to a Step Plan.")


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("step-3.7-flsh", "step-3.7-flash"),
        ("Step-3.7-Flash", "step-3.7-flash"),
        ("step3.7-flash", "step-3.7-flash"),
        ("stepfun/step-3.7-flash", "step-3.7-flash"),
        ("stepfun-ai/Step-3.5-Flash", "step-3.5-flash"),
        ("step_3.7_flash", "step-3.7-flash"),
        (" step-3.7-flash", "step-3.7-flash"),
        ("step-3.7", "step-3.7-flash"),
        ("step-3.5-flash-2630", "step-3.5-flash-2603"),
        ("step-9", None),
        ("gpt-4o", None),
        ("step-3.7-flash", None),
    ],
)
def test_a_near_miss_of_a_models_name_is_answered_with_the_name(name: str, closest: str | None) -> None:
    origin = replace(ORIGIN, model=name)
    for body in (
        {"error": {"type": "model_invalid", "message": "no"}},
        {"error": {"type": "not_found_error", "message": "x"}},
    ):
        text = str(refused(404, json.dumps(body), origin))
        assert repr(name) in text
        assert ("Did you mean" in text) == (closest is not None)
        assert closest is None or text.endswith(f"Did you mean {closest!r}?")
