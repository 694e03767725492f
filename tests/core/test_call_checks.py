"""Tool calls that an agent would pass over in silence are logged, or raised if that is asked for."""

import logging

import pytest

from stepplan import Reasoning, Response, ResponseDecodeError, Text, ToolCall
from stepplan.integration.checks import LOGS, CallCheck

GOOD = ToolCall("a", "look", '{"at": 1}')
BROKEN = ToolCall("b", "look", '{"at": ')
LEAKED = Reasoning("I look. <tool_call><function=look>")


@pytest.mark.guarantees("broken-call-invalid")
@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response((BROKEN,), "tool_calls"), "'look' are not a JSON object"),
        (Response((Text("I look."), BROKEN), "length"), "raise max_tokens"),
        (Response((GOOD, BROKEN), "tool_calls"), "'look' are not a JSON object"),
    ],
)
def test_a_call_that_cannot_be_run_is_logged_or_raised(
    response: Response, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert LOGS.look(response) == {}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert said in record.getMessage()
    with pytest.raises(ResponseDecodeError, match=said) as caught:
        CallCheck(raises=True).look(response)
    assert caught.value.partial is response
    assert caught.value.is_retryable is (response.finish_reason != "length")


@pytest.mark.guarantees("leaked-call")
@pytest.mark.parametrize("block", [LEAKED, Text(LEAKED.text)])
def test_a_call_that_the_server_left_among_the_words_is_noted(
    block: Reasoning | Text, caplog: pytest.LogCaptureFixture
) -> None:
    response = Response((block,), "stop")
    assert CallCheck(has_tools=True).look(response) == {"leaked_tool_call": True}
    assert "no tool is run" in caplog.text
    with pytest.raises(ResponseDecodeError, match="no tool is run"):
        CallCheck(has_tools=True, raises=True).look(response)


def test_nothing_is_said_where_nothing_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    raising = CallCheck(has_tools=True, raises=True)
    assert raising.look(Response((Text("Hello."), GOOD), "tool_calls")) == {}
    assert raising.look(Response((LEAKED, GOOD), "tool_calls")) == {}, "the server did see it"
    assert CallCheck(raises=True).look(Response((LEAKED,), "stop")) == {}, "there are no tools"
    assert caplog.text == ""
