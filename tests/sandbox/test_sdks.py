"""The vendors' own clients understand the sandbox: it speaks their protocols, not only what we make of them."""

import pytest

from stepplan.sandbox import Dialect, Fault, Sandbox, Turn
from tests.support.wire import CITY

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
DIALECTS = pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(
            chat_profile="openai",
            chat_usage="trailing_empty_choices",
            chat_tool_pieces="whole",
            messages_signature=None,
            messages_trailing_done=True,
            ping=True,
        ),
    ],
)


@pytest.mark.guarantees("sandbox-sdks")
@DIALECTS
def test_openai(dialect: Dialect) -> None:
    function = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
    request = {"model": "step-3.7-flash", "messages": QUESTION, "tools": [function]}
    with (
        Sandbox(dialect=dialect) as plan,
        openai.OpenAI(api_key="sk-sandbox", base_url=f"{plan.base_url}/v1") as client,
    ):
        whole = client.chat.completions.create(**request).choices[0]
        with client.chat.completions.stream(**request) as stream:
            streamed = stream.get_final_completion().choices[0]
        for choice in (whole, streamed):
            assert choice.finish_reason == "tool_calls"
            assert choice.message.tool_calls[0].function.arguments == '{"city": "Paris"}'
        assert "step-3.7-flash" in [model.id for model in client.models.list()]
        plan.script(Turn(fault=Fault(status=429, headers={"Retry-After": "0"})))
        assert client.chat.completions.create(**request).choices[0].message.tool_calls
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="step-0", messages=QUESTION)


@pytest.mark.guarantees("sandbox-sdks")
@DIALECTS
def test_anthropic(dialect: Dialect) -> None:
    tool = {"name": "get_weather", "input_schema": CITY}
    request = {"model": "step-3.7-flash", "max_tokens": 500, "messages": QUESTION, "tools": [tool]}
    with Sandbox(dialect=dialect) as plan, anthropic.Anthropic(api_key="sk-sandbox", base_url=plan.base_url) as client:
        whole = client.messages.create(**request)
        with client.messages.stream(**request) as stream:
            streamed = stream.get_final_message()
        for message in (whole, streamed):
            assert message.stop_reason == "tool_use"
            assert [block.type for block in message.content] == ["thinking", "tool_use"]
            assert message.content[1].input == {"city": "Paris"}
        assert whole.usage.output_tokens == streamed.usage.output_tokens
        plan.script(Turn(text="Partial", fault=Fault(error_after=3)))
        with pytest.raises(anthropic.APIStatusError), client.messages.stream(**request) as stream:
            stream.get_final_message()
