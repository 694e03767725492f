"""Every option, alias and spelling means the same in both models, given to the model or to one call.

What goes over the wire is compared: the body, the headers, and how long an answer is waited for.
"""

from typing import Any

import httpx
import pytest
from langchain_core.tools import tool
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import APITimeoutError, InvalidRequestError, JSONSchema, NamedTool, ProtocolName, Tool, WebSearch
from stepplan.integration.fields import SharedFields
from stepplan.integration.options import CALL_OPTIONS
from stepplan.integration.schemas import class_schema
from stepplan.integration.spelling import ALIASES
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.adapters import ADAPTERS, HI, LANGCHAIN, LLAMA_INDEX, langchain, llama_index, settings_of

pytestmark = pytest.mark.filterwarnings("ignore:Messages does not document tool_choice")

LIMIT: dict[str, Any] = {"max_tokens": 32_768}

# An option, and what it becomes: over Chat Completions, and over Messages (`None`: refused there).
OPTIONS: list[tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]] = [
    ({"model": "step-3.5-flash"}, {"model": "step-3.5-flash"}, {"model": "step-3.5-flash"}),
    ({"model_name": "step-3.5-flash"}, {"model": "step-3.5-flash"}, {"model": "step-3.5-flash"}),
    ({"temperature": 0}, {"temperature": 0}, {"temperature": 0}),
    ({"temperature": 0.5}, {"temperature": 0.5}, {"temperature": 0.5}),
    ({"top_p": 0.5}, {"top_p": 0.5}, {"top_p": 0.5}),
    ({"top_k": 5}, None, {"top_k": 5}),
    ({"max_tokens": 9}, {"max_tokens": 9}, {"max_tokens": 9}),
    ({"max_completion_tokens": 9}, {"max_tokens": 9}, {"max_tokens": 9}),
    ({"frequency_penalty": 1}, {"frequency_penalty": 1}, None),
    ({"stop": "END"}, {"stop": ["END"]}, {"stop_sequences": ["END"]}),
    ({"stop": ["END", "FIN"]}, {"stop": ["END", "FIN"]}, {"stop_sequences": ["END", "FIN"]}),
    ({"stop_sequences": ["END"]}, {"stop": ["END"]}, {"stop_sequences": ["END"]}),
    ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
    ({"parallel_tool_calls": False}, {}, {}),
    ({"replay_reasoning": False}, {}, {}),
    ({"repair_history": True}, {}, {}),
    ({"think_tags": True}, {}, {}),
    ({"stream_usage": False}, {}, {}),
    ({"extra_body": {"seed": 7}}, {"seed": 7}, {"seed": 7}),
    ({"model_kwargs": {"seed": 7}}, {"seed": 7}, {"seed": 7}),
    ({"extra_headers": {"X-Team": "a"}}, {}, {}),
    ({"default_headers": {"X-Team": "a"}}, {}, {}),
    ({"timeout": 5}, {}, {}),
    ({"request_timeout": 5}, {}, {}),
    ({"stream_timeout": 5}, {}, {}),
    ({"connect_timeout": 5}, {}, {}),
    ({"max_retries": 1}, {}, {}),
    ({"n": 1, "presence_penalty": 0, "logprobs": False, "seed": None}, {}, {}),
]

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


class Thing(BaseModel):
    """A thing."""

    a: str


def function(name: str) -> dict[str, Any]:
    return {"name": name, "description": f"Does {name}.", "parameters": SCHEMA}


def on_chat(*names: str) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": function(name)} for name in names]}


def named(name: str) -> dict[str, Any]:
    return {"tool_choice": {"type": "function", "function": {"name": name}}}


def schema_of(name: str, schema: dict[str, Any] = SCHEMA, **more: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **more}}}


def anthropics(name: str) -> dict[str, Any]:
    return {"name": name, "description": f"Does {name}.", "input_schema": SCHEMA}


SEARCH = {"type": "web_search", "function": {"description": "News."}}
TWO = [function("f"), anthropics("g")]
JSON_OBJECT = {"response_format": {"type": "json_object"}}

# Options that only a call has, and what they become over Chat Completions.
CALLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"tools": [function("f")]}, on_chat("f")),
    ({"tools": [{"type": "function", "function": function("f")}]}, on_chat("f")),
    ({"tools": [{"type": "function", **function("f")}]}, on_chat("f")),
    ({"tools": [anthropics("f")]}, on_chat("f")),
    ({"tools": [{"title": "f", "description": "Does f.", **SCHEMA}]}, on_chat("f")),
    ({"tools": [Tool("f", "Does f.", SCHEMA)]}, on_chat("f")),
    ({"tools": (function("f"),)}, on_chat("f")),
    ({"tools": []}, {}),
    ({"tools": [function("f"), SEARCH]}, {"tools": [*on_chat("f")["tools"], SEARCH]}),
    ({"tools": [WebSearch("News.")]}, {"tools": [SEARCH]}),
    *(({"tools": TWO, "tool_choice": choice}, on_chat("f", "g")) for choice in (None, False, "auto", {"type": "auto"})),
    *(
        ({"tools": TWO, "tool_choice": choice}, {**on_chat("f", "g"), "tool_choice": "required"})
        for choice in (True, "any", "required", {"type": "any"}, {"type": "required"})
    ),
    *(({"tools": TWO, "tool_choice": choice}, {}) for choice in ("none", {"type": "none"})),
    *(
        ({"tools": TWO, "tool_choice": choice}, {**on_chat("f", "g"), **named("g")})
        for choice in (
            "g",
            NamedTool("g"),
            {"type": "function", "function": {"name": "g"}},
            {"type": "tool", "name": "g"},
            {"type": "function", "name": "g"},
        )
    ),
    ({"tools": [function("any")], "tool_choice": "any"}, {**on_chat("any"), **named("any")}),
    ({"tools": TWO, "parallel_tool_calls": False}, {**on_chat("f", "g"), "parallel_tool_calls": False}),
    ({"response_format": "json_object"}, JSON_OBJECT),
    ({"response_format": {"type": "json_object"}}, JSON_OBJECT),
    ({"response_format": "text"}, {}),
    ({"response_format": {"type": "text"}}, {}),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, schema_of("x")),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, schema_of("answer")),
    ({"response_format": {"name": "x", "schema": SCHEMA, "strict": True}}, schema_of("x", strict=True)),
    ({"response_format": SCHEMA}, schema_of("answer")),
    ({"response_format": {"title": "x", **SCHEMA}}, schema_of("x")),
    ({"response_format": JSONSchema("x", SCHEMA)}, schema_of("x")),
    ({"response_format": Thing}, schema_of("Thing", class_schema(Thing))),
    ({"response_format": {"name": "a name, or two", "schema": SCHEMA}}, schema_of("t_a_name__or_two_6d6ce80844")),
]


@pytest.fixture
def plan(stepplan_sandbox: Sandbox) -> Sandbox:
    return stepplan_sandbox


@pytest.mark.guarantees("same-options", "zero-takes-effect", "separate-timeouts", "harmless-values")
@pytest.mark.parametrize("place", ["model", "call"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize(("options", "chat", "messages"), OPTIONS, ids=lambda value: str(value)[:40])
@ADAPTERS
def test_an_option_means_the_same_everywhere(  # noqa: PLR0917 - one for each way to vary
    plan: Sandbox,
    adapter: Any,
    options: dict[str, Any],
    chat: dict[str, Any] | None,
    messages: dict[str, Any] | None,
    protocol: ProtocolName,
    place: str,
) -> None:
    given = (options, {}) if place == "model" else ({}, options)
    expected = chat if protocol == "openai" else messages
    if expected is None:
        with pytest.raises(InvalidRequestError, match=f"does not document {next(iter(options))}"):
            adapter(plan, protocol, *given)
        return
    adapter(plan, protocol, *given)
    [request] = plan.requests
    assert request.body == {**HI, **({} if protocol == "openai" else LIMIT), **expected}
    assert request.headers.get("x-team") == ("a" if {"extra_headers", "default_headers"} & options.keys() else None)


@pytest.mark.guarantees("same-options")
@pytest.mark.parametrize(("options", "expected"), CALLS, ids=lambda value: str(value)[:60])
@ADAPTERS
def test_an_option_of_calls_means_the_same_everywhere(
    plan: Sandbox, adapter: Any, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    adapter(plan, "openai", {}, options)
    assert plan.requests[0].body == {**HI, **expected}


@pytest.mark.guarantees("same-options")
def test_every_option_and_alias_is_among_those_compared() -> None:
    compared = {name for options, *_ in OPTIONS for name in options} | {
        name for options, _ in CALLS for name in options
    }
    assert compared >= CALL_OPTIONS
    model_alone = {"api_key", "base_url", "async_http_client", "http_async_client"}
    assert {alias for alias, own in ALIASES.items() if own not in model_alone and alias not in model_alone} <= compared


@pytest.mark.parametrize("alias", [alias for alias, own in ALIASES.items() if own in {"api_key", "base_url"}])
def test_a_key_and_an_address_have_the_same_aliases(plan: Sandbox, alias: str) -> None:
    own = ALIASES[alias]
    value = settings_of(plan)[own]
    others = {name: other for name, other in settings_of(plan).items() if name != own}
    assert LANGCHAIN(**{alias: value, **others}).invoke("Hi").text
    assert LLAMA_INDEX(**{alias: value, **others}).complete("Hi").text


def test_the_async_client_has_the_name_of_either_framework() -> None:
    client = httpx.AsyncClient(trust_env=False)
    for name in ("http_async_client", "async_http_client"):
        assert LANGCHAIN(**{name: client}).http_async_client is client
        assert LLAMA_INDEX(**{name: client}).async_http_client is client


@pytest.mark.guarantees("whole-deadline")
@pytest.mark.parametrize("name", ["timeout", "request_timeout"])
@pytest.mark.parametrize("place", ["model", "call"])
@ADAPTERS
def test_a_timeout_holds_for_whole_answers(plan: Sandbox, adapter: Any, name: str, place: str) -> None:
    given = ({name: 0.2}, {}) if place == "model" else ({}, {name: 0.2})
    plan.script(Turn(text="Late.", fault=Fault(stall_after=1)))
    with pytest.raises(APITimeoutError):
        adapter(plan, "openai", *given)


@pytest.mark.guarantees("stalled-stream")
@pytest.mark.parametrize("name", ["timeout", "stream_timeout"])
@pytest.mark.parametrize("place", ["model", "call"])
def test_a_timeout_holds_for_streams(plan: Sandbox, name: str, place: str) -> None:
    of_model, of_call = ({name: 0.2}, {}) if place == "model" else ({}, {name: 0.2})
    plan.script(*[Turn(text="Late.", fault=Fault(stall_after=1))] * 2)
    with pytest.raises(APITimeoutError):
        list(LANGCHAIN(**settings_of(plan), **of_model).stream("Hi", **of_call))
    with pytest.raises(APITimeoutError):
        list(LLAMA_INDEX(**settings_of(plan), **of_model).stream_chat([ChatMessage("Hi")], **of_call))


@pytest.mark.guarantees("separate-timeouts")
def test_a_timeout_that_is_less_than_that_of_streams_is_theirs_too_unless_they_have_their_own() -> None:
    def timeouts(**fields: float) -> set[tuple[float, float]]:
        made = [cls(**fields)._settings for cls in (LANGCHAIN, LLAMA_INDEX)]
        return {(settings.timeout, settings.stream_timeout) for settings in made}

    assert timeouts() == {(600, 120)}
    assert timeouts(timeout=5) == {(5, 5)}
    assert timeouts(timeout=900) == {(900, 120)}
    assert timeouts(timeout=5, stream_timeout=60) == {(5, 60)}


@pytest.mark.parametrize("place", ["model", "call"])
@ADAPTERS
def test_retries_may_be_set_for_one_call(plan: Sandbox, adapter: Any, place: str) -> None:
    given = ({"max_retries": 1}, {}) if place == "model" else ({}, {"max_retries": 1})
    plan.script(Turn(fault=Fault(status=500)))
    adapter(plan, "openai", *given)
    assert len(plan.requests) == 2


def test_tools_of_either_framework_and_functions_become_the_same(plan: Sandbox) -> None:
    def now(zone: str) -> str:
        """The time."""
        return zone

    sent: list[Any] = []
    for ask, given in (
        (langchain, tool(now)),
        (langchain, now),
        (llama_index, FunctionTool.from_defaults(now)),
        (llama_index, now),
    ):
        ask(plan, "openai", {}, {"tools": [given]})
        sent += plan.requests[-1].body["tools"]
    for function in (item["function"] for item in sent):
        assert function["name"] == "now"
        assert function["description"].endswith("The time.")
        assert function["parameters"]["type"] == "object"
        assert function["parameters"]["required"] == ["zone"]
        assert function["parameters"]["properties"]["zone"]["type"] == "string"


@pytest.mark.guarantees("none-is-default")
@pytest.mark.parametrize("cls", [LANGCHAIN, LLAMA_INDEX])
def test_none_means_the_default_for_every_argument(cls: Any) -> None:
    default = cls()
    for name in cls.model_fields:
        made = cls(**{name: None})
        assert getattr(made, name) == getattr(default, name) or name in {"callback_manager", "metadata"}, name
    line = cls(model="step-3.7-flash", temperature=0, max_tokens=None, timeout=None, max_retries=2)
    assert (line.timeout, line.max_tokens, line.max_retries) == (600, None, 2)


@pytest.mark.guarantees("none-is-default")
@pytest.mark.parametrize("name", sorted(CALL_OPTIONS))
@ADAPTERS
def test_none_given_to_a_call_means_what_the_model_has(plan: Sandbox, adapter: Any, name: str) -> None:
    adapter(plan, "openai", {"temperature": 0.5, "extra_body": {"seed": 7}}, {name: None})
    assert plan.requests[0].body == {**HI, "temperature": 0.5, "seed": 7}


@pytest.mark.guarantees("same-options")
def test_both_models_have_the_same_fields_but_for_what_their_frameworks_ask_for() -> None:
    def differing(cls: type[SharedFields]) -> set[str]:
        pairs = {name: (field, cls.model_fields[name]) for name, field in SharedFields.model_fields.items()}
        return {
            name
            for name, (shared, own) in pairs.items()
            if (shared.annotation, shared.default) != (own.annotation, own.default)
        }

    assert differing(ChatStepPlan) == set()
    assert differing(StepPlan) == {"repair_history"}
