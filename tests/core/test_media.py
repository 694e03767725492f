"""Which URLs of images and videos can be sent: decided once, for the core, both adapters and `stepplan ask`."""

import json
from typing import Any

import pytest

from stepplan import PROTOCOLS, Image, InvalidRequestError, Message, ProtocolName, Request, Text, ToolCall, ToolResult
from stepplan.media import checked_url, is_url, sendable_url, split_data_url

ON_BOTH = pytest.mark.parametrize("protocol", ["openai", "anthropic"])
DATA = "data:image/png;base64,AAAA"


def sent(protocol: ProtocolName, *messages: Message) -> list[Any]:
    body = PROTOCOLS[protocol].encode(Request(messages=messages), stream=False)
    return list(body["messages"][-1]["content"])


@pytest.mark.parametrize(
    ("url", "sendable"),
    [
        ("https://x.test/A.png", "https://x.test/A.png"),
        ("HTTPS://x.test/A.png", "https://x.test/A.png"),
        ("Http://x.test/A.png", "http://x.test/A.png"),
        ("StepFile://Abc", "stepfile://Abc"),
        (" https://x.test/a.png\n", "https://x.test/a.png"),
        ("DATA:image/png;base64,AAAA", DATA),
        ("data:Image/PNG;base64,AAAA", "data:Image/PNG;base64,AAAA"),
        ("data:image/svg+xml,<svg/>", "data:image/svg+xml,<svg/>"),
    ],
)
def test_a_scheme_is_accepted_in_either_case_and_sent_in_lower_case(url: str, sendable: str) -> None:
    assert sendable_url(url, "image") == checked_url(url, "image") == sendable


@pytest.mark.parametrize(
    "url",
    ["FTP://X.test/a.png", "File:///A.png", "A.png", "", "data:", "DATA:text/plain,Hi", "data:video/mp4;base64,AAAA"],
)
def test_a_refused_url_is_shown_as_it_was_written(url: str) -> None:
    for check in (sendable_url, checked_url):
        with pytest.raises(InvalidRequestError) as caught:
            check(url, "image")
        assert str(caught.value).endswith(f"stepfile:// or data:image/, but it is {url!r}.")


@pytest.mark.parametrize("url", ["data:image/png;base64", "data:image/png;base64,", "DATA:image/png;BASE64,!!"])
def test_data_that_is_not_base64_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="not base64"):
        checked_url(url, "image")


def test_a_data_url_is_split_whatever_its_case_and_parameters() -> None:
    assert split_data_url("DATA:image/png;charset=x;Base64,AA,A") == ("image/png", "AA,A")
    assert split_data_url("data:image/svg+xml,<svg/>") is None
    assert split_data_url("https://x.test/?data:image/png;base64,AAAA") is None


def test_a_path_is_no_url() -> None:
    assert all(map(is_url, ["HTTPS://x.test", "s3://bucket/a.png", "Data:image/png;base64,AAAA"]))
    assert not any(map(is_url, ["a.png", "C:\\a.png", "C:/a.png", "/tmp/http://a.png", "a:b.png"]))


@ON_BOTH
def test_an_image_is_sent_whatever_the_case_of_its_scheme(protocol: ProtocolName) -> None:
    for written, lower in [("HTTPS://x.test/A.png", "https://x.test/A.png"), ("Data:image/png;base64,AAAA", DATA)]:
        assert sent(protocol, Message.user(Image(written))) == sent(protocol, Message.user(Image(lower)))


def test_messages_shows_the_url_that_it_does_not_accept_as_it_was_written() -> None:
    with pytest.raises(InvalidRequestError, match="image URL 'StepFile://Abc'"):
        sent("anthropic", Message.user(Image("StepFile://Abc")))


@ON_BOTH
def test_the_data_of_an_image_that_a_tool_returned_and_the_model_does_not_accept_stays_out_of_the_text(
    protocol: ProtocolName,
) -> None:
    result = ToolResult("a", (Text("Seen:"), Image("DATA:image/png;base64,AAAA")))
    messages = (Message.user("Hi"), Message.assistant(ToolCall("a", "look", "{}")), Message.user(result))
    request = Request(messages=messages, model="step-3.5-flash")
    body = json.dumps(PROTOCOLS[protocol].encode(request, stream=False))
    assert "[image: image/png, 3 bytes]" in body
    assert "AAAA" not in body
