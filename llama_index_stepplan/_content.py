"""LlamaIndex content blocks that a person or a tool sends -> blocks of the core."""

from collections.abc import Iterable, Iterator, Sequence
from io import IOBase
from pathlib import Path
from typing import assert_never

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from stepplan import Image, InvalidRequestError, Text, Video

_UNTITLED = "input_document"
"""What LlamaIndex calls a document without a title."""


def reads_files(messages: Iterable[ChatMessage]) -> bool:
    """Whether converting these messages reads files, so that it must not happen in an event loop."""
    return any(
        getattr(part, "path", None) is not None
        or any(isinstance(getattr(part, name, None), IOBase) for name in ("image", "video", "data"))
        for message in messages
        for block in message.blocks
        for part in (block.content if isinstance(block, CitableBlock) else (block,))
    )


def to_content(blocks: Sequence[ContentBlock]) -> Iterator[Text | Image | Video]:
    """What these blocks are on the wire. Marks without content of their own (cache points, citations) are left out.

    Raises:
        InvalidRequestError: Neither protocol takes a block of this kind; the message says what to do instead.
    """
    for block in blocks:
        match block:
            case TextBlock():
                yield Text(block.text)
            case ImageBlock():
                yield Image(_image_url(block), None if block.detail == "auto" else block.detail)
            case VideoBlock():
                yield Video(_video_url(block))
            case DocumentBlock():
                yield Text(_document_text(block))
            case CitableBlock():
                yield Text(f"{block.title} ({block.source}):")
                yield from to_content(block.content)
            case CachePoint() | CitationBlock() | ThinkingBlock():
                continue
            case AudioBlock():
                raise InvalidRequestError(
                    "AudioBlock: no model of the Step Plan takes audio, on either protocol; send a transcript as text."
                )
            case ToolCallBlock():
                raise InvalidRequestError("ToolCallBlock: only an assistant message calls tools.")
            case _:
                assert_never(block)


def _image_url(block: ImageBlock) -> str:
    if block.url is not None:
        return str(block.url)
    if block.path is not None or isinstance(block.image, IOBase):
        data = _read(block.path or block.image)
        block = ImageBlock(image=data, image_mimetype=block.image_mimetype)  # encodes it, and guesses its type
    return _data_url(block.image, block.image_mimetype, "ImageBlock", "image_mimetype")


def _video_url(block: VideoBlock) -> str:
    if block.url is not None:
        return str(block.url)
    if block.path is not None or isinstance(block.video, IOBase):
        data = _read(block.path or block.video)
        block = VideoBlock(video=data, video_mimetype=block.video_mimetype)
    return _data_url(block.video, block.video_mimetype, "VideoBlock", "video_mimetype")


def _data_url(data: bytes | IOBase | None, media_type: str | None, kind: str, field: str) -> str:
    if not isinstance(data, bytes) or not data:
        raise InvalidRequestError(f"{kind}: it holds neither data nor a path nor a URL.")
    if media_type is None:
        raise InvalidRequestError(f"{kind}: the type of its data is not known; set {field}.")
    return f"data:{media_type};base64,{data.decode('ascii')}"


def _document_text(block: DocumentBlock) -> str:
    """The document's words under its title: both protocols take no documents, but any of them takes text."""
    if block.path is None and not block.data:
        raise InvalidRequestError(
            f"DocumentBlock {block.url!r}: neither protocol takes documents by URL; load it and send its text."
        )
    try:
        text = (_read(block.path) if block.path else block.resolve_document().read()).decode()
    except UnicodeDecodeError:
        kind = block.document_mimetype or "not text"
        raise InvalidRequestError(
            f"DocumentBlock {block.title!r} ({kind}): neither protocol takes documents; send its text, or its pages as "
            "images."
        ) from None
    return text if block.title in {None, _UNTITLED} else f"{block.title}:\n{text}"


def _read(source: Path | str | IOBase | bytes | None) -> bytes:
    if isinstance(source, IOBase):
        source.seek(0)
        data: bytes = source.read()
        return data
    return Path(str(source)).read_bytes()
