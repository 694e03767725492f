"""The model object, its options, loops, failures, and prediction of objects."""

import asyncio
import copy
import os
import pickle
from typing import Any
from unittest.mock import patch

import httpx
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from pydantic import BaseModel

from stepplan.sandbox import Fault, Turn, Usage
from tests.peers.features import Bench
from tests.peers.features import for_llama_index as feature

HI = [ChatMessage("Hi")]
CANARY = "sk-canary-0123456789"


@feature("Models", "works with its defaults")
def answers(it: Bench) -> None:
    it.plan.script(Turn(text="Hello."))
    assert it.bare().complete("Hi").text == "Hello."


@feature("Models", "accepts any model name")
def any_model(it: Bench) -> None:
    llm = it.llm(model="step-99-new")
    assert llm.metadata.model_name == "step-99-new"
    llm.complete("Hi")
    assert it.body()["model"] == "step-99-new"


@feature("Models", "the default `context_window` is over 100,000 tokens")
def context_window(it: Bench) -> None:
    window = it.bare().metadata.context_window
    assert window > 100_000, f"it says {window}"


@feature("Models", "the default `max_tokens` is at least 4,000, or none")
def no_low_cap(it: Bench) -> None:
    it.bare().complete("Hi")
    cap = it.body().get("max_tokens")
    assert cap is None or cap >= 4000, f"max_tokens is {cap}"


@feature("Models", "`reasoning_effort` is sent")
def effort(it: Bench) -> None:
    it.llm(model=it.candidate.reasoner or it.candidate.model, reasoning_effort="low").complete("Hi")
    sent = it.body().get("reasoning_effort") or it.body().get("output_config", {}).get("effort")
    assert sent == "low", f"it sent {sent!r}"


@feature("Models", "options of a call override those of the model")
def precedence(it: Bench) -> None:
    it.llm(max_tokens=1000, additional_kwargs={"top_p": 0.1, "max_tokens": 500}).chat(HI, max_tokens=50, top_p=0.9)
    sent = (it.body().get("max_tokens"), it.body().get("top_p"))
    assert sent == (50, 0.9), f"it sent {sent}"


@feature("Models", "`max_retries=n` sends at most n + 1 requests")
def retries(it: Bench) -> None:
    it.plan.script(Turn(fault=Fault(status=429, times=99, headers={"Retry-After": "0"})))
    try:
        it.llm(max_retries=2).chat(HI)
    except Exception:  # noqa: BLE001 - whichever it has
        count = len(it.plan.requests)
        assert count, "nothing was asked"
        assert count <= 3, f"{count} requests for max_retries=2"
        return
    raise AssertionError("no error")


@feature("Models", "a model works in several event loops in turn")
def loops(it: Bench) -> None:
    llm = it.llm()
    for _ in range(3):
        asyncio.run(llm.achat(HI))


@feature("Models", "your own httpx client is used and left open")
def client_is_left_open(it: Bench) -> None:
    with httpx.Client(headers={"x-team": "a"}) as client:
        llm = it.llm(http_client=client, **it.candidate.fresh)
        llm.chat(HI)
        llm.chat(HI)
        assert it.plan.requests[-1].headers.get("x-team") == "a", "it was not used"
        assert not client.is_closed, "it was closed"


@feature("Models", "`to_dict` and `repr` leave out the key")
def key_is_hidden(it: Bench) -> None:
    llm = it.candidate.make(it.plan.base_url, CANARY)
    for name, shown in (("to_dict", str(llm.to_dict())), ("repr", repr(llm))):
        assert CANARY not in shown, f"it is in {name}"


@feature("Models", "`from_dict` restores the model, with the key from the environment")
def stored(it: Bench) -> None:
    variable, key = it.candidate.key_variable, it.plan.api_key
    with patch.dict(os.environ):
        os.environ.pop(variable, None)
        llm = it.llm()
        told = llm.to_dict()
        assert key not in str(told), "the key was stored"
        os.environ[variable] = key
        type(llm).from_dict(told).chat(HI)


@feature("Models", "a used model can be deep-copied")
def deep_copy(it: Bench) -> None:
    llm = it.llm()
    llm.chat(HI)
    copy.deepcopy(llm).chat(HI)


@feature("Models", "a used model can be pickled, and the copy works")
def pickles(it: Bench) -> None:
    llm = it.llm()
    llm.chat(HI)
    pickle.loads(pickle.dumps(llm)).chat(HI)


@feature("Models", "accepts a `rate_limiter`")
def rate_limiter(it: Bench) -> None:
    from llama_index.core.rate_limiter import TokenBucketRateLimiter

    it.llm(rate_limiter=TokenBucketRateLimiter(requests_per_minute=1000)).chat(HI)


@feature("Models", "has a timeout by default")
def finite_timeout(it: Bench) -> None:
    timeout = it.bare().timeout
    assert timeout, f"timeout is {timeout}"


@feature("Models", "`TokenCountingHandler` counts a completion once")
def counted_once(it: Bench) -> None:
    counter = TokenCountingHandler(tokenizer=str.split)
    it.plan.script(Turn(text="Hello.", usage=Usage(input_tokens=11, output_tokens=5)))
    it.llm(callback_manager=CallbackManager([counter])).complete("Hi")
    assert counter.total_llm_token_count == 16, f"{counter.total_llm_token_count} tokens for 16"


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


PROMPT = PromptTemplate("Who is 'Robert Norman Ross, the painter of happy little trees'?")


@feature("Models", "`stream_structured_predict` fills the object in as it streams")
def object_fills_in(it: Bench) -> None:
    parts: list[Any] = list(it.llm().stream_structured_predict(Person, PROMPT))
    names = {part.name for part in parts if getattr(part, "name", None)}
    assert len(names) > 2, f"the parts have {len(names)} names"
    assert isinstance(parts[-1], Person), f"the last part is {parts[-1]!r}"


@feature("Models", "`stream_structured_predict` forces the object")
def object_is_forced(it: Bench) -> None:
    list(it.llm().stream_structured_predict(Person, PROMPT))
    body = it.body()
    choice = body.get("tool_choice")
    forced = choice not in (None, "auto") or "response_format" in body or "You must call" in str(body.get("system"))
    assert forced, f"tool_choice is {choice!r}"


@feature("Models", "`structured_predict` sends the system prompt, sync and async")
def same_prompt(it: Bench) -> None:
    llm = it.llm(system_prompt="You know everybody.")
    llm.structured_predict(Person, PROMPT)
    asyncio.run(llm.astructured_predict(Person, PROMPT))
    for index, how in ((0, "sync"), (1, "async")):
        assert "You know everybody." in str(it.body(index)), f"it is missing when {how}"
