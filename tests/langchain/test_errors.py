"""Errors are the core's and LangChain's at once, keep what is known of the failure, and hold no key."""

import pickle
import traceback
from typing import Any, NamedTuple

import pytest
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core import exceptions as lc
from langchain_core.callbacks import BaseCallbackHandler

import langchain_stepplan
import stepplan
from langchain_stepplan import ChatStepPlan
from langchain_stepplan._errors import to_langchain
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.agents.langchain import create_agent
from tests.support.ways.langchain import WAYS, Models, Way

OVERFLOW = {
    "error": {"type": "invalid_request_error", "message": "This model's maximum context length is 256000 tokens."}
}
REFUSAL: Any = getattr(lc, "ModelRefusalError", lc.ModelInvalidRequestError)


class Refusal(NamedTuple):
    """What goes wrong, our name for it, LangChain's, and whether a retry may help."""

    fault: Fault
    ours: str
    theirs: type[Exception]
    retryable: bool = False


REFUSALS = (
    Refusal(Fault(status=400), "BadRequestError", lc.ModelInvalidRequestError),
    Refusal(Fault(status=400, body=OVERFLOW), "ContextOverflowError", lc.ContextOverflowError),
    Refusal(Fault(status=401), "AuthenticationError", lc.ModelAuthenticationError),
    Refusal(Fault(status=402), "QuotaExceededError", lc.ModelRateLimitError),
    Refusal(Fault(status=403), "PermissionDeniedError", lc.ModelPermissionDeniedError),
    Refusal(Fault(status=404), "NotFoundError", lc.ModelNotFoundError),
    Refusal(Fault(status=418), "APIStatusError", lc.ModelError),
    Refusal(Fault(status=429), "RateLimitError", lc.ModelRateLimitError, retryable=True),
    Refusal(Fault(status=451), "ContentBlockedError", REFUSAL),
    Refusal(Fault(status=500), "InternalServerError", lc.ModelAPIError, retryable=True),
    Refusal(Fault(status=503), "OverloadedError", lc.ModelAPIError, retryable=True),
    Refusal(Fault(reset=True), "APIConnectionError", lc.ModelConnectionError, retryable=True),
)


@pytest.mark.guarantees("error-classes", "context-overflow")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.ours)
async def test_a_refusal_is_an_error_of_both_families(
    way: Way, model: ChatStepPlan, plan: Sandbox, refusal: Refusal
) -> None:
    plan.script(Turn(fault=refusal.fault))
    error = await failure(way, model)
    assert isinstance(error, refusal.theirs)
    assert isinstance(error, lc.ModelError)
    assert isinstance(error, getattr(stepplan, refusal.ours))
    assert type(error) is getattr(langchain_stepplan, refusal.ours)
    assert error.is_retryable is refusal.retryable
    known: Any = error
    if refusal.fault.status is None:
        assert known.__cause__ is not None
    else:
        assert known.status_code == known.response.status_code == refusal.fault.status
        assert known.request_id


async def failure(way: Way, model: ChatStepPlan) -> Exception:
    with pytest.raises(stepplan.StepPlanError) as caught:
        await way(model, "hi")
    return caught.value


@pytest.mark.guarantees("error-classes")
def test_every_error_of_the_core_has_a_class_of_both_families() -> None:
    for name in stepplan.__all__:
        core: Any = getattr(stepplan, name)
        if isinstance(core, type) and issubclass(core, stepplan.StepPlanError):
            error = to_langchain(core("said"))
            assert isinstance(error, core)
            assert isinstance(error, lc.ModelError)
            assert str(error) == "said"
            assert error.is_retryable == core("said").is_retryable
            assert to_langchain(error) is error


def test_a_class_catches_what_it_catches_in_the_core() -> None:
    names = [name for name in langchain_stepplan.__all__ if name.endswith("Error") and name != "StepPlanError"]
    for name in names:
        for other in names:
            core = issubclass(getattr(stepplan, name), getattr(stepplan, other))
            assert issubclass(getattr(langchain_stepplan, name), getattr(langchain_stepplan, other)) == core


def test_a_status_without_a_class_of_its_own_keeps_its_word_on_retrying(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(fault=Fault(status=408)))
    with pytest.raises(lc.ModelError) as caught:
        model.invoke("hi")
    assert getattr(caught.value, "is_retryable", None) is True
    assert getattr(pickle.loads(pickle.dumps(caught.value)), "is_retryable", None) is True


@pytest.mark.guarantees("error-details")
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_pickles_with_all_it_knows(model: ChatStepPlan, plan: Sandbox, stream: bool) -> None:
    plan.script(Turn(fault=Fault(status=429, headers={"Retry-After": "7"})))
    with pytest.raises(langchain_stepplan.RateLimitError) as caught:
        list(model.stream("hi")) if stream else model.invoke("hi")
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is langchain_stepplan.RateLimitError
    assert vars(error) == vars(caught.value)
    assert error.retry_after == 7
    assert str(error) == str(caught.value)


@pytest.mark.guarantees("cut-stream")
async def test_a_broken_stream_gives_what_had_arrived(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="Some words that came.", fault=Fault(error_after=4)))
    pieces: list[str] = []

    async def read() -> None:
        async for chunk in model.astream("hi"):
            pieces.append(chunk.text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(langchain_stepplan.InternalServerError) as caught:
        await read()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(pieces)


CUT = {"openai": 900, "anthropic": 700}


@pytest.mark.guarantees("cut-stream")
@pytest.mark.parametrize("way", [way for way in WAYS if "stream" in way.__name__])
async def test_a_stream_without_its_end_is_an_error_that_holds_what_had_arrived(
    way: Way, model: ChatStepPlan, plan: Sandbox
) -> None:
    plan.script(Turn(text="Some words that came.", fault=Fault(cut_at=CUT[model.protocol])))
    with pytest.raises(langchain_stepplan.IncompleteStreamError) as caught:
        await way(model, "hi")
    assert caught.value.partial is not None
    assert "Some words that came.".startswith(caught.value.partial.text)
    assert caught.value.partial.text
    assert caught.value.partial.finish_reason is None


@pytest.mark.guarantees("key-not-shown")
@pytest.mark.parametrize("way", WAYS)
async def test_no_error_shows_the_key(way: Way, model_for: Models, plan: Sandbox) -> None:
    canary = "sk-canary-0123456789"
    for protocol in ("openai", "anthropic"):
        model = model_for(protocol, api_key=canary, default_headers={"X-Secret": canary})
        with pytest.raises(langchain_stepplan.AuthenticationError) as caught:
            await way(model, "hi")
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        ours = [frame for frame in frames if is_ours(frame.f_code.co_filename)]
        variables = [repr(value) for frame in ours for value in frame.f_locals.values()]
        assert ours
        assert canary not in "".join((*traceback.format_exception(caught.value), repr(vars(caught.value)), *variables))


def is_ours(file: str) -> bool:
    return "langchain_stepplan" in file or "/stepplan/" in file


class Traced(BaseCallbackHandler):
    """Keeps what tracers are given of a failure."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        for generations in kwargs["response"].generations:
            self.metadata += [generation.message.response_metadata for generation in generations]


@pytest.mark.guarantees("error-details")
def test_a_trace_holds_the_body_of_a_refusal(model: ChatStepPlan, plan: Sandbox) -> None:
    handler = Traced()
    plan.script(Turn(fault=Fault(status=400, body=OVERFLOW)))
    with pytest.raises(lc.ContextOverflowError):
        model.invoke("hi", config={"callbacks": [handler]})
    [metadata] = handler.metadata
    assert metadata["status_code"] == 400
    assert metadata["body"] == OVERFLOW
    assert metadata["request_id"]


def test_what_is_wrong_before_sending_is_an_error_of_both_families(model: ChatStepPlan, plan: Sandbox) -> None:
    wrong = [
        (model.bind(temperature=3), "temperature=3 is out of range"),
        (model.bind(reasoning_effort="extreme"), "accepts: low, medium, high"),
        (model.bind(tool_choice="look"), "'look'"),
    ]
    for runnable, said in wrong:
        with pytest.raises(lc.ModelInvalidRequestError, match=said) as caught:
            runnable.invoke("hi")
        assert isinstance(caught.value, stepplan.InvalidRequestError)
        assert isinstance(caught.value, ValueError)
    assert not plan.requests


@pytest.mark.guarantees("no-vain-retry")
@pytest.mark.parametrize(("status", "requests"), [(402, 1), (401, 1), (500, 3)])
def test_retrying_middleware_heeds_what_may_help(
    model: ChatStepPlan, plan: Sandbox, status: int, requests: int
) -> None:
    plan.script(Turn(fault=Fault(status=status, times=9)))
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False, on_failure="error")
    agent = create_agent(model, tools=[], middleware=[retry])
    with pytest.raises(lc.ModelError):
        agent.invoke({"messages": [("user", "hi")]})
    assert len(plan.requests) == requests


def test_fallbacks_take_over(model_for: Models, plan: Sandbox, model: ChatStepPlan) -> None:
    plan.script(Turn(text="From the other one.", fault=Fault(status=402)))
    assert model.with_fallbacks([model_for("openai")]).invoke("hi").content == "From the other one."


def test_retries_of_a_runnable_end_in_an_answer(model: ChatStepPlan, plan: Sandbox) -> None:
    plan.script(Turn(text="At last.", fault=Fault(status=503)))
    retrying = model.with_retry(retry_if_exception_type=(lc.ModelAPIError,), wait_exponential_jitter=False)
    assert retrying.invoke("hi").content == "At last."
