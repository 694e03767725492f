"""One URL per protocol, however it is spelled and wherever it comes from; and nothing sent where it should not go."""

import warnings
from typing import Any

import pytest

from stepplan import InvalidRequestError, Region, Settings, StepPlanWarning
from stepplan.endpoint import parse

GLOBAL, CHINA = "https://api.stepfun.ai/step_plan", "https://api.stepfun.com/step_plan"
PAY_AS_YOU_GO = "https://api.stepfun.ai/v1"

SPELLINGS = [
    ("https://api.stepfun.ai", GLOBAL),
    ("https://api.stepfun.ai/", GLOBAL),
    ("https://api.stepfun.ai:443", GLOBAL),
    ("https://api.stepfun.ai./step_plan", GLOBAL),
    ("HTTPS://API.StepFun.ai/step_plan", GLOBAL),
    ("https://ａｐｉ.stepfun.ai/step_plan", GLOBAL),
    ("https://api.stepfun.ai/step_plan", GLOBAL),
    ("https://api.stepfun.ai/step_plan/", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1/", GLOBAL),
    (" https://api.stepfun.ai/step_plan/v1// ", GLOBAL),
    ('"https://api.stepfun.ai/step_plan/v1"', GLOBAL),
    ("' https://api.stepfun.com/step_plan/ '\r\n", CHINA),
    ("\ufeffhttps://api.stepfun.ai/\u200b\u00a0", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1/chat/completions", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1/messages", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1/messages/", GLOBAL),
    ("https://api.stepfun.ai/step_plan/messages", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1/messages/count_tokens", GLOBAL),
    ("https://api.stepfun.ai/step_plan/v1/models", GLOBAL),
    ("https://api.stepfun.com", CHINA),
    ("https://api.stepfun.com/step_plan/v1/chat/completions/", CHINA),
    ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("http://127.0.0.1:80/v1", "http://127.0.0.1"),
    ("http://127.0.0.1:8000/step_plan", "http://127.0.0.1:8000/step_plan"),
    ("http://[::1]:8000/a/b/v1/", "http://[::1]:8000/a/b"),
    ("https://proxy.example.com/v1/messages", "https://proxy.example.com"),
    ("https://proxy.example.com/team%40home/v1", "https://proxy.example.com/team%40home"),
    ("https://bücher.example", "https://xn--bcher-kva.example"),
    ("https://" + "a" * 63 + ".example", "https://" + "a" * 63 + ".example"),
]


@pytest.mark.guarantees("one-url")
@pytest.mark.parametrize(("spelling", "root"), SPELLINGS)
def test_any_spelling_is_one_root(spelling: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(base_url=spelling).root == root
    monkeypatch.setenv("STEP_BASE_URL", spelling)
    assert Settings().root == root


# ------------------------------------------------------------------------------------------------- where it comes from


@pytest.mark.guarantees("region-order")
def test_base_url_wins_over_region_and_region_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().root == GLOBAL
    monkeypatch.setenv("STEP_BASE_URL", "http://127.0.0.1:9/step_plan")
    assert Settings().root == "http://127.0.0.1:9/step_plan"
    assert Settings(region="global").root == GLOBAL
    assert Settings(region="china").root == CHINA
    assert Settings(region="china", base_url="https://example.com").root == "https://example.com"
    for empty in ("", " ", '""', "' '"):
        monkeypatch.setenv("STEP_BASE_URL", empty)
        assert Settings().root == GLOBAL


def test_the_variable_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    monkeypatch.setenv("STEP_BASE_URL", "https://late.example")
    assert (settings.root, settings.host) == ("https://late.example", "late.example")


@pytest.mark.parametrize("region", ["mars", "", "China"])
@pytest.mark.parametrize("base_url", [None, "https://example.com"])
def test_an_unknown_region_is_refused(region: Any, base_url: str | None) -> None:
    with pytest.raises(InvalidRequestError, match=f"region='{region}' is not known: it is 'global' or 'china'"):
        Settings(region=region, base_url=base_url)


# ------------------------------------------------------------------------------------------------------- pay-as-you-go


@pytest.mark.guarantees("plan-not-balance")
@pytest.mark.parametrize("host", ["https://api.stepfun.ai", "https://api.stepfun.com"])
@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/v1/chat/completions", "/v1/messages", "/step_plan/v1"])
def test_the_variable_never_leaves_the_plan(host: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_BASE_URL", host + path)
    assert Settings().root == f"{host}/step_plan"


@pytest.mark.guarantees("plan-not-balance")
@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat/completions", "/v1/messages/"])
def test_a_base_url_chooses_pay_as_you_go_with_one_warning_at_the_line_that_gives_it(path: str) -> None:
    with pytest.warns(StepPlanWarning, match=r"base_url='https://api\.stepfun\.ai/v1.* bills the balance") as warned:
        endpoint = Settings(base_url=f"https://api.stepfun.ai{path}").endpoint
    assert endpoint.root == "https://api.stepfun.ai"
    assert endpoint.is_pay_as_you_go
    [warning] = warned
    assert warning.filename == __file__


def test_settings_that_are_made_anew_at_every_call_do_not_warn_again() -> None:
    with pytest.warns(StepPlanWarning):
        Settings(base_url=PAY_AS_YOU_GO)
    Settings(base_url=PAY_AS_YOU_GO, warn_again=False)


def test_the_plan_and_other_servers_are_reached_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (GLOBAL, "https://api.stepfun.ai", "https://example.com/v1", "https://10.0.0.1/v1"):
        assert Settings(base_url=url).endpoint.warning is None
        assert not Settings(base_url=url).endpoint.is_pay_as_you_go
    assert Settings(base_url="https://example.com/step_plan").endpoint.is_plan


# ---------------------------------------------------------------------------------------------------------- encryption


@pytest.mark.guarantees("no-key-in-clear")
@pytest.mark.parametrize(
    "url",
    [
        "http://api.stepfun.ai",
        "http://api.stepfun.ai/step_plan/v1",
        "http://api.stepfun.com/v1",
        "http://API.STEPFUN.AI.:80",
        "http://ａｐｉ.stepfun.ai",
        "http://platform.stepfun.com",
        "http://stepfun.ai/v1",
    ],
)
def test_no_key_goes_to_stepfun_unencrypted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match=r"base_url='http://.* would send the key unencrypted: use https://"):
        Settings(base_url=url)
    monkeypatch.setenv("STEP_BASE_URL", url)
    with pytest.raises(InvalidRequestError, match=r"STEP_BASE_URL='http://.* would send the key unencrypted"):
        _ = Settings().root


@pytest.mark.guarantees("no-key-in-clear")
@pytest.mark.parametrize("host", ["10.0.0.5", "plan.example", "[2001:db8::1]", "128.0.0.1", "notlocalhost"])
def test_an_unencrypted_url_of_another_machine_warns(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(StepPlanWarning, match=r"base_url='http://.*is not encrypted") as warned:
        Settings(base_url=f"http://{host}:8000/v1")
    assert [warning.filename for warning in warned] == [__file__]
    monkeypatch.setenv("STEP_BASE_URL", f"http://{host}:8001/v1")
    with pytest.warns(StepPlanWarning, match="STEP_BASE_URL=") as warned:
        roots = {Settings().root for _ in range(3)}
    assert roots == {f"http://{host}:8001"}
    assert len(warned) == 1, "once in a process, for no line of the program gives the variable"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost", "plan.localhost", "LOCALHOST", "0.0.0.0"]
)
def test_an_unencrypted_url_of_this_machine_does_not_warn(host: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Settings(base_url=f"http://{host}:8000/v1")


# ------------------------------------------------------------------------------------------------ URLs that cannot be

IMPOSSIBLE = [
    *("api.stepfun.ai", "ftp://api.stepfun.ai", "nonsense", "//api.stepfun.ai", "https:/api.stepfun.ai"),
    *("https:api.stepfun.ai", "https:\\\\api.stepfun.ai", "file:///etc/passwd", "sk-0123456789"),
    *("https://", "https:///step_plan", "https://:443", "https://?x", "https://#x"),
    *("https://[::1", "https://[::g]", "https://[]", "https://::1", "https://999.1.1.1", "https://1.2.3.4.5"),
    *("https://api.stepfun.ai:port", "https://api.stepfun.ai:99999", "https://api.stepfun.ai:-1", "https://a:0"),
    *("https://exa mple.com", "https://exa\tmple.com", "https://exa\nmple.com", "https://a\x00b", "https://a\u00a0b"),
    *("https://a..b", "https://.a", "https://a..", "https://.", "https://*.example", "https://a,b", "https://a%b"),
    *("https://" + "a" * 64 + ".example", "https://" + "a" * 300, "https://" + "a." * 200 + "example"),
    *(
        "https://☃.example",
        "https://xn--.example",
        "https://xn--ls8h.example",
        "https://\u200b",
        "https://\ud800.example",
    ),
    *("https://api.stepfun.ai?x=1", "https://api.stepfun.ai/step_plan#x", "https://a.example/a b"),
]


@pytest.mark.guarantees("one-url")
@pytest.mark.parametrize("url", IMPOSSIBLE)
def test_a_url_that_no_request_could_go_to_is_refused_by_the_name_of_its_source(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^base_url is not a base URL: ") as caught:
        Settings(base_url=url)
    assert_alone(caught.value)
    if "\x00" in url or "\ud800" in url:
        return  # no environment can hold it
    monkeypatch.setenv("STEP_BASE_URL", url)
    with pytest.raises(InvalidRequestError, match=r"^STEP_BASE_URL is not a base URL: ") as caught:
        _ = Settings().root
    assert_alone(caught.value)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://api.stepfun.ai", "it does not begin with https:// and a host"),
        ("https://exa mple.com", "it holds white space or a backslash"),
        ("https://999.1.1.1", "no request can go to such a host and port"),
        ("https://a:0", "no request can go to such a host and port"),
        ("https://xn--.example", "no request can go to such a host and port"),
        ("https://api.stepfun.ai?x=1", "it has a query or a fragment"),
    ],
)
def test_the_fault_of_a_url_is_named(url: str, fault: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"is not a base URL: {fault}\\. A base URL looks like https://"):
        Settings(base_url=url)


def assert_alone(error: BaseException) -> None:
    """No other exception hangs on it, which might show the URL."""
    assert error.__cause__ is None
    assert error.__context__ is None


def test_an_empty_base_url_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="base_url is not a base URL"):
        Settings(base_url="")


@pytest.mark.guarantees("one-url")
@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://api.stepfun.ai/step_plan/v1/v1", "names /v1 twice"),
        ("https://example.com/v1/v1/messages", "names /v1 twice"),
        ("https://api.stepfun.ai/plan", "no such path"),
        ("https://api.stepfun.ai/v1/step_plan", "no such path"),
        ("https://api.stepfun.com/v2", "no such path"),
    ],
)
def test_a_wrong_path_is_shown_with_the_source_of_the_url(
    url: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^base_url='{url}'.* {fault}"):
        Settings(base_url=url)
    monkeypatch.setenv("STEP_BASE_URL", url)
    with pytest.raises(InvalidRequestError, match=rf"^STEP_BASE_URL='{url}'.* {fault}"):
        _ = Settings().root


@pytest.mark.guarantees("no-password")
@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@example.com",
        "https://hunter2@example.com",
        "https://:hunter2@example.com/v1",
        "https://me:hun/ter2hunter2@example.com",
        "https://me:12/hunter2@example.com",
        "https://me:hunter2@[::1",
        "https://me:hunter2@exa mple.com",
        "https://me:hunter2\uff20example.com",
        "https://me:hunter2%40example.com",
        "https://me:hunter2",
        "me:hunter2@example.com",
        "https:/me:hunter2@example.com",
        "ftp://me:hunter2@example.com",
        "https://example.com?key=hunter2",
        "https://example.com/#hunter2",
        "http://me:hunter2@api.stepfun.ai/v1/v1",
        "hunter2",
    ],
)
def test_no_password_in_a_url_is_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match=r"^base_url ") as caught:
        Settings(base_url=url)
    assert "hunter2" not in str(caught.value)
    assert_alone(caught.value)
    monkeypatch.setenv("STEP_BASE_URL", url)
    with pytest.raises(InvalidRequestError, match=r"^STEP_BASE_URL ") as caught:
        _ = Settings().root
    assert "hunter2" not in str(caught.value)
    assert_alone(caught.value)


# ------------------------------------------------------------------------------------------------------- other regions


@pytest.mark.guarantees("wrong-key-advice")
@pytest.mark.parametrize(
    ("region", "base_url", "variable", "other"),
    [
        (None, None, None, "region='china'"),
        ("global", None, None, "region='china'"),
        ("china", None, None, "region='global'"),
        ("global", GLOBAL, None, f"base_url='{CHINA}'"),
        ("china", GLOBAL, None, f"base_url='{CHINA}'"),
        ("global", CHINA, None, f"base_url='{GLOBAL}'"),
        (None, "http://127.0.0.1:8000", None, None),
        (None, None, GLOBAL, "region='china'"),
        (None, None, PAY_AS_YOU_GO, "region='china'"),
        (None, None, CHINA, "region='global'"),
        (None, None, "http://127.0.0.1:8000", None),
        ("china", None, "http://127.0.0.1:8000", "region='global'"),
    ],
)
def test_the_other_region_is_named_by_a_setting_that_reaches_it(
    region: Region | None,
    base_url: str | None,
    variable: str | None,
    other: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv("STEP_BASE_URL", variable)
    endpoint = Settings(region=region, base_url=base_url).endpoint
    assert endpoint.other_region == other
    if other is not None:
        setting = dict([other.replace("'", "").split("=", 1)])
        reached = Settings(**{"region": region, "base_url": base_url, **setting}).endpoint  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - two strings
        assert {endpoint.region, reached.region} == {"global", "china"}, "the advice works"


def test_the_other_region_of_pay_as_you_go_is_pay_as_you_go() -> None:
    endpoint = parse(PAY_AS_YOU_GO, "base_url")
    assert endpoint.other_region == "base_url='https://api.stepfun.com/v1'"
