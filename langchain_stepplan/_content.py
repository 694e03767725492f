"""Content blocks: every spelling LangChain knows, as the core's blocks.

There are LangChain's own (of version 0, with `source_type`, and of version 1), and those of Chat Completions,
Responses, Messages, Gemini and Bedrock Converse. What is not known here is given to LangChain's own translators.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import HumanMessage

from stepplan import Image, InvalidRequestError, Text, ToolResult, Video

Part = Text | Image | Video
Content = str | Sequence[str | Mapping[str, Any]]

# What another model thought is no business of this one, and must not come to it as words.
REASONING_TYPES = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})


def to_parts(content: Content) -> Iterator[Part | ToolResult]:
    """The blocks of what a person, a tool or the instructions say.

    Raises:
        InvalidRequestError: One is of a kind that no protocol here takes.
    """
    if isinstance(content, str):
        yield Text(content)
        return
    for item in content:
        if isinstance(item, str):
            yield Text(item)
        elif item.get("type") not in REASONING_TYPES:
            yield _to_part(item)


def to_tool_result(id: str, content: Content, *, is_error: bool = False) -> ToolResult:
    """What a tool gave back.

    Raises:
        InvalidRequestError: There is a block in it that no protocol here takes.
    """
    parts: list[Part] = []
    for part in to_parts(content):
        if isinstance(part, ToolResult):  # in the shape of Messages, which LangChain's Anthropic model lets through
            parts += part.content
            is_error = is_error or part.is_error
        else:
            parts.append(part)
    return ToolResult(id, tuple(parts), is_error)


def _to_part(item: Mapping[str, Any]) -> Part | ToolResult:
    kind = item.get("type")
    if kind == "non_standard":
        return _to_part(cast("Mapping[str, Any]", item["value"]))
    if (part := _read(item)) is not None:
        return part
    [block] = HumanMessage([dict(item)]).content_blocks
    translated = cast("Mapping[str, Any]", block)
    if (part := _read(translated)) is not None:
        return part
    raise _refused(item if translated.get("type") == "non_standard" else translated)


def _read(item: Mapping[str, Any]) -> Part | ToolResult | None:
    reader = _READERS.get(str(item.get("type")))
    return None if reader is None else reader(item)


def _text(item: Mapping[str, Any]) -> Text:
    return Text(item.get("text") or "")


def _image_url(item: Mapping[str, Any]) -> Image | None:
    inner: Any = item.get("image_url")
    url = _url(inner)
    return None if url is None else Image(url, (item if isinstance(inner, str) else inner).get("detail"))


def _video_url(item: Mapping[str, Any]) -> Video | None:
    url = _url(item.get("video_url"))
    return None if url is None else Video(url)


def _tool_result(item: Mapping[str, Any]) -> ToolResult:
    return to_tool_result(
        str(item.get("tool_use_id")), item.get("content") or "", is_error=bool(item.get("is_error", False))
    )


def _url(value: Any) -> str | None:
    """A URL, given as it is or inside an object."""
    url = cast("Mapping[str, Any]", value).get("url") if isinstance(value, Mapping) else value
    return url if isinstance(url, str) else None


def _media(item: Mapping[str, Any]) -> Part | None:
    """A picture, a film or a text, wherever the block keeps its data and its media type."""
    source: Mapping[str, Any] = item.get("source") or item
    kind = str(item["type"])
    media_type = str(source.get("mime_type") or source.get("media_type") or "")
    data = source.get("base64") or source.get("data")
    url = source.get("url") or source.get("file_uri") or source.get("fileUri")
    if kind not in {"image", "video"}:
        kind = media_type.partition("/")[0]
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode()
    if isinstance(data, str) and kind in {"image", "video"}:
        url = f"data:{media_type or _DEFAULT_TYPES[kind]};base64,{data}"
    if isinstance(url, str):
        if kind == "image":
            return Image(url, item.get("detail") or cast("Mapping[str, Any]", item.get("extras") or {}).get("detail"))
        if kind == "video":
            return Video(url)
    if kind == "text" and isinstance(data, str):
        # A text source of Messages holds the words themselves, everything else base64.
        return Text(data if source.get("type") == "text" else base64.b64decode(data).decode("utf-8", "replace"))
    return None


_DEFAULT_TYPES = {"image": "image/png", "video": "video/mp4"}


def _plain_text(item: Mapping[str, Any]) -> Text | None:
    if isinstance(text := item.get("text"), str):
        return Text(text)
    if isinstance(data := item.get("base64"), str):
        return Text(base64.b64decode(data).decode("utf-8", "replace"))
    return None


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Part | ToolResult | None]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), _text),
    **dict.fromkeys(("image", "video", "file", "media", "document"), _media),
    **dict.fromkeys(("image_url", "input_image"), _image_url),
    "video_url": _video_url,
    "text-plain": _plain_text,
    "tool_result": _tool_result,
}


def _refused(item: Mapping[str, Any]) -> InvalidRequestError:
    kind = item.get("type") or f"with the keys {', '.join(map(str, item))}"
    media_type = item.get("mime_type")
    what = f"{kind} ({media_type})" if media_type else str(kind)
    return InvalidRequestError(
        f"Neither protocol takes a content block {what!r}: text and images go over both, videos over protocol='openai'."
    )
