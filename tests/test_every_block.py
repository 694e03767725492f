"""Every kind of content block that a framework has comes to one of three ends: sent, left out as a mark, refused."""

import base64
from typing import Any, get_args

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.content import KNOWN_BLOCK_TYPES
from llama_index.core.base.llms import types
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock

from stepplan import PROTOCOLS, InvalidRequestError, ProtocolName
from stepplan.sandbox import Sandbox
from tests.support.adapters import LANGCHAIN, LLAMA_INDEX, settings_of

DATA = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
FIELDS: dict[str, dict[str, Any]] = {
    "text": {"text": "Hello."},
    "text-plain": {"text": "Hello.", "mime_type": "text/plain"},
    "image": {"base64": DATA, "mime_type": "image/png"},
    "video": {"base64": DATA, "mime_type": "video/mp4"},
    "audio": {"base64": DATA, "mime_type": "audio/wav"},
    "file": {"base64": DATA, "mime_type": "application/pdf"},
    "reasoning": {"reasoning": "Hm."},
    "tool_call": {"id": "a", "name": "look", "args": {}},
    "tool_call_chunk": {"id": "a", "name": "look", "args": "{", "index": 0},
    "invalid_tool_call": {"id": "a", "name": "look", "args": "{", "error": "cut off"},
    "server_tool_call": {"id": "s", "name": "web_search", "args": {}},
    "server_tool_call_chunk": {"id": "s", "name": "web_search", "args": "{"},
    "server_tool_result": {"tool_call_id": "s", "status": "success", "output": "x"},
    "non_standard": {"value": {"type": "non_standard_of_a_vendor"}},
}


# A kind that a later version has is tried with nothing but its name.
@pytest.mark.guarantees("every-block")
@pytest.mark.parametrize("fields", ["all", "none"])
@pytest.mark.parametrize("kind", sorted({*KNOWN_BLOCK_TYPES, *FIELDS}))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_langchains(stepplan_sandbox: Sandbox, protocol: ProtocolName, kind: str, fields: str) -> None:
    block: Any = {"type": kind, **(FIELDS.get(kind, {}) if fields == "all" else {})}
    call: Any = {"type": "tool_call", "id": "c", "name": "look", "args": {}}
    model = LANGCHAIN(protocol=protocol, **settings_of(stepplan_sandbox))
    called = [HumanMessage("Hi"), AIMessage("", tool_calls=[call])]
    assert model.invoke([*called, ToolMessage([block], tool_call_id="c")]).text, "a tool's result never ends a run"
    for message in (
        HumanMessage([block]),
        SystemMessage([block]),
        AIMessage([block]),
        AIMessage([block], response_metadata={"model_provider": "stepplan", "finish_reason": "stop"}),
        AIMessage([block], response_metadata={"model_provider": "openai"}),
    ):
        assert_sent_or_named(model.invoke, [HumanMessage("Hi"), message, HumanMessage("And?")], kind)


def assert_sent_or_named(ask: Any, messages: list[Any], kind: str) -> None:
    try:
        ask(messages)
    except InvalidRequestError as error:
        assert kind.lower() in str(error).lower()  # noqa: PT017 - either end is right
        assert "\n" not in str(error)  # noqa: PT017


MADE: dict[str, Any] = {
    "TextBlock": {"text": "Hello."},
    "AudioBlock": {"audio": b"RIFF"},
    "DocumentBlock": {"data": b"%PDF-1.7"},
    "CachePoint": {"cache_control": types.CacheControl(type="ephemeral")},
    "CitableBlock": {"title": "T", "source": "S", "content": [types.TextBlock(text="Hello.")]},
    "CitationBlock": {
        "title": "T",
        "source": "S",
        "cited_content": types.TextBlock(text="Hello."),
        "additional_location_info": {"index": 0},
    },
    "ThinkingBlock": {"content": "Hm.", "additional_information": {"provider": "stepplan"}},
    "ToolCallBlock": {"tool_call_id": "a", "tool_name": "look"},
}


@pytest.mark.guarantees("every-block")
@pytest.mark.parametrize("cls", get_args(get_args(types.ContentBlock)[0]), ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_llama_indexs(stepplan_sandbox: Sandbox, protocol: ProtocolName, cls: Any) -> None:
    block = cls(**MADE.get(cls.__name__, {}))
    llm = LLAMA_INDEX(protocol=protocol, **settings_of(stepplan_sandbox))
    called = [
        ChatMessage("Hi"),
        ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="c", tool_name="look")]),
    ]
    result = with_blocks(block, role="tool", additional_kwargs={"tool_call_id": "c"})
    assert llm.chat([*called, result]).message.content, "a tool's result never ends a run"
    for role in ("user", "system", "assistant"):
        messages = [ChatMessage("Hi"), with_blocks(block, role=role), ChatMessage("And?")]
        assert_sent_or_named(llm.chat, messages, cls.__name__.removesuffix("Block"))


def with_blocks(block: Any, **fields: Any) -> ChatMessage:
    message = ChatMessage(**fields)
    message.blocks = [block]
    return message
