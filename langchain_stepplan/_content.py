"""Content blocks in: every spelling LangChain knows, as the core's blocks.

LangChain's own blocks (version 0, with `source_type`, and version 1) and those of Chat Completions, Responses,
Messages, Gemini and Bedrock Converse. A block that is unknown here goes through LangChain's own translators first.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import HumanMessage

from stepplan import Image, InvalidRequestError, Text, Video
from stepplan.integration.plain import as_mapping
from stepplan.media import checked_url

Part = Text | Image | Video
Item = str | Mapping[str, Any]

# Another model's reasoning must not reach this one as text.
_REASONING_TYPES = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})

_ACCEPTED = (
    "Images are accepted in user messages and tool results; videos in user messages, over Chat Completions only."
)
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, RecursionError)
"""What core's translators raise on a malformed block."""
_DEEPEST = 8
"""How many `non_standard` blocks may be wrapped around one another; LangChain itself wraps once."""


def items_of(content: object) -> Sequence[Item]:
    """The items of a message's content.

    Raises:
        InvalidRequestError: The content is not a string or a list of strings and dicts.
    """
    if isinstance(content, str):
        return (content,)
    if not isinstance(content, Sequence):
        raise InvalidRequestError(f"content must be a string or a list of blocks, not {type(content).__name__}.")
    for index, item in enumerate(cast("Sequence[object]", content)):
        if not isinstance(item, str | Mapping):
            raise InvalidRequestError(f"content[{index}] must be a string or a dict, not {type(item).__name__}.")
    return cast("Sequence[Item]", content)


def as_list(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def type_of(item: Item) -> str:
    """A block's type; an empty string if it names none."""
    kind = "text" if isinstance(item, str) else item.get("type")
    return kind if isinstance(kind, str) else ""


def has_no_content(item: Item) -> bool:
    """Whether nothing of the block is for this model: another's reasoning, or Bedrock's mark for its prompt cache."""
    return type_of(item) in _REASONING_TYPES or (isinstance(item, Mapping) and [*item] == ["cachePoint"])


def located(error: InvalidRequestError, index: int, item: Item) -> InvalidRequestError:
    """The error, with the position and the type of the block it is about."""
    if type_of(item) == "non_standard":
        item = as_mapping(as_mapping(item).get("value")) or item
    name = type_of(item) or f"with the keys {', '.join(map(str, item)) or 'none'}"
    return InvalidRequestError(f"content[{index}] ({name}): {error}")


def read_part(item: Item) -> Part:
    """One block of content.

    Raises:
        InvalidRequestError: The block is malformed, or neither protocol takes it.
    """
    if isinstance(item, str):
        return Text(item)
    block = unwrapped(item)
    if (part := _read(block)) is not None:
        return part
    try:
        [translated] = HumanMessage([dict(block)]).content_blocks
    except _MALFORMED:
        raise InvalidRequestError("The block is malformed: data is missing or has the wrong type.") from None
    if (part := _read(cast("Mapping[str, Any]", translated))) is not None:
        return part
    if (needed := _NEEDED.get(type_of(block))) is not None:
        raise InvalidRequestError(f"The block needs {needed}.")
    media_type = cast("Mapping[str, Any]", translated).get("mime_type")
    named = f" ({media_type})" if media_type else ""
    raise InvalidRequestError(f"Neither protocol takes this content{named}. {_ACCEPTED}")


def unwrapped(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block inside LangChain's `non_standard` blocks.

    Raises:
        InvalidRequestError: There are too many around it.
    """
    for _ in range(_DEEPEST):
        if item.get("type") != "non_standard":
            return item
        item = as_mapping(item.get("value"))
    raise InvalidRequestError(f"A non_standard block is nested more than {_DEEPEST} deep.")


def _read(item: Mapping[str, Any]) -> Part | None:
    reader = _READERS.get(type_of(item))
    return None if reader is None else reader(item)


def first_string(source: Mapping[str, Any], *names: str) -> str | None:
    """The first of these keys that holds text."""
    return next((value for name in names if isinstance(value := source.get(name), str) and value), None)


def _text(item: Mapping[str, Any]) -> Text:
    text = item.get("text")
    if not isinstance(text, str):
        raise InvalidRequestError(f"The block needs a string as 'text', not {type(text).__name__}.")
    return Text(text)


def _image_url(item: Mapping[str, Any]) -> Image | None:
    url = _url(item.get("image_url"))
    if url is None:
        return None
    return Image(checked_url(url, "image"), first_string({**item, **as_mapping(item["image_url"])}, "detail"))


def _video_url(item: Mapping[str, Any]) -> Video | None:
    url = _url(item.get("video_url"))
    return None if url is None else Video(checked_url(url, "video"))


def _url(value: object) -> str | None:
    """A URL, given directly or inside an object."""
    return first_string(as_mapping(value) or {"url": value}, "url")


def _media(item: Mapping[str, Any]) -> Part | None:
    """An image, a video or a text, wherever the block keeps its data and its media type."""
    source = as_mapping(item.get("source")) if "source" in item else item
    media_type = first_string(source, "mime_type", "media_type", "mimeType") or ""
    kind = item["type"] if item["type"] in _DEFAULT_TYPES else media_type.partition("/")[0]
    data = source.get("base64", source.get("data"))
    if kind == "text" and data is not None:
        # A text source of Messages holds the text itself; everything else holds base64.
        return Text(data) if source.get("type") == "text" and isinstance(data, str) else Text(_decoded(data))
    if source.get("source_type") == "text" and (text := first_string(source, "text")) is not None:
        return Text(text)
    url = first_string(source, "url", "file_uri", "fileUri")
    if data is not None and kind in _DEFAULT_TYPES:
        url = f"data:{media_type or _DEFAULT_TYPES[kind]};base64,{_base64(data)}"
    if url is not None and kind == "image":
        return Image(checked_url(url, kind), first_string({**as_mapping(item.get("extras")), **item}, "detail"))
    return Video(checked_url(url, kind)) if url is not None and kind == "video" else None


_DEFAULT_TYPES = {"image": "image/png", "video": "video/mp4"}


def _plain_text(item: Mapping[str, Any]) -> Text | None:
    if isinstance(text := item.get("text"), str):
        return Text(text)
    return Text(_decoded(item["base64"])) if "base64" in item else None


def _base64(data: object) -> str:
    if not isinstance(data, str | bytes):
        raise InvalidRequestError(f"The block's data must be base64 text or bytes, not {type(data).__name__}.")
    text = base64.b64encode(data).decode() if isinstance(data, bytes) else "".join(data.split())
    if not text:
        raise InvalidRequestError("The block's data is empty.")
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise InvalidRequestError(f"The block's data is not valid base64 ({error}).") from None
    return text


def _decoded(data: object) -> str:
    return base64.b64decode(_base64(data)).decode("utf-8", "replace")


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Part | None]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), _text),
    **dict.fromkeys(("image", "video", "file", "media", "document"), _media),
    **dict.fromkeys(("image_url", "input_image"), _image_url),
    "video_url": _video_url,
    "text-plain": _plain_text,
}
# What is missing where a block of these types cannot be read; other types are not accepted whatever they hold.
_NEEDED: Mapping[str, str] = {
    **dict.fromkeys(("image_url", "input_image"), "an http(s) or data URL as 'image_url' or 'image_url.url'"),
    **dict.fromkeys(("image", "video"), "'url', or 'base64' with 'mime_type'"),
    "video_url": "an http(s) or data URL as 'video_url' or 'video_url.url'",
    "text-plain": "a string as 'text'",
}
