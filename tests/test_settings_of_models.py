"""Both models are reached as the core's settings say, and leave no secret behind when they are refused."""

import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import InvalidRequestError, ProtocolName, StepPlanError, StepPlanWarning
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.adapters import settings_of
from tests.support.secrets import everything_about, variables_with
from tests.support.servers import canned
from tests.support.ways.langchain import WAYS as LANGCHAINS_WAYS
from tests.support.ways.llama_index import WAYS as LLAMA_INDEXS_WAYS
from tests.support.ways.llama_index import ask as ask_llama_index

CANARY = "sk-canary-0123456789"
PAY_AS_YOU_GO = "https://api.stepfun.ai/v1"
EACH = pytest.mark.parametrize("model", [ChatStepPlan, StepPlan])
ANSWER = {"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}


def ask(model: Any) -> str:
    return str(model.invoke("Hi").content if isinstance(model, ChatStepPlan) else model.complete("Hi"))


WRONG: list[dict[str, Any]] = [
    {"timeout": 0},
    {"timeout": "soon"},
    {"temperature": "hot"},
    {"temprature": 1},
    {"max_retries": -1},
    {"region": "mars"},
    {"protocol": "gemini"},
    {"base_url": "nonsense"},
    {"base_url": f"https://me:{CANARY}@example.com"},
    {"default_headers": {"x team": CANARY}},
    {"default_headers": {"x-team": f"{CANARY}\n{CANARY}"}},
    {"api_key": f"{CANARY}ü"},
]


@pytest.mark.guarantees("no-key-in-frames")
@EACH
@pytest.mark.parametrize("wrong", WRONG)
def test_a_model_that_is_refused_leaves_no_secret_in_any_frame(model: Any, wrong: dict[str, Any]) -> None:
    given = {"api_key": CANARY, "default_headers": {"x-key": CANARY}, "proxy": f"http://me:{CANARY}@proxy", **wrong}
    with pytest.raises(ValueError, match=next(iter(wrong)).removeprefix("default_")) as caught:
        model(**given)
    assert CANARY not in str(caught.value)
    assert CANARY not in everything_about(caught.value), "nor do frames of the framework and of Pydantic hold it"
    assert not variables_with(CANARY, caught.value)


SECRET_HEADERS = {"authorization": f"Bearer {CANARY}"}
CALLS: dict[str, tuple[dict[str, Any], Fault | None]] = {
    "a value out of range": ({"temperature": 9}, None),
    "an unknown option": ({"temprature": 1}, None),
    "an illegal header": ({"extra_headers": {**SECRET_HEADERS, "x team": "a"}}, None),
    "a setting out of range": ({"timeout": 0}, None),
    "no tool": ({"tools": [5]}, None),
    "a refusal": ({}, Fault(status=400)),
    "a reset": ({}, Fault(reset=True)),
    "an error amid the answer": ({}, Fault(error_after=4)),
}


@pytest.mark.guarantees("no-key-in-frames")
@pytest.mark.parametrize("way", [*LANGCHAINS_WAYS, *LLAMA_INDEXS_WAYS], ids=lambda way: getattr(way, "__name__", way))
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("case", CALLS)
async def test_a_call_that_is_refused_or_fails_leaves_no_secret_in_any_frame(
    stepplan_sandbox: Sandbox, case: str, protocol: ProtocolName, way: Any
) -> None:
    wrong, fault = CALLS[case]
    stepplan_sandbox.script(Turn(text="Some words of an answer.", fault=fault))
    given: dict[str, Any] = {
        **settings_of(stepplan_sandbox),
        "protocol": protocol,
        "default_headers": {"x-key": CANARY},
    }
    options = {"extra_headers": SECRET_HEADERS, **wrong}
    if way in LANGCHAINS_WAYS:
        asking = way(ChatStepPlan(**given).bind(**options), "Hi")
    else:
        llm = StepPlan(**given, additional_kwargs={"extra_headers": {"x-other-key": CANARY}})
        asking = ask_llama_index(llm, way, "Hi", **options)
    with pytest.raises(StepPlanError) as caught:
        await asking
    assert CANARY not in str(caught.value)
    assert not variables_with(CANARY, caught.value)


@pytest.mark.guarantees("plan-not-balance")
@EACH
def test_pay_as_you_go_warns_once_at_the_line_that_makes_the_model(model: Any) -> None:
    client, bodies = canned(ANSWER, ANSWER)
    with pytest.warns(StepPlanWarning, match="bills the balance") as warned:
        made = model(base_url=PAY_AS_YOU_GO, api_key="sk-x", http_client=client)
    assert [warning.filename for warning in warned] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [ask(made) for _ in range(2)] == ["Hi.", "Hi."]
    assert len(bodies) == 2


@pytest.mark.guarantees("region-order")
@EACH
@pytest.mark.parametrize(
    ("given", "root"),
    [
        ({}, "https://api.stepfun.ai/step_plan"),
        ({"region": None, "base_url": None}, "https://api.stepfun.ai/step_plan"),
        ({"region": "global"}, "https://api.stepfun.ai/step_plan"),
        ({"region": "china"}, "https://api.stepfun.com/step_plan"),
        ({"region": "china", "base_url": "https://example.com/v1"}, "https://example.com"),
    ],
)
@pytest.mark.parametrize("variable", [None, PAY_AS_YOU_GO, "https://plan.example/step_plan"])
def test_base_url_wins_over_region_and_region_over_the_variable(
    model: Any, given: dict[str, Any], root: str, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=ANSWER)

    if variable is not None:
        monkeypatch.setenv("STEP_BASE_URL", variable)
        if not any(given.values()) and variable != PAY_AS_YOU_GO:
            root = variable
    client = httpx.Client(transport=httpx.MockTransport(answer))
    assert ask(model(api_key="sk-x", http_client=client, **given)) == "Hi."
    assert asked == [f"{root}/v1/chat/completions"]


@EACH
def test_a_file_of_authorities_may_be_a_path(model: Any) -> None:
    made = model(verify=Path("/authorities.pem"))
    assert made.verify == "/authorities.pem"
    if isinstance(made, StepPlan):
        assert StepPlan.from_json(made.to_json()).verify == "/authorities.pem"


@pytest.mark.guarantees("one-url")
@EACH
def test_a_url_that_cannot_be_is_named_by_its_source(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://[::1", "https://a..b", "https://exa mple.com", "http://api.stepfun.ai", "https://me:pw@x"):
        with pytest.raises(InvalidRequestError, match=r"^base_url"):
            model(base_url=url)
        monkeypatch.setenv("STEP_BASE_URL", url)
        with pytest.raises(StepPlanError, match=r"^STEP_BASE_URL"):
            ask(model(api_key="sk-x"))
        monkeypatch.delenv("STEP_BASE_URL")


def test_a_url_that_was_given_as_api_base_is_named_so() -> None:
    for url in ("https://[::1", "https://a..b", f"https://me:{CANARY}@x", "http://api.stepfun.ai"):
        given: dict[str, Any] = {"api_base": url}
        with pytest.raises(InvalidRequestError, match=r"^api_base") as caught:
            StepPlan(**given)
        assert CANARY not in str(caught.value)
        assert not variables_with(CANARY, caught.value)


@pytest.mark.guarantees("near-miss")
@EACH
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_near_miss_of_a_models_name_is_sent_and_then_named(
    model: Any, protocol: str, stepplan_sandbox: Sandbox
) -> None:
    made = model(
        model="stepfun/step-3.7-flsh",
        protocol=protocol,
        base_url=stepplan_sandbox.base_url,
        api_key=f"Bearer {stepplan_sandbox.api_key}",
    )
    with pytest.raises(StepPlanError, match=r"Did you mean 'step-3\.7-flash'\?"):
        ask(made)


@pytest.mark.guarantees("pasted-keys")
@EACH
def test_without_a_key_the_error_says_how_to_try_without_one(model: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"To try without a key, run `python -m stepplan\.sandbox`"):
        ask(model())
