"""What a tool returned. It never ends a run: content that no protocol takes becomes text that describes it."""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_stepplan import _content
from langchain_stepplan._content import Item, Part, as_list, first_string, type_of
from stepplan import InvalidRequestError, Text, ToolResult
from stepplan.integration.plain import as_mapping
from stepplan.placeholders import placeholder

logger = logging.getLogger("stepplan")

_LONGEST_UNKNOWN = 20_000
"""Characters of JSON in place of a block of an unknown type, which may hold data that no model can read."""
_DATA = ("base64", "data", "blob", "bytes", "file_data")


def to_tool_result(id: str, content: object, *, is_error: bool = False) -> ToolResult:
    """The result of a tool call. Content that cannot be sent becomes text, with one log line.

    Args:
        id: The call's id.
        content: A ToolMessage's content, or that of a `tool_result` block.
        is_error: Whether the tool failed.
    """
    parts: list[Part] = []
    described: list[str] = []
    for item in _items(content):
        is_error = is_error or (type_of(item) == "tool_result" and bool(as_mapping(item).get("is_error")))
        for inner in _items(as_mapping(item).get("content")) if type_of(item) == "tool_result" else (item,):
            part = _to_part(inner)
            if isinstance(part, str):
                described.append(part.partition("\n")[0][:200])
                part = Text(part)
            parts.append(part)
    if described:
        logger.warning("The result of tool call %s is sent as text where it is not accepted: %s", id, described)
    return ToolResult(id, tuple(parts), is_error)


def _items(content: object) -> Sequence[Item]:
    """The items of a result, whatever its type; reasoning is left out.

    A result may be a `tool_result` block of Messages itself: LangChain's Anthropic model lets one through within a
    ToolMessage.
    """
    if content is None:
        return ()
    if block := as_mapping(content):
        return (block,)
    try:
        items = _content.items_of(content)
    except InvalidRequestError:
        text = _json(content) or ""
        return (text if 0 < len(text) <= _LONGEST_UNKNOWN else f"[{type(content).__name__}]",)
    return [item for item in items if not _content.has_no_content(item)]


def _to_part(item: Item) -> Part | str:
    """The part to send, or a description if it cannot be sent."""
    try:
        return _content.read_part(item)
    except InvalidRequestError:
        return describe(as_mapping(item))


def describe(item: Mapping[str, Any]) -> str:
    """Text in place of a block: what it is, and the text in it. A block of JSON is that JSON."""
    if type_of(item) == "non_standard":
        item = as_mapping(item.get("value")) or item
    if "json" in item and (text := _json(item["json"])) is not None:  # of any length, as a dict that a tool returns
        return text
    kind = type_of(item) or next((name for name, value in item.items() if isinstance(value, Mapping)), "content")
    facts = _facts(kind, item)
    data = next((facts[name] for name in _DATA if name in facts), None)
    size = facts["size"] if isinstance(facts.get("size"), int) else _size(data)
    title = first_string(facts, "title", "name", "filename")
    media_type = first_string(facts, "mime_type", "mimeType", "media_type", "format") or _media_type(data)
    uri = first_string(facts, "uri", "url", "file_uri", "fileUri", "file_id", "source")
    texts = [text for name in ("text", "content", "output") for text in _texts(facts.get(name))]
    if not (size or title or media_type or uri or texts):
        text = _json(item)
        if text is not None and len(text) <= _LONGEST_UNKNOWN:
            return text
    head = placeholder(kind.replace("_", " "), title=title, media_type=media_type, size=size, uri=uri)
    return "\n".join([head.text, *texts])


def _facts(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a block and of the objects inside it that describe the same thing."""
    facts = dict(item)
    for name in (kind, "resource", "file", "source"):
        facts |= as_mapping(facts.get(name))
    return facts


def _size(data: object) -> int | None:
    """The size of data in bytes: of base64 text, of a `data:` URL, or of bytes."""
    if isinstance(data, str):
        return len(data.rpartition(",")[2].rstrip("=")) * 3 // 4
    return len(data) if isinstance(data, bytes) else None


def _media_type(data: object) -> str | None:
    """The media type that a `data:` URL names."""
    found = re.match(r"data:([\w.+-]+/[\w.+-]+)", data, re.IGNORECASE) if isinstance(data, str) else None
    return found and found[1]


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    yield from (text for item in as_list(content) if (text := first_string(as_mapping(item), "text")))


def _json(value: object) -> str | None:
    """The value as JSON text; `None` if it cannot be written."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return None
