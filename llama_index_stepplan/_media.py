"""Bytes, files and URLs in LlamaIndex blocks -> data URLs and text, with each way they can be wrong named."""

import base64
from io import IOBase
from pathlib import Path
from reprlib import repr as shorten

from llama_index.core.base.llms.types import DocumentBlock, ImageBlock, VideoBlock

from stepplan import InvalidRequestError
from stepplan.media import checked_url, is_base64, is_media_type

UNTITLED = "input_document"
"""LlamaIndex's title for a document without one."""


def image_url(block: ImageBlock) -> str:
    """The image's http(s) URL as it is, or a data URL of its bytes.

    Raises:
        InvalidRequestError: It holds nothing that can be read, or something else than an image.
    """
    if block.url is not None:
        return _url(block.url, "image")
    data = _base64("ImageBlock", block.image, block.path)
    return _data_url(data, "image", block.image_mimetype or ImageBlock(image=data).image_mimetype)


def video_url(block: VideoBlock) -> str:
    """As `image_url`, for a video."""
    if block.url is not None:
        return _url(block.url, "video")
    data = _base64("VideoBlock", block.video, block.path)
    return _data_url(data, "video", block.video_mimetype or VideoBlock(video=data).video_mimetype)


def _url(url: object, kind: str) -> str:
    try:
        return checked_url(str(url), kind)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{kind.title()}Block: {error}") from None


def _data_url(data: bytes, kind: str, media_type: str | None) -> str:
    name = f"{kind.title()}Block"
    if media_type is None:
        raise InvalidRequestError(f"{name}: the type of its data is not known; set {kind}_mimetype.")
    if not is_media_type(media_type, kind):
        raise InvalidRequestError(
            f"{name}: its data has the type {media_type!r}, not {kind}/...; correct it or {kind}_mimetype."
        )
    return f"data:{media_type};base64,{data.decode()}"


def _base64(name: str, data: object, path: object) -> bytes:
    if isinstance(data, bytes) and data and is_base64(data):
        return data
    return base64.b64encode(held_bytes(name, data, path))


def document_text(block: DocumentBlock) -> str:
    """The document's text under its title: neither protocol takes documents, but both take text."""
    title = None if block.title == UNTITLED else block.title
    name = "DocumentBlock" if title is None else f"DocumentBlock {title!r}"
    if not block.data and not block.path and block.url:
        raise InvalidRequestError(f"{name}: neither protocol takes documents by URL; load it and send its text.")
    raw = held_bytes(name, block.data, block.path)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith("%PDF-"):
        kind = block.document_mimetype or "not text"
        raise InvalidRequestError(
            f"{name} ({kind}): neither protocol takes documents; send its text, or its pages as images."
        )
    return text if title is None else f"{title}:\n{text}"


def held_bytes(name: str, data: object, path: object) -> bytes:
    """The bytes that a block holds in memory, as base64 or as they are, or in a file."""
    if isinstance(data, bytes) and data:
        return base64.b64decode(data) if is_base64(data) else data
    if data and not isinstance(data, IOBase):
        raise InvalidRequestError(f"{name}: its data must be bytes or an open file, not {shorten(data)}.")
    if not data and not path:
        raise InvalidRequestError(f"{name}: it holds neither data nor a path nor a URL.")
    try:
        read = _read(data) if isinstance(data, IOBase) else Path(str(path)).read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{name}: its file cannot be read: {error}.") from error
    if not isinstance(read, bytes):
        raise InvalidRequestError(f"{name}: its file must be open in binary mode.")
    return read


def held_size(data: bytes | None, path: str | None) -> int | None:
    """The size of what a block holds, in bytes; `None` if it cannot be told."""
    try:
        return len(held_bytes("", data, None)) if data else Path(path or "").stat().st_size if path else None
    except (OSError, ValueError):
        return None


def _read(file: IOBase) -> object:
    if file.seekable():
        file.seek(0)
    return file.read()
