"""What cannot be right is refused in one sentence that names the argument, by both models, wherever it is given."""

from typing import Any
from unittest.mock import AsyncMock, MagicMock

import httpx
import pytest
import requests

from stepplan import AsyncClient, Client, InvalidRequestError
from stepplan.sandbox import Sandbox
from tests.support.adapters import ADAPTERS, LANGCHAIN, LLAMA_INDEX


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": True}, "max_tokens must be a whole number over 0, not True"),
    ({"max_tokens": 0}, "max_tokens=0 is out of range"),
    ({"max_tokens": "9"}, "max_tokens must be a whole number"),
    ({"max_completion_tokens": 1.5}, "max_tokens=1.5 is not a whole number"),
    ({"temperature": "hot"}, "temperature must be a number from 0 to 2"),
    ({"temperature": float("nan")}, "temperature=nan is out of range"),
    ({"temperature": [0.5]}, "temperature must be a number"),
    ({"top_p": False}, "top_p must be a number"),
    ({"top_k": 501}, "top_k=501 is out of range"),
    ({"frequency_penalty": {}}, "frequency_penalty must be a number"),
    ({"stop": 5}, "stop must be a sequence of strings"),
    ({"stop": ["a", 5]}, "stop may hold strings only"),
    ({"model": 5}, "model must be a string"),
    ({"model": ""}, "model must not be empty"),
    ({"reasoning_effort": 3}, "reasoning_effort must be a string"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort='extreme' is not supported"),
    ({"parallel_tool_calls": "no"}, "parallel_tool_calls must be True or False"),
    ({"replay_reasoning": 1}, "replay_reasoning must be True or False"),
    ({"stream_usage": "yes"}, "stream_usage must be True or False"),
    ({"extra_body": "a"}, "extra_body must be a mapping"),
    ({"extra_headers": ["a"]}, "headers must be a mapping"),
    ({"timeout": "soon"}, "timeout must be a number of seconds"),
    ({"timeout": 0}, "timeout=0 is out of range"),
    ({"timeout": float("inf")}, "timeout=inf is out of range"),
    ({"stream_timeout": True}, "stream_timeout must be a number of seconds"),
    ({"max_retries": "2"}, "max_retries must be a whole number"),
    ({"max_retries": -1}, "max_retries=-1 is out of range"),
    ({"n": 2}, "'n' is not known here. A request returns one answer"),
    ({"thinking": {"type": "enabled"}}, "'thinking' is not known here.*reasoning_effort"),
    ({"temprature": 1}, "'temprature' is not known: did you mean 'temperature'"),
]


@pytest.mark.guarantees("unknown-arguments", "wrong-types")
@pytest.mark.parametrize("place", ["model", "call"])
@pytest.mark.parametrize(("options", "said"), WRONG, ids=lambda value: str(value)[:40])
@ADAPTERS
def test_a_wrong_value_is_refused_with_one_sentence_that_names_the_argument(
    plan: Sandbox, adapter: Any, options: dict[str, Any], said: str, place: str
) -> None:
    given = (options, {}) if place == "model" else ({}, options)
    with pytest.raises(InvalidRequestError, match=said):
        adapter(plan, "openai", *given)
    assert not plan.requests


HTTP = httpx.Client(trust_env=False)
HTTP_ASYNC = httpx.AsyncClient(trust_env=False)


class Decorated(httpx.AsyncClient):
    """As instrumentation wraps it: `send` is no coroutine function any more."""

    def send(self, *args: Any, **kwargs: Any) -> Any:
        return super().send(*args, **kwargs)


@pytest.mark.guarantees("wrong-types")
@pytest.mark.parametrize(
    ("asynchronous", "client", "said"),
    [
        (False, HTTP_ASYNC, "must be an httpx.Client or the like: AsyncClient is async"),
        (False, Decorated(trust_env=False), "must be an httpx.Client or the like: Decorated is async"),
        (False, requests.Session(), "must be an httpx.Client or the like, not of type Session"),
        (False, "http://proxy:8080", "must be an httpx.Client or the like, not of type str"),
        (False, httpx.Client, "must be an httpx.Client or the like, not of type type"),
        (True, HTTP, "must be an httpx.AsyncClient or the like: Client is sync"),
        (True, requests.Session(), "must be an httpx.AsyncClient or the like, not of type Session"),
        (True, True, "must be an httpx.AsyncClient or the like, not True"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_http_client_of_the_wrong_kind_is_refused_where_it_is_given(
    asynchronous: bool, client: Any, said: str
) -> None:
    for make, name in (
        (AsyncClient if asynchronous else Client, "http_client"),
        (LANGCHAIN, "http_async_client" if asynchronous else "http_client"),
        (LLAMA_INDEX, "async_http_client" if asynchronous else "http_client"),
    ):
        with pytest.raises(InvalidRequestError, match=f"^{name} {said}"):
            make(**{name: client})


def test_an_http_client_of_the_right_kind_is_taken() -> None:
    """Also one that a test made up, or that instrumentation has wrapped."""
    for sync in (HTTP, MagicMock(), type("Sub", (httpx.Client,), {})(trust_env=False)):
        assert Client(http_client=sync).http_client is sync
        assert LANGCHAIN(http_client=sync).http_client is LLAMA_INDEX(http_client=sync).http_client is sync
    for other in (HTTP_ASYNC, AsyncMock(), Decorated(trust_env=False)):
        assert AsyncClient(http_client=other).http_client is other
        assert LANGCHAIN(http_async_client=other).http_async_client is other
        assert LLAMA_INDEX(async_http_client=other).async_http_client is other


@pytest.mark.guarantees("server-tools-refused", "unknown-arguments")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": 5}, "tools must be a list of tools"),
        ({"tools": ["f"]}, "not a tool"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "'web_search', of type 'web_search_20250305'",
        ),
        ({"tool_choice": 7}, "tool_choice=7 is not"),
        ({"tool_choice": "f"}, "tool_choice names 'f', but the tools are: none"),
        ({"tool_choice": True}, "needs tools"),
        ({"response_format": 3}, "response_format=3 is not understood"),
        ({"api_key": "x"}, "'api_key' is an argument of the model"),
    ],
)
@ADAPTERS
def test_a_wrong_option_of_a_call_is_refused(plan: Sandbox, adapter: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        adapter(plan, "openai", {}, options)
    assert not plan.requests


@pytest.mark.parametrize("name", ["tools", "tool_choice", "response_format"])
def test_an_option_of_calls_given_to_a_model_gets_the_sentence_that_says_where_it_goes(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"'{name}' is not known here.*(bind_tools|with_structured_output)"):
        LANGCHAIN(**{name: []})
    with pytest.raises(InvalidRequestError, match=f"'{name}' is not known here.*(additional_kwargs|to a call)"):
        LLAMA_INDEX(**{name: []})
