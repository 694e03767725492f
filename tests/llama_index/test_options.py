"""Options: where they may be set, which wins, and what goes on the wire."""

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ThinkingBlock

from llama_index_stepplan import StepPlan
from stepplan import APITimeoutError, InvalidRequestError, ProtocolName
from stepplan.sandbox import Fault, Sandbox, Turn
from tests.support.ways.llama_index import STREAMS, WAYS, Way, ask, make_llm

HI = [ChatMessage("Hi")]


def body(plan: Sandbox) -> dict[str, Any]:
    return dict(plan.requests[-1].body)


@pytest.mark.guarantees("unknown-arguments")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tools", "Give tools to an agent or to chat_with_tools"),
        ("tool_choice", "Give it to a call, or to every call in additional_kwargs"),
        ("response_format", "Use structured_predict"),
        ("system", "Use system_prompt"),
    ],
)
def test_what_is_not_an_argument_here_says_what_to_do(name: str, said: str) -> None:
    given: dict[str, Any] = {name: "x"}
    with pytest.raises(InvalidRequestError, match=f"'{name}' is not known here.*{said}"):
        StepPlan(api_key="k", **given)


@pytest.mark.guarantees("only-what-was-set", "max-tokens-default")
def test_nothing_is_sent_that_was_not_set(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat(HI)
    required = {"max_tokens": 32768} if llm.protocol == "anthropic" else {}

    assert body(plan) == {
        "model": "step-3.7-flash",
        "messages": [{"role": "user", "content": "Hi"}],
        **required,
    }


@pytest.mark.guarantees("effort", "zero-takes-effect")
def test_every_option_reaches_its_field(plan: Sandbox, protocol: ProtocolName) -> None:
    fields: dict[str, Any] = {
        "model": "step-3.5-flash",
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 99,
        "stop": ["END", "FIN"],
        "reasoning_effort": "low",
    }
    make_llm(plan, protocol, **fields, extra_body={"seed": 7}).chat(HI)
    expected = {**fields, "seed": 7}
    if protocol == "anthropic":
        expected["stop_sequences"] = expected.pop("stop")
        expected["output_config"] = {"effort": expected.pop("reasoning_effort")}

    assert {name: body(plan).get(name) for name in expected} == expected


@pytest.mark.guarantees("zero-takes-effect")
def test_what_one_protocol_has_alone_is_refused_by_the_other(plan: Sandbox) -> None:
    make_llm(plan, "anthropic", top_k=0).chat(HI)
    assert body(plan)["top_k"] == 0
    make_llm(plan, "openai", frequency_penalty=-1.0).chat(HI)
    assert body(plan)["frequency_penalty"] == -1.0
    with pytest.raises(InvalidRequestError, match="protocol='anthropic'"):
        make_llm(plan, "openai", top_k=0).chat(HI)
    with pytest.raises(InvalidRequestError, match="protocol='openai'"):
        make_llm(plan, "anthropic", frequency_penalty=1).chat(HI)


def test_the_call_wins_over_additional_kwargs_which_win_over_the_field(plan: Sandbox, protocol: ProtocolName) -> None:
    set_here = {"max_tokens": 500, "top_p": 0.2}
    llm = make_llm(plan, protocol, max_tokens=1000, top_p=0.1, temperature=1.0, additional_kwargs=set_here)
    llm.chat(HI, max_tokens=50)
    sent = body(plan)
    llm.chat(HI, max_tokens=None)

    assert (sent["max_tokens"], sent["top_p"], sent["temperature"]) == (50, 0.2, 1.0)
    assert body(plan)["max_tokens"] == 500


@pytest.mark.guarantees("extra-body", "headers")
def test_extra_fields_and_headers_add_up(plan: Sandbox, protocol: ProtocolName) -> None:
    llm = make_llm(
        plan,
        protocol,
        extra_body={"a": 1, "b": 1, "c": 1},
        default_headers={"x-a": "1", "x-b": "1"},
        additional_kwargs={"extra_body": {"b": 2, "c": 2}},
    )
    llm.chat(HI, extra_body={"c": 3}, extra_headers={"X-B": "2"})

    assert {name: body(plan)[name] for name in "abc"} == {"a": 1, "b": 2, "c": 3}
    assert (plan.requests[0].headers["x-a"], plan.requests[0].headers["x-b"]) == ("1", "2")


@pytest.mark.guarantees("extra-body")
def test_the_extra_body_wins_over_everything(plan: Sandbox, protocol: ProtocolName) -> None:
    make_llm(plan, protocol, max_tokens=10).chat(HI, extra_body={"max_tokens": 20})

    assert body(plan)["max_tokens"] == 20


def test_one_stop_sequence_may_be_given_alone(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat(HI, stop="END")

    assert ["END"] in body(plan).values()


@pytest.mark.guarantees("unknown-arguments")
def test_an_unknown_option_of_a_call_is_refused(llm: StepPlan, plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match=r"did you mean 'max_tokens'.*extra_body"):
        llm.chat(HI, max_token=3)
    with pytest.raises(InvalidRequestError, match=r"'seed' is not known.*extra_body"):
        llm.complete("Hi", seed=3)

    assert plan.requests == []


def test_the_model_may_be_chosen_per_call(llm: StepPlan, plan: Sandbox) -> None:
    llm.chat(HI, model="step-3.5-flash", reasoning_effort="low")

    assert body(plan)["model"] == "step-3.5-flash"
    assert llm.model == "step-3.7-flash"


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("json_object", {"type": "json_object"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "text"}, None),
        (
            {"type": "json_schema", "json_schema": {"name": "A", "schema": SCHEMA, "strict": True}},
            {"type": "json_schema", "json_schema": {"name": "A", "schema": SCHEMA, "strict": True}},
        ),
    ],
)
def test_a_response_format_is_sent_on_chat_completions(plan: Sandbox, given: Any, sent: Any) -> None:
    make_llm(plan, "openai").chat([ChatMessage('JSON with the key "a", please')], response_format=given)

    assert body(plan).get("response_format") == sent


@pytest.mark.parametrize("given", ["xml", {"type": "json_schema"}, 3])
def test_a_response_format_that_cannot_be_is_refused(plan: Sandbox, given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="response_format"):
        make_llm(plan, "openai").chat(HI, response_format=given)


def test_a_response_format_on_messages_names_the_other_protocol(plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="protocol='openai'"):
        make_llm(plan, "anthropic").chat(HI, response_format="json_object")


@pytest.mark.parametrize("source", ["call", "additional_kwargs", "field"])
def test_a_timeout_may_be_set_for_one_call(plan: Sandbox, protocol: ProtocolName, source: str) -> None:
    llm = make_llm(
        plan,
        protocol,
        **({"timeout": 0.2} if source == "field" else {}),
        **({"additional_kwargs": {"timeout": 0.2}} if source == "additional_kwargs" else {}),
    )
    options = {"timeout": 0.2} if source == "call" else {}
    plan.script(*[Turn(text="Late.", fault=Fault(stall_after=1))] * 2)
    with pytest.raises(APITimeoutError):
        llm.chat(HI, **options)
    with pytest.raises(APITimeoutError):
        list(llm.stream_chat(HI, **options))


@pytest.mark.guarantees("stream-options")
@pytest.mark.parametrize("way", STREAMS)
async def test_counts_are_asked_for_in_streams_unless_told_not_to(plan: Sandbox, way: Way) -> None:
    await ask(make_llm(plan, "openai"), way, HI)
    await ask(make_llm(plan, "openai", stream_usage=False), way, HI)
    await ask(make_llm(plan, "openai"), way, HI, stream_usage=False)

    asked = [request.body.get("stream_options") for request in plan.requests]
    assert asked == [{"include_usage": True}, None, None]


@pytest.mark.guarantees("think-tags")
@pytest.mark.parametrize("way", WAYS)
async def test_think_tags_are_words_unless_they_are_asked_to_be_thinking(
    llm: StepPlan, plan: Sandbox, way: Way
) -> None:
    plan.script(*[Turn(text="<think>Two and two.</think>\n\nFour.")] * 2)
    as_it_comes = (await ask(llm, way, HI))[-1].message
    llm.think_tags = True
    split = (await ask(llm, way, HI))[-1].message

    assert as_it_comes.content == "<think>Two and two.</think>\n\nFour."
    assert split.content == "Four."
    [thinking] = [block for block in split.blocks if isinstance(block, ThinkingBlock)]
    assert thinking.content == "Two and two."


@pytest.mark.parametrize(
    ("region", "root"),
    [("global", "https://api.stepfun.ai/step_plan"), ("china", "https://api.stepfun.com/step_plan")],
)
def test_a_region_is_a_host(region: Any, root: str) -> None:
    assert StepPlan(region=region).to_payload()["base_url"] == root


@pytest.mark.guarantees("derived-when-asked")
def test_a_model_that_is_changed_is_asked_as_changed(llm: StepPlan, plan: Sandbox) -> None:
    llm.model = "step-3.5-flash"
    llm.temperature = 1.5
    llm.chat(HI)

    assert (body(plan)["model"], body(plan)["temperature"]) == ("step-3.5-flash", 1.5)
    llm.temperature = 9
    with pytest.raises(InvalidRequestError, match="temperature=9 is out of range"):
        llm.chat(HI)
