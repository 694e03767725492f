"""What the core's clients make of a real server's answers, on both protocols.

The server decides what it says; asserted is what has to hold of any answer to these questions.
"""

from dataclasses import replace

import pytest
from pydantic import SecretStr

from stepplan import (
    AsyncClient,
    AuthenticationError,
    Client,
    JSONSchema,
    Message,
    ProtocolName,
    Reasoning,
    Request,
    Response,
    Settings,
    Text,
    ToolCall,
    ToolResult,
    parse_arguments,
)
from tests.recorded.tools import TIME, WEATHER
from tests.support.clients import PROTOCOLS
from tests.support.ways.core import WAYS, Way, ask

pytestmark = pytest.mark.vcr
both_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)
every_way = pytest.mark.parametrize("way", WAYS)
same_twice = pytest.mark.not_on_the_plan("the same question has another answer every time")
whole_and_streamed = pytest.mark.parametrize("way", ["send", "stream"])


def _question(text: str) -> Request:
    return Request(messages=(Message.user(text),), temperature=0)


def _assert_counted(answer: Response) -> None:
    assert answer.usage is not None
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


@both_protocols
@every_way
def test_a_question_is_thought_about_and_answered(settings: Settings, protocol: ProtocolName, way: Way) -> None:
    answer = ask(way, settings, protocol, _question("Name a fruit."))
    assert [type(block) for block in answer.content] == [Reasoning, Text]
    assert answer.reasoning.strip()
    assert answer.text.strip()
    assert answer.finish_reason == "stop"
    assert answer.id
    assert answer.model
    _assert_counted(answer)


@both_protocols
@every_way
def test_a_tool_loop_ends_in_an_answer(settings: Settings, protocol: ProtocolName, way: Way) -> None:
    request = replace(_question("What is the weather in Paris?"), tools=(WEATHER,))
    asked = ask(way, settings, protocol, request)
    assert asked.finish_reason == "tool_calls"
    [parsed] = asked.tool_calls
    assert parsed.call.name == "get_weather"
    assert parsed.arguments is not None
    assert parsed.arguments["city"] == "Paris"
    _assert_counted(asked)

    result = ToolResult(parsed.call.id, (Text("18 degrees, sunny"),))
    answered = ask(
        way,
        settings,
        protocol,
        replace(request, messages=(*request.messages, asked.to_message(), Message.user(result))),
    )
    assert answered.finish_reason == "stop"
    assert answered.text.strip()


@both_protocols
@whole_and_streamed
def test_two_tools_are_called_in_one_turn(settings: Settings, protocol: ProtocolName, way: Way) -> None:
    question = "Use get_weather and get_time for Paris. Call both tools."
    answer = ask(way, settings, protocol, replace(_question(question), tools=(WEATHER, TIME)))
    calls = [parsed.call for parsed in answer.tool_calls]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert len({call.id for call in calls}) == 2
    assert all(parsed.arguments and parsed.arguments["city"] == "Paris" for parsed in answer.tool_calls)


@pytest.mark.guarantees("same-every-way")
@same_twice
@both_protocols
def test_the_stream_adds_up_to_the_whole_answer(settings: Settings, protocol: ProtocolName) -> None:
    request = replace(_question("What is the weather in Paris?"), tools=(WEATHER,))
    whole, streamed = (_without_ids(ask(way, settings, protocol, request)) for way in ("send", "stream"))
    assert streamed == whole


def _without_ids(answer: Response) -> Response:
    content = tuple(
        replace(block, id="", arguments=str(parse_arguments(block.arguments))) if isinstance(block, ToolCall) else block
        for block in answer.content
    )
    return replace(answer, id=None, content=content)


@pytest.mark.guarantees("same-every-way")
@same_twice
def test_both_protocols_tell_the_same(settings: Settings) -> None:
    chat, messages = (ask("send", settings, protocol, _question("Name a planet.")) for protocol in PROTOCOLS)
    assert (chat.text, chat.reasoning, chat.finish_reason) == (
        messages.text,
        messages.reasoning,
        messages.finish_reason,
    )
    assert chat.usage == messages.usage


@pytest.mark.guarantees("reasoning-goes-back")
@both_protocols
def test_earlier_turns_with_their_reasoning_are_taken_back(settings: Settings, protocol: ProtocolName) -> None:
    request = replace(
        _question("Name a planet."), messages=(Message.system("Be brief."), Message.user("Name a planet."))
    )
    first = ask("send", settings, protocol, request)
    messages = (*request.messages, first.to_message(), Message.user("Name a fruit."))
    second = ask("send", settings, protocol, replace(request, messages=messages))
    assert second.text.strip()


@both_protocols
@whole_and_streamed
def test_an_answer_that_reaches_max_tokens_says_so(settings: Settings, protocol: ProtocolName, way: Way) -> None:
    answer = ask(way, settings, protocol, replace(_question("Write a short poem about the sea."), max_tokens=12))
    assert answer.finish_reason == "length"
    assert answer.reasoning.strip()
    assert answer.text == ""


@both_protocols
def test_a_stop_sequence_ends_the_answer(settings: Settings, protocol: ProtocolName) -> None:
    answer = ask("stream", settings, protocol, replace(_question("What is 3 + 4?"), stop=("answer is",)))
    assert answer.finish_reason == "stop"
    assert "answer is" not in answer.text


@whole_and_streamed
def test_an_answer_keeps_to_a_json_schema(settings: Settings, way: Way) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    request = replace(_question("Bob is 42 years old. Extract."), response_format=JSONSchema("person", schema))
    assert parse_arguments(ask(way, settings, "openai", request).text) == {"name": "Bob", "age": 42}


def test_input_tokens_are_counted_before_sending(settings: Settings) -> None:
    request = _question("Name a fruit.")
    count = Client(settings).count_tokens(request)
    usage = ask("send", settings, "anthropic", request).usage
    assert usage is not None
    assert usage.input_tokens == count


async def test_input_tokens_are_counted_without_blocking(settings: Settings) -> None:
    assert await AsyncClient(settings).count_tokens(_question("Name a fruit.")) > 0


def test_models_are_listed(settings: Settings) -> None:
    assert "step-3.7-flash" in [model.id for model in Client(settings).models()]


async def test_models_are_listed_without_blocking(settings: Settings) -> None:
    assert "step-3.7-flash" in [model.id for model in await AsyncClient(settings).models()]


def test_models_are_listed_for_a_right_key_only(settings: Settings) -> None:
    with pytest.raises(AuthenticationError):
        Client(replace(settings, api_key=SecretStr("not-a-key-of-anyone"), max_retries=0)).models()
