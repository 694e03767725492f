"""Settings: values with checked numbers, a key that is read late, retries given as a policy or as a number."""

import copy
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from stepplan import Client, InternalServerError, InvalidRequestError, Message, Request, RetryPolicy, Settings
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.clients import Asker, Way, settings_for

OPTIONS = [*(field.name for field in fields(Settings)), "max_retries"]


@pytest.mark.guarantees("none-is-default")
@pytest.mark.parametrize("name", OPTIONS)
def test_none_means_the_default_for_every_option(name: str) -> None:
    given: dict[str, Any] = {name: None}
    assert Settings(**given) == Settings()


@pytest.mark.guarantees("separate-timeouts")
def test_the_defaults() -> None:
    settings = Settings()
    assert (settings.connect_timeout, settings.timeout, settings.stream_timeout) == (10.0, 600.0, 120.0)
    assert (settings.region, settings.base_url, settings.proxy, settings.verify) == (None, None, None, True)
    assert settings.headers == {}
    assert settings.max_retries == 2


def test_the_key_is_the_argument_then_the_first_variable_then_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPFUN_API_KEY", "second")
    assert (Settings().key(), Settings().key_source) == ("second", "STEPFUN_API_KEY")
    monkeypatch.setenv("STEP_API_KEY", " first\n")
    assert (Settings().key(), Settings().key_source) == ("first", "STEP_API_KEY")
    settings = Settings(api_key=" own ")
    assert (settings.key(), settings.key_source) == ("own", "api_key")
    assert settings == Settings(api_key=SecretStr("own"))
    assert "own" not in repr(settings)
    for empty in (" ", '""', "''"):
        monkeypatch.setenv("STEP_API_KEY", empty)
        assert Settings().key() == "second"


PASTED = [
    "sk-x",
    "  sk-x\r\n",
    "'sk-x'",
    '"sk-x"',
    "Bearer sk-x",
    "bearer  sk-x\n",
    '"Bearer sk-x"',
    "Bearer 'sk-x'",
    "Authorization: Bearer sk-x",
    "\ufeffsk-x\u200b\u00a0",
]


@pytest.mark.parametrize("pasted", PASTED)
def test_a_key_is_used_without_what_was_pasted_around_it(pasted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(api_key=pasted).key() == Settings(api_key=SecretStr(pasted)).key() == "sk-x"
    monkeypatch.setenv("STEP_API_KEY", pasted)
    assert Settings().key() == "sk-x"


def test_a_key_that_only_contains_the_word_bearer_is_left_as_it_is() -> None:
    for key in ("bearer-of-news", "sk-bearer", "Bearersk"):
        assert Settings(api_key=key).key() == key


@pytest.mark.guarantees("pasted-keys")
@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("''", "is empty"),
        ("Bearer ", "is empty"),
        ("sk-ключ", "is not ASCII text"),
        ("sk-\u200bx", "is not ASCII text"),
        ("“sk-x”", "is not ASCII text"),
        ("sk\nx", "holds white space or control characters"),
        ("sk x", "holds white space or control characters"),
        ("sk\x00x", "holds white space or control characters"),
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(
    key: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match=f"The key in api_key {fault}") as caught:
        Settings(api_key=SecretStr(key))
    assert not key.strip(" '") or key not in str(caught.value)
    if "\x00" in key:
        return  # no environment can hold it
    monkeypatch.setenv("STEP_API_KEY", key)
    with pytest.raises(InvalidRequestError, match=f"The key in STEP_API_KEY {fault}"):
        Settings().key()


def test_the_key_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    Client(settings)
    with pytest.raises(InvalidRequestError, match=r"STEP_API_KEY .*api_key=.*platform\.stepfun\.ai"):
        settings.key()
    with pytest.raises(InvalidRequestError, match=r"platform\.stepfun\.com"):
        Settings(region="china").key()
    monkeypatch.setenv("STEP_API_KEY", "late")
    assert settings.key() == "late"


def test_without_a_key_the_error_says_how_to_try_without_one() -> None:
    with pytest.raises(InvalidRequestError, match=r"To try without a key, run `python -m stepplan\.sandbox`"):
        Settings().key()


@pytest.mark.guarantees("other-vendors-variables")
def test_other_vendors_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "https://elsewhere.example.com/v1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "theirs")
    monkeypatch.setenv("STEP_API_KEY", "ours")
    assert Settings().root == "https://api.stepfun.ai/step_plan"
    assert Settings().key() == "ours"


def test_settings_are_values() -> None:
    settings = Settings(api_key=SecretStr("sk-x"), headers={"x": "y"}, proxy="http://proxy", max_retries=7)
    for twin in (copy.copy(settings), copy.deepcopy(settings), pickle.loads(pickle.dumps(settings)), replace(settings)):
        assert twin == settings
        assert twin.key() == "sk-x"
        assert twin.max_retries == 7
    with pytest.raises(AttributeError):
        settings.timeout = 5.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue] - what is under test


@pytest.mark.parametrize("name", ["connect_timeout", "timeout", "stream_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_out_of_range_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name}={seconds} is out of range"):
        Settings(**{name: seconds})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - one of three


WRONG_TYPES: list[tuple[str, Any]] = [
    ("api_key", 5),
    ("api_key", b"sk-x"),
    ("region", 5),
    ("region", ["china"]),
    ("base_url", 5),
    ("base_url", b"https://example.com"),
    ("base_url", Path("example.com")),
    ("max_retries", "3"),
    ("max_retries", True),
    ("max_retries", 1.5),
    ("max_retries", float("nan")),
    ("retry", 3),
    ("retry", {"max_retries": 3}),
    ("connect_timeout", "10"),
    ("timeout", True),
    ("timeout", (5.0, 60.0)),
    ("stream_timeout", [1]),
    ("headers", "x: y"),
    ("headers", [("x", "y")]),
    ("headers", {"x": 1}),
    ("headers", {"x": None}),
    ("headers", {1: "x"}),
    ("proxy", 8080),
    ("verify", 5),
    ("verify", object()),
]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused_in_one_sentence(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Settings(**{name: value})
    assert name in str(caught.value)


def test_a_value_of_the_wrong_type_is_not_shown() -> None:
    for name in ("connect_timeout", "headers", "retry", "verify", "max_retries"):
        with pytest.raises(InvalidRequestError, match=f"{name} must be ") as caught:
            Settings(**{name: ["sk-canary"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - wrong
        assert "sk-canary" not in str(caught.value)


def test_a_file_of_authorities_may_be_a_path() -> None:
    assert Settings(verify=Path("/etc/ca.pem")).verify == "/etc/ca.pem"


# ------------------------------------------------------------------------------------------------------------- retries


def test_the_number_of_retries_is_short_for_a_policy() -> None:
    assert Settings(max_retries=5) == Settings(retry=RetryPolicy(max_retries=5))
    assert Settings(max_retries=0).max_retries == 0
    assert Settings(retry=RetryPolicy(max_retries=5)).max_retries == 5
    both = Settings(retry=RetryPolicy(max_retries=5, initial=3.0), max_retries=1)
    assert (both.retry.max_retries, both.retry.initial) == (1, 3.0)


def test_a_copy_with_other_retries_has_them() -> None:
    settings = Settings(retry=RetryPolicy(initial=3.0), max_retries=1)
    assert replace(settings, max_retries=4).retry == RetryPolicy(max_retries=4, initial=3.0)
    assert replace(settings, retry=RetryPolicy(max_retries=7)).max_retries == 7
    assert replace(settings, timeout=5.0).retry == settings.retry


def test_fewer_than_no_retries_are_refused() -> None:
    for wrong in (lambda: Settings(max_retries=-1), lambda: RetryPolicy(max_retries=-1)):
        with pytest.raises(InvalidRequestError, match="max_retries=-1 is out of range"):
            wrong()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_retries_as_its_policy_says(way: Way, plan: Sandbox, streamed: bool) -> None:
    waits: list[tuple[float, float]] = []

    def at_once(low: float, high: float) -> float:
        waits.append((low, high))
        return 0.0

    plan.script(Turn(text="x", fault=Fault(status=500, times=9)))
    settings = settings_for(plan, retry=RetryPolicy(max_retries=4, spread=at_once))
    with pytest.raises(InternalServerError):
        Asker(way, settings).whole_or_streamed(Request(messages=(Message.user("Hi"),)), streamed=streamed)
    assert len(plan.requests) == 5
    assert waits == [(0.5, 1.0)] * 4
