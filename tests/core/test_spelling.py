"""How arguments are spelled: aliases, arguments of other APIs, and what a misspelt name may have meant."""

from typing import Any

import pytest

from stepplan import InvalidRequestError
from stepplan.integration.options import CALL_OPTIONS, call_options
from stepplan.integration.spelling import ALIASES, own_names

MODEL = {"api_key", "base_url", "model", "timeout", "extra_body", "default_headers", "mood"}


def read(given: dict[str, Any], known: Any = CALL_OPTIONS, advice: dict[str, str] | None = None) -> dict[str, Any]:
    return own_names(given, known, advice or {})


def test_names_are_kept_and_aliases_become_names() -> None:
    assert read({"model": "a", "max_completion_tokens": 3, "stop_sequences": ["x"]}) == {
        "model": "a",
        "max_tokens": 3,
        "stop": ["x"],
    }
    assert read({"api_base": "x", "step_api_key": "k", "extra_headers": {}}, MODEL) == {
        "base_url": "x",
        "api_key": "k",
        "default_headers": {},
    }
    assert read({"default_headers": {"a": "b"}}) == {"extra_headers": {"a": "b"}}
    for alias in ALIASES:
        assert alias in read({alias: 1}, {alias}), "a name that is known is no alias"


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("model_name", "model"),
        ("model_kwargs", "extra_body"),
        ("request_timeout", "timeout"),
        ("api_base", "base_url"),
        ("openai_api_base", "base_url"),
        ("openai_api_key", "api_key"),
        ("step_api_key", "api_key"),
        ("stepfun_api_key", "api_key"),
        ("step_api_base", "base_url"),
        ("stepfun_base_url", "base_url"),
        ("extra_headers", "default_headers"),
    ],
)
def test_what_other_classes_call_an_argument_is_an_alias(alias: str, name: str) -> None:
    assert read({alias: 1}, MODEL) == {name: 1}


def test_an_argument_given_under_two_names_is_refused_unless_one_of_them_is_none() -> None:
    with pytest.raises(InvalidRequestError, match="'max_tokens' is given twice: max_tokens and max_completion_tokens"):
        read({"max_tokens": 3, "max_completion_tokens": 4})
    for given in ({"max_tokens": None, "max_completion_tokens": 4}, {"max_completion_tokens": 4, "max_tokens": None}):
        assert read(given) == {"max_tokens": 4}


@pytest.mark.guarantees("unknown-arguments")
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_token", "max_tokens"),
        ("stop_sequence", "stop"),
        ("reasoning_efort", "reasoning_effort"),
        ("timout", "timeout"),
        ("request_timeot", "timeout"),
        ("topp", "top_p"),
        ("topP", "top_p"),
        ("topK", "top_k"),
        ("TEMPERATURE", "temperature"),
        ("maxTokens", "max_tokens"),
        ("max-retries", "max_retries"),
    ],
)
def test_a_misspelt_name_is_named_with_what_it_may_have_meant(name: str, meant: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"'{name}' is not known: did you mean '{meant}'\? .*extra_body"):
        read({name: 1})


def test_a_name_unlike_any_other_is_named_without_a_guess_and_several_are_all_named() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"^'zzzzzzzz' is not known\. Fields to send as they are go into extra"
    ):
        read({"zzzzzzzz": 1})
    with pytest.raises(InvalidRequestError, match=r"'max_token' is not known.*'zzzzzzzz' is not known"):
        read({"zzzzzzzz": 1, "max_token": 1})


@pytest.mark.guarantees("unknown-arguments")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("thinking", {"type": "enabled", "budget_tokens": 1000}, "reasoning_effort"),
        ("thinking_budget", 5, "reasoning_effort"),
        ("reasoning", {"effort": "high"}, "reasoning_effort"),
        ("output_config", {"effort": "high"}, "reasoning_effort"),
        ("betas", ["x"], "no beta features"),
        ("cache_control", {"type": "ephemeral"}, "caches prompts by itself"),
        ("n", 2, "one answer"),
        ("best_of", 2, "one answer"),
        ("seed", 7, "extra_body"),
        ("logprobs", True, "extra_body"),
        ("top_logprobs", 3, "extra_body"),
        ("presence_penalty", 0.5, "extra_body"),
        ("logit_bias", {"5": 1}, "extra_body"),
        ("user", "me", "extra_body"),
        ("functions", [{"name": "f"}], "Use tools"),
        ("function_call", "auto", "Use tool_choice"),
        ("stream", True, "method that streams"),
        ("stream_options", {"include_usage": True}, "stream_usage"),
        ("modalities", ["audio"], "text only"),
        ("organization", "org-1", "account"),
        ("anthropic_api_url", "https://api.anthropic.com", "Use base_url"),
        ("anthropic_api_key", "sk-ant", "key of StepFun"),
        ("effort", "high", "reasoning_effort"),
        ("enable_thinking", True, "reasoning_effort"),
        ("use_responses_api", True, "no Responses API"),
        ("disabled_params", {"parallel_tool_calls": None}, "Only what you set is sent"),
        ("tokenizer", "gpt2", "no tokenizer"),
        ("client", object(), "Use http_client"),
        ("num_predict", 100, "Use max_tokens"),
        ("openai_api_type", "open_ai", "one API"),
        ("http_proxy", "http://127.0.0.1:1", "Use proxy"),
        ("web_search", True, "as a tool"),
        ("random_seed", 7, "extra_body"),
        ("audio", {"voice": "x"}, "text only"),
        ("budget_tokens", 1000, "always reason"),
        ("include_reasoning", False, "always reason"),
        ("prompt_cache_key", "x", "caches prompts by itself"),
        ("system", "Be kind.", "Give a system message"),
        *((name, "x", "does not document it. extra_body") for name in ("metadata", "min_p", "reasoning_format")),
        *((name, "x", "does not document it. extra_body") for name in ("repetition_penalty", "safety_identifier")),
        *((name, "x", "does not document it. extra_body") for name in ("service_tier", "store", "verbosity")),
    ],
)
def test_an_argument_of_another_api_gets_the_sentence_that_says_what_to_do_here(
    name: str, value: Any, said: str
) -> None:
    for known in (CALL_OPTIONS, MODEL):
        with pytest.raises(InvalidRequestError, match=f"'{name}' is not known here.*{said}") as caught:
            read({name: value}, known)
        assert "did you mean" not in str(caught.value)
        assert read({name: None}, known) == {}


@pytest.mark.guarantees("harmless-values")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1),
        ("is_chat_model", True),
        ("reuse_client", True),
        ("use_responses_api", False),
        ("best_of", 1),
        ("presence_penalty", 0.0),
        ("logit_bias", {}),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("functions", []),
        ("stream", False),
        ("store", False),
        ("betas", []),
        ("modalities", ["text"]),
        ("include_reasoning", True),
        ("metadata", {}),
        ("repetition_penalty", 1.0),
        ("service_tier", "auto"),
        ("service_tier", "default"),
        ("betas", ()),
        ("functions", ()),
    ],
)
def test_a_value_that_asks_for_nothing_passes(name: str, value: Any) -> None:
    assert read({name: value}) == {}


@pytest.mark.parametrize("name", ["tools", "region", "api_base"])
def test_none_passes_where_the_name_has_its_place_elsewhere(name: str) -> None:
    assert own_names({name: None}, {"model"}, {"tools": "Bind them."}, {"region", "base_url"}) == {}


def test_none_does_not_hide_a_misspelt_name() -> None:
    with pytest.raises(InvalidRequestError, match="did you mean 'temperature'"):
        read({"temprature": None})


def test_the_callers_own_advice_comes_first() -> None:
    with pytest.raises(InvalidRequestError, match=r"'tools' is not known here\. Bind them"):
        read({"tools": []}, MODEL, {"tools": "Bind them."})


@pytest.mark.parametrize("name", ["api_key", "base_url", "mood", "api_base", "stepfun_api_key"])
def test_an_argument_of_the_model_is_named_as_such_in_a_call(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"'{name}' is an argument of the model, and not of one call"):
        call_options({name: "x"}, MODEL)
