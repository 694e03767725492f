"""Strategies of what a program sends: histories of either framework, from anywhere, with anything in them."""

from typing import Any

from hypothesis import reject
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms import types as llama_index
from pydantic import ValidationError

from tests.fuzz.streams import ANYTHING

_IDS = st.sampled_from(["a", "b", "", "call_1", "ü|/"])
_TEXT = st.sampled_from(["", " ", "Hello", "\ud83d", "\U0001f389", "a\u2028b", "x\0y", "<think>", "{}"])
_ARGUMENTS = st.dictionaries(st.sampled_from(["city", "", "a"]), ANYTHING, max_size=2)
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_BLOCKS: list[dict[str, Any]] = [
    {"type": "text", "text": "Hello"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}", "detail": "high"}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PIXEL}},
    {"type": "image", "base64": _PIXEL, "mime_type": "image/png"},
    {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
    {"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "c2ln"}},
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
    {"type": "tool_call", "id": "a", "name": "look", "args": {"x": 1}},
    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "fine"}]},
    {"type": "server_tool_call", "id": "s", "name": "web_search", "args": {"query": "x"}},
    {"type": "server_tool_result", "tool_call_id": "s", "status": "success", "output": [{"url": "https://a.b"}]},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]},
    {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf"},
    {"type": "document", "source": {"type": "text", "data": "x"}},
    {"type": "json", "json": {"a": [1]}},
    {"type": "non_standard", "value": {"type": "x"}},
    {"type": "refusal", "refusal": "No."},
]


@st.composite
def _blocks(draw: st.DrawFn) -> Any:
    """A content block that some vendor writes, sometimes with anything in one of its fields, or with one left out."""
    block = dict(draw(st.sampled_from(_BLOCKS)))
    field = draw(st.sampled_from(sorted(block)))
    match draw(st.integers(0, 5)):
        case 0:
            block[field] = draw(ANYTHING)
        case 1:
            del block[field]
        case _:
            pass
    return block


_CONTENTS: st.SearchStrategy[Any] = _TEXT | st.lists(_blocks() | _TEXT, max_size=3)
_CALLS = st.fixed_dictionaries(
    {"name": st.sampled_from(["look", "", "a b"]), "args": _ARGUMENTS, "id": _IDS | st.none()}
)
_BROKEN = st.fixed_dictionaries({"name": _TEXT, "args": _TEXT | st.none(), "id": _IDS | st.none(), "error": st.none()})
_RAW = st.fixed_dictionaries(
    {"id": _IDS, "type": st.just("function"), "function": st.fixed_dictionaries({"name": _TEXT, "arguments": _TEXT})}
)
_PROVIDERS = st.sampled_from([{}, *({"model_provider": name} for name in ("stepplan", "openai", "anthropic", "x"))])


@st.composite
def _of_langchain(draw: st.DrawFn) -> BaseMessage:
    kwargs: dict[str, Any] = {"content": draw(_CONTENTS)}
    kind = draw(st.sampled_from([HumanMessage, AIMessage, AIMessage, ToolMessage, SystemMessage, ChatMessage]))
    if kind is AIMessage:
        kwargs |= {
            "tool_calls": draw(st.lists(_CALLS, max_size=2)),
            "invalid_tool_calls": draw(st.lists(_BROKEN, max_size=1)),
            "additional_kwargs": draw(
                st.sampled_from([{}, {"reasoning_content": "Hm."}])
                | st.builds(dict, tool_calls=st.lists(_RAW, max_size=2))
            ),
            "response_metadata": draw(_PROVIDERS),
        }
    elif kind is ToolMessage:
        kwargs |= {
            "tool_call_id": draw(_IDS),
            "artifact": draw(ANYTHING),
            "status": draw(st.sampled_from(["success", "error"])),
        }
    elif kind is ChatMessage:
        kwargs |= {"role": draw(st.sampled_from(["user", "assistant", "developer", "tool", "x"]))}
    try:
        message: BaseMessage = kind(**kwargs)
    except (ValidationError, TypeError, ValueError):  # LangChain itself does not take it
        reject()
    return message


def langchain_histories() -> st.SearchStrategy[list[BaseMessage]]:
    return st.lists(_of_langchain(), max_size=5)


_LLAMA_INDEX_BLOCKS = st.one_of(
    st.builds(llama_index.TextBlock, text=_TEXT),
    st.builds(llama_index.ThinkingBlock, content=_TEXT | st.none(), additional_information=_ARGUMENTS),
    st.builds(
        llama_index.ToolCallBlock, tool_call_id=_IDS | st.none(), tool_name=_TEXT, tool_kwargs=_ARGUMENTS | _TEXT
    ),
    st.builds(
        llama_index.ImageBlock, url=st.sampled_from([f"data:image/png;base64,{_PIXEL}", "https://a.b/c.png", "ftp://x"])
    ),
    st.builds(llama_index.ImageBlock, image=st.sampled_from([_PIXEL.encode(), b"x", b"\xff\xd8\xff"])),
    st.builds(llama_index.VideoBlock, url=st.just("https://a.b/c.mp4")),
    st.builds(llama_index.DocumentBlock, data=st.just(b"JVBERi0="), document_mimetype=st.just("application/pdf")),
)


@st.composite
def _of_llama_index(draw: st.DrawFn) -> llama_index.ChatMessage:
    extra: dict[str, Any] = {}
    if draw(st.booleans()):
        extra["tool_call_id"] = draw(_IDS | st.none())
    if draw(st.booleans()):
        extra["tool_calls"] = draw(st.lists(_RAW, max_size=2) | ANYTHING)
    blocks = draw(st.lists(_LLAMA_INDEX_BLOCKS, max_size=3))
    return llama_index.ChatMessage(
        role=draw(st.sampled_from(llama_index.MessageRole)), blocks=blocks, additional_kwargs=extra
    )


def llama_index_histories() -> st.SearchStrategy[list[llama_index.ChatMessage]]:
    return st.lists(_of_llama_index(), max_size=5)
