"""Both clients on a real connection: what goes out, what comes back."""

from dataclasses import replace
from typing import Any

import pytest

from stepplan import (
    AsyncClient,
    Client,
    InvalidRequestError,
    Message,
    MessageStart,
    NamedTool,
    ProtocolName,
    Reasoning,
    Request,
    StepPlanWarning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    Usage,
    fold,
)
from stepplan.sandbox import Dialect, Sandbox, Turn
from stepplan.sandbox import ToolCall as Called
from stepplan.sandbox import Usage as Counts
from tests.support.clients import PROTOCOLS, Asker, Way, settings_for
from tests.support.fixtures import essence

ON_BOTH = pytest.mark.parametrize("protocol", PROTOCOLS)
REQUEST = Request(messages=(Message.system("Be brief."), Message.user("What is the weather?")))
TURN = Turn(
    reasoning="想一想 2+2.",
    text="Let me see 🎉\u2028.",
    tool_calls=[Called("get_weather", {"city": "巴黎"}, "call_a"), Called("now", {}, "call_b")],
    usage=Counts(30, 12),
)
WORDS = (Reasoning("想一想 2+2."), Text("Let me see 🎉\u2028."))

DIALECTS = [
    Dialect(),
    Dialect(chat_profile="openai", chat_reasoning_fields="reasoning", chat_usage="last"),
    Dialect(chat_reasoning_fields="reasoning_content", chat_usage="trailing_empty_choices", chat_tool_finish="stop"),
    Dialect(chat_tool_pieces="whole", chat_profile="old", tool_ids="call", ping=True),
    Dialect(chat_profile="old"),
    Dialect(messages_profile="docs", messages_signature=None, messages_model_field=False),
    Dialect(messages_signature="absent", messages_trailing_done=True, ping=True),
]


@pytest.mark.guarantees("same-every-way")
@ON_BOTH
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_whole_and_streamed_answers_are_the_same_in_every_dialect(
    dialect: Dialect, protocol: ProtocolName, way: Way
) -> None:
    with Sandbox([TURN, TURN], dialect=dialect) as plan:
        asker = Asker(way, settings_for(plan), protocol)
        whole, streamed = asker.send(REQUEST), fold(asker.stream(REQUEST))
    assert essence(whole) == essence(streamed)
    assert [
        replace(block, signature=None) if isinstance(block, Reasoning) else block for block in whole.content[:2]
    ] == [*WORDS]
    assert [(call.call.id, call.call.name, call.arguments) for call in whole.tool_calls] == [
        ("call_a", "get_weather", {"city": "巴黎"}),
        ("call_b", "now", {}),
    ]
    assert whole.finish_reason == "tool_calls"
    assert whole.usage == Usage(30, 12)
    assert (
        whole.model
        == streamed.model
        == (None if not dialect.messages_model_field and protocol == "anthropic" else "step-3.7-flash")
    )


@pytest.mark.guarantees("same-every-way")
@ON_BOTH
def test_the_two_protocols_agree(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    plan.script(TURN, TURN)
    other: ProtocolName = "anthropic" if protocol == "openai" else "openai"
    assert essence(replace(asker, protocol=protocol).send(REQUEST)) == essence(
        fold(replace(asker, protocol=other).stream(REQUEST))
    )


@pytest.mark.guarantees("only-what-was-set", "one-url")
@ON_BOTH
@pytest.mark.parametrize("streamed", [False, True])
def test_only_documented_fields_and_headers_go_out(
    asker: Asker, plan: Sandbox, protocol: ProtocolName, streamed: bool
) -> None:
    replace(asker, protocol=protocol).whole_or_streamed(replace(REQUEST, stream_usage=False), streamed=streamed)
    [sent] = plan.requests
    assert sent.method == "POST"
    assert sent.path == f"/step_plan/v1/{'chat/completions' if protocol == 'openai' else 'messages'}"
    assert sent.unlisted == ()
    assert sent.headers["authorization"] == f"Bearer {plan.api_key}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["user-agent"].startswith("stepplan/")
    assert sent.headers.get("anthropic-version") == ("2023-06-01" if protocol == "anthropic" else None)
    assert set(sent.headers) <= {
        *("accept", "accept-encoding", "anthropic-version", "authorization", "connection", "content-length"),
        *("content-type", "host", "user-agent"),
    }


@pytest.mark.guarantees("headers")
@ON_BOTH
def test_the_callers_headers_and_fields_win_in_any_spelling(
    asker: Asker, plan: Sandbox, protocol: ProtocolName
) -> None:
    settings = replace(asker.settings, headers={"User-Agent": "mine", "X-Team": "a"})
    request = replace(REQUEST, extra_headers={"x-team": "b", "X-More": "c"}, extra_body={"seed": 7})
    replace(asker, settings=settings, protocol=protocol).send(request)
    [sent] = plan.requests
    assert (sent.headers["user-agent"], sent.headers["x-team"], sent.headers["x-more"]) == ("mine", "b", "c")
    assert sent.body["seed"] == 7
    assert "x-team" not in sent.body


@pytest.mark.guarantees("headers")
@pytest.mark.parametrize("value", ["a\nb", "ü", "\x00"])
def test_a_header_that_cannot_be_sent_is_refused_by_name(asker: Asker, plan: Sandbox, value: str) -> None:
    with pytest.raises(InvalidRequestError, match="'x-team' is not printable ASCII"):
        asker.send(replace(REQUEST, extra_headers={"X-Team": value}))
    assert plan.requests == []


@ON_BOTH
def test_the_trace_id_of_the_answer_is_kept(asker: Asker, protocol: ProtocolName) -> None:
    asker = replace(asker, protocol=protocol)
    whole, events = asker.send(REQUEST), asker.stream(REQUEST)
    assert whole.trace_id
    assert isinstance(events[0], MessageStart)
    assert events[0].trace_id
    assert events[0].trace_id == fold(events).trace_id != whole.trace_id


@ON_BOTH
def test_a_tool_loop(asker: Asker, plan: Sandbox, protocol: ProtocolName) -> None:
    asker = replace(asker, protocol=protocol)
    tool = Tool(
        "weather.get",
        "The weather.",
        {"type": "object", "properties": {"city": {"const": "Paris"}}, "required": ["city"]},
    )
    request = replace(REQUEST, tools=(tool,))
    first = asker.send(request)
    [call] = first.tool_calls
    assert (call.call.name, call.arguments) == ("weather.get", {"city": "Paris"})
    result = Message.user(ToolResult(call.call.id, (Text("Sunny, 22 C"),)))
    second = fold(asker.stream(replace(request, messages=(*REQUEST.messages, first.to_message(), result))))
    assert second.finish_reason == "stop"
    assert "Sunny, 22 C" in second.text
    assert plan.requests[1].unlisted in {(), ("stream_options",)}


@ON_BOTH
def test_tokens_are_counted_for_requests_of_either_protocol(
    asker: Asker, plan: Sandbox, protocol: ProtocolName
) -> None:
    tool = Tool("f", "Something.")
    choice: ToolChoice = NamedTool("f") if protocol == "openai" else "auto"
    request = replace(REQUEST, tools=(tool,), tool_choice=choice)
    assert replace(asker, protocol=protocol).count_tokens(request) > 5
    assert plan.requests[0].path == "/step_plan/v1/messages/count_tokens"
    assert plan.requests[0].headers["anthropic-version"] == "2023-06-01"


def test_models_are_listed(asker: Asker, plan: Sandbox) -> None:
    models = asker.models()
    assert "step-3.7-flash" in [model.id for model in models]
    assert models[0].details["owned_by"] == "stepai"
    assert plan.requests[0].method == "GET"
    assert "content-type" not in plan.requests[0].headers


def test_what_is_wrong_with_a_request_is_said_before_anything_is_sent(asker: Asker, plan: Sandbox) -> None:
    with pytest.raises(InvalidRequestError, match="top_k"):
        asker.stream(replace(REQUEST, top_k=5))
    assert plan.requests == []


def test_a_forced_choice_on_messages_warns_once_a_request(asker: Asker) -> None:
    request = replace(REQUEST, tools=(Tool("f"),), tool_choice="required")
    with pytest.warns(StepPlanWarning, match="Messages does not document tool_choice") as warned:
        replace(asker, protocol="anthropic").send(request)
    assert len(warned) == 1


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_an_unknown_protocol_is_refused_with_those_there_are(client: Any) -> None:
    with pytest.raises(InvalidRequestError, match="'openai' or 'anthropic'"):
        client(protocol="gemini")


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_settings_of_the_wrong_type_are_refused_without_being_shown(client: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^settings must be a Settings, not of type str\.$"):
        client("sk-canary")


def test_a_request_of_the_wrong_type_is_refused(asker: Asker, plan: Sandbox) -> None:
    given: Any = "Hello"
    for ask in (asker.send, asker.stream, asker.count_tokens):
        with pytest.raises(InvalidRequestError, match=r"^request must be a Request, not of type str\.$"):
            ask(given)
    assert not plan.requests


def test_a_client_is_a_context_manager_and_works_again_after_it(plan: Sandbox) -> None:
    with Client(settings_for(plan)) as client:
        assert client.send(REQUEST).text
    client.close()
    assert client.send(REQUEST).text


async def test_an_async_client_is_a_context_manager_and_works_again_after_it(plan: Sandbox) -> None:
    async with AsyncClient(settings_for(plan)) as client:
        assert (await client.send(REQUEST)).text
    assert (await client.send(REQUEST)).text
    for _ in range(2):
        await client.aclose()


def test_the_first_example(plan: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_API_KEY", plan.api_key)
    settings = replace(settings_for(plan), api_key=None)
    assert Client(settings).send(Request(messages=(Message.user("Hello"),))).text
