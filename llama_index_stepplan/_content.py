"""LlamaIndex content blocks that a person or a tool sends -> blocks of the core."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import IOBase
from pathlib import Path
from reprlib import repr as shorten

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_stepplan._media import UNTITLED, document_text, held_size, image_url, video_url
from llama_index_stepplan._untyped import as_sequence
from stepplan import Image, InvalidRequestError, Text, Video
from stepplan.integration.plain import as_mapping
from stepplan.placeholders import placeholder

logger = logging.getLogger("stepplan")

Part = Text | Image | Video


def reads_files(messages: Iterable[ChatMessage]) -> bool:
    """Whether converting these messages reads files, and so must not happen in an event loop."""
    return any(
        getattr(part, "path", None) is not None
        or any(isinstance(getattr(part, name, None), IOBase) for name in ("image", "video", "data"))
        for message in messages
        for block in blocks_of(message)
        for part in (block, *_nested(block))
    )


def blocks_of(message: ChatMessage) -> Sequence[object]:
    """The message's blocks, of whatever type: nothing validates them when they are assigned.

    Raises:
        InvalidRequestError: They are no sequence.
    """
    return as_sequence(getattr(message, "blocks", ()), "ChatMessage: its blocks")


def checked_text(block: object, field: str) -> str:
    """The text in a field of a block.

    Raises:
        InvalidRequestError: It is not a string.
    """
    text = getattr(block, field)
    if not isinstance(text, str):
        raise InvalidRequestError(f"{type(block).__name__}: its {field} must be a string, not {shorten(text)}.")
    return text


def to_content(message: ChatMessage) -> Iterator[Part]:
    """The content of a user or system message. Cache points, citations and thinking are left out.

    Raises:
        InvalidRequestError: A block is malformed, or neither protocol takes it; the error names the fix.
    """
    for block in blocks_of(message):
        yield from _to_user_parts(block)


def to_result(message: ChatMessage) -> Iterator[Part]:
    """The content of a tool message.

    A block that cannot be sent becomes text that describes it, with a log line: no caller can change what a tool
    returned, and an error would come again at every later turn.
    """
    for block in blocks_of(message):
        yield from _to_result_parts(block)


def _to_user_parts(block: object) -> Iterator[Part]:
    if not isinstance(block, CitationBlock):
        yield from _to_parts(block, _to_user_parts)


def _to_result_parts(block: object) -> list[Part]:
    try:
        return list(_to_parts(block, _to_result_parts))
    except InvalidRequestError as error:
        described = _describe(block)
        logger.warning("In a tool result, the model gets %r instead. %s", described.text, error)
        return [described]


def _to_parts(block: object, convert_nested: Callable[[object], Iterable[Part]]) -> Iterator[Part]:
    match block:
        case TextBlock():
            yield Text(checked_text(block, "text"))
        case ImageBlock():
            yield Image(image_url(block), None if block.detail == "auto" else block.detail)
        case VideoBlock():
            yield Video(video_url(block))
        case DocumentBlock():
            yield Text(document_text(block))
        case CitableBlock() | CitationBlock():
            yield Text(f"{block.title} ({block.source}):")
            for part in _nested(block):
                yield from convert_nested(part)
        case CachePoint() | ThinkingBlock():
            return
        case AudioBlock():
            raise InvalidRequestError(
                "AudioBlock: no model of the Step Plan takes audio, on either protocol; send a transcript as text."
            )
        case ToolCallBlock():
            raise InvalidRequestError("ToolCallBlock: only an assistant message calls tools.")
        case _:
            raise InvalidRequestError(
                f"{type(block).__name__}: neither protocol takes such a block; text and images go over both, videos "
                "over Chat Completions."
            )


def _nested(block: object) -> Sequence[object]:
    """What a block holds besides its own fields.

    Raises:
        InvalidRequestError: It is no sequence, or is nested again.
    """
    match block:
        case CitableBlock():
            parts = as_sequence(block.content, f"CitableBlock {block.title!r}: its content")
        case CitationBlock():
            parts = (block.cited_content,)
        case _:
            return ()
    for part in parts:
        if isinstance(part, CitableBlock | CitationBlock):
            raise InvalidRequestError(
                f"{type(block).__name__} {block.title!r}: it must not hold a {type(part).__name__}."
            )
    return parts


def _describe(block: object) -> Text:
    """Names a block of any type, LlamaIndex's or not, by what it tells of itself."""
    fields = as_mapping(block) or as_mapping(getattr(block, "__dict__", None))

    def find(*names: str) -> str | None:
        return next((str(fields[name]) for name in names if fields.get(name)), None)

    path, title = find("path"), find("title", "name", "tool_name")
    data = next((value for value in fields.values() if value and isinstance(value, bytes)), None)
    return placeholder(
        find("block_type", "type") or type(block).__name__,
        title=title if title not in {None, UNTITLED} else path and Path(path).name,
        media_type=find("document_mimetype", "image_mimetype", "video_mimetype", "mimeType", "mime_type", "format"),
        size=held_size(data, path),
        uri=find("url", "uri"),
    )
