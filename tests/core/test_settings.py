"""Settings: one URL per protocol however it is spelled, and a key that is read late and checked."""

import copy
import pickle
from typing import Any

import pytest
from pydantic import SecretStr

from stepplan import Client, InvalidRequestError, Region, Settings, StepPlanWarning
from stepplan.settings import _root

GLOBAL, CHINA = "https://api.stepfun.ai/step_plan", "https://api.stepfun.com/step_plan"


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        (None, GLOBAL),
        ("https://api.stepfun.ai", GLOBAL),
        ("https://api.stepfun.ai/", GLOBAL),
        ("https://API.StepFun.ai/step_plan", GLOBAL),
        ("https://api.stepfun.ai/step_plan", GLOBAL),
        ("https://api.stepfun.ai/step_plan/", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1/", GLOBAL),
        (" https://api.stepfun.ai/step_plan/v1// ", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1/chat/completions", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1/messages", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1/messages/", GLOBAL),
        ("https://api.stepfun.ai/step_plan/messages", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1/messages/count_tokens", GLOBAL),
        ("https://api.stepfun.ai/step_plan/v1/models", GLOBAL),
        ("https://api.stepfun.com", CHINA),
        ("https://api.stepfun.com/step_plan/v1/chat/completions/", CHINA),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/step_plan", "http://127.0.0.1:8000/step_plan"),
        ("http://[::1]:8000/a/b/v1/", "http://[::1]:8000/a/b"),
        ("https://proxy.example.com/v1/messages", "https://proxy.example.com"),
    ],
)
def test_any_spelling_of_a_base_url_is_one_root(base_url: str | None, root: str) -> None:
    assert Settings(base_url=base_url).root == root


@pytest.mark.parametrize("base_url", ["https://api.stepfun.ai/v1", "https://api.stepfun.com/v1/chat/completions/"])
def test_the_pay_as_you_go_platform_is_allowed_with_one_warning(base_url: str) -> None:
    _root.cache_clear()  # the warning comes once in a process
    with pytest.warns(StepPlanWarning, match="bills the balance") as warned:
        roots = {settings.root for settings in (Settings(base_url=base_url), Settings(base_url=base_url))}
    assert roots == {base_url.partition("/v1")[0]}
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("", "is not a base URL"),
        ("api.stepfun.ai", "is not a base URL"),
        ("ftp://api.stepfun.ai", "is not a base URL"),
        ("https://", "is not a base URL"),
        ("https://[::1", "is not a base URL"),
        ("https://api.stepfun.ai:port", "is not a base URL"),
        ("https://api.stepfun.ai?x=1", "is not a base URL"),
        ("https://api.stepfun.ai#x", "is not a base URL"),
        ("https://api.stepfun.ai/step_plan/v1/v1", "names /v1 twice"),
        ("https://example.com/v1/v1/messages", "names /v1 twice"),
        ("https://api.stepfun.ai/plan", "no such path"),
        ("https://api.stepfun.ai/v1/step_plan", "no such path"),
        ("https://me:secret@example.com", "user name or a password"),
        ("https://token@example.com", "user name or a password"),
    ],
)
def test_a_base_url_that_cannot_be_right_is_refused(base_url: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        Settings(base_url=base_url)
    assert "secret" not in str(caught.value)


def test_regions() -> None:
    assert Settings().root == Settings(region="global").root == GLOBAL
    assert Settings(region="china").root == CHINA
    assert Settings(region="china").host == "api.stepfun.com"
    with pytest.raises(InvalidRequestError, match="'global' or 'china'"):
        Settings(region="mars")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - what is under test


@pytest.mark.parametrize(
    ("region", "base_url", "other"),
    [
        ("global", None, "region='china'"),
        ("china", None, "region='global'"),
        ("global", GLOBAL, f"base_url='{CHINA}'"),
        ("china", GLOBAL, f"base_url='{CHINA}'"),
        ("global", CHINA, f"base_url='{GLOBAL}'"),
        ("global", "http://127.0.0.1:8000", None),
    ],
)
def test_the_other_region_is_named_by_the_setting_that_takes_one_there(
    region: Region, base_url: str | None, other: str | None
) -> None:
    assert Settings(region=region, base_url=base_url).other_region == other


def test_the_key_is_the_argument_then_the_first_variable_then_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPFUN_API_KEY", "second")
    assert (Settings().key(), Settings().key_source) == ("second", "STEPFUN_API_KEY")
    monkeypatch.setenv("STEP_API_KEY", " first\n")
    assert (Settings().key(), Settings().key_source) == ("first", "STEP_API_KEY")
    settings = Settings(api_key=" own ")
    assert (settings.key(), settings.key_source) == ("own", "api_key")
    assert settings == Settings(api_key=SecretStr(" own "))
    assert "own" not in repr(settings)
    monkeypatch.setenv("STEP_API_KEY", " ")
    assert Settings().key() == "second"


def test_the_key_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    Client(settings)
    with pytest.raises(InvalidRequestError, match=r"STEP_API_KEY .*api_key=.*platform\.stepfun\.ai"):
        settings.key()
    with pytest.raises(InvalidRequestError, match=r"platform\.stepfun\.com"):
        Settings(region="china").key()
    monkeypatch.setenv("STEP_API_KEY", "late")
    assert settings.key() == "late"


@pytest.mark.parametrize("key", ["", " ", "sk-ключ", "sk-\u200bx", "sk\nx", "“sk-x”"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match="key in api_key") as caught:
        Settings(api_key=SecretStr(key))
    assert not key.strip() or key not in str(caught.value)
    monkeypatch.setenv("STEP_API_KEY", key)
    with pytest.raises(InvalidRequestError, match="key in STEP_API_KEY"):
        Settings().key()


def test_other_vendors_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "https://elsewhere.example.com/v1")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "theirs")
    monkeypatch.setenv("STEP_API_KEY", "ours")
    assert Settings().root == GLOBAL
    assert Settings().key() == "ours"


def test_settings_are_values() -> None:
    settings = Settings(api_key=SecretStr("sk-x"), headers={"x": "y"}, proxy="http://proxy")
    for twin in (copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert twin == settings
        assert twin.key() == "sk-x"


@pytest.mark.parametrize("name", ["connect_timeout", "timeout", "stream_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name}={seconds} is out of range"):
        Settings(**{name: seconds})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - one of three


def test_fewer_than_no_retries_are_refused() -> None:
    assert Settings(max_retries=0).max_retries == 0
    with pytest.raises(InvalidRequestError, match="max_retries=-1 is out of range"):
        Settings(max_retries=-1)


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("api_key", 5, "a string or a SecretStr"),
        ("region", 5, "a string"),
        ("base_url", 5, "a string"),
        ("max_retries", True, "a whole number at least 0"),
        ("connect_timeout", "sk-canary", "a number of seconds, over 0"),
        ("timeout", None, "a number of seconds, over 0"),
        ("stream_timeout", [1], "a number of seconds, over 0"),
        ("headers", "sk-canary", "a mapping whose keys are strings"),
        ("proxy", 5, "a string"),
        ("verify", 5, "True, False or the path of a file"),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused_by_its_name_and_not_shown(name: str, wrong: Any, expected: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name} must be {expected}, not ") as caught:
        Settings(**{name: wrong})
    assert "sk-canary" not in str(caught.value)


def test_the_number_of_retries_is_the_policys() -> None:
    assert Settings(max_retries=5).retry_policy.max_retries == 5
