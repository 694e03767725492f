"""Answers of other models: their text and their tool calls are kept, everything else is left out.

Over either protocol an assistant message holds text and calls only. What else is in an answer was produced or consumed
by its vendor's servers: reasoning, hosted tools with their calls and results, citations, generated media. No list of
types decides, so that a hosted tool of tomorrow is left out as well.
"""

from collections.abc import Iterator, Mapping, Sequence

from langchain_core.messages import AIMessage

from langchain_stepplan._content import Item, as_list, first_string, items_of, located, read_part, type_of, unwrapped
from langchain_stepplan._replay import calls_of, take, to_call
from stepplan import Block, InvalidRequestError, Text, ToolCall
from stepplan.integration.plain import as_mapping

_TEXTS = frozenset({"text", "output_text", "input_text", "refusal"})
_CALLS = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call", "input_json_delta", "toolUse"}
)
# What a person may have meant to send, where a message was written by hand: it is refused rather than lost.
_WRITTEN = frozenset(
    {"image", "image_url", "input_image", "video", "video_url", "audio", "input_audio"}
    | {"file", "document", "media", "text-plain", "tool_result"}
)


def foreign_blocks(message: AIMessage) -> Iterator[Block]:
    """The text and the calls of an assistant message that the plan did not produce, in their order.

    Raises:
        InvalidRequestError: A message written by hand holds something else, or a block or call is malformed.
    """
    items = items_of(message.content)
    calls = calls_of(message)
    if not calls and _by_hand(message):
        calls = _written_calls(items)
    for index, item in enumerate(items):
        try:
            yield from _blocks(item, calls, by_hand=_by_hand(message))
        except InvalidRequestError as error:
            raise located(error, index, item) from None
    yield from calls


def vendor_ids(message: AIMessage) -> Iterator[str]:
    """The ids of hosted tools' calls in a foreign answer: their results are left out with them."""
    calls = {call.get("id") for call in message.tool_calls}
    for block in map(as_mapping, as_list(message.content)):
        if type_of(block) not in _TEXTS | _CALLS:
            yield from {id for name in ("id", "call_id") if (id := first_string(block, name))} - calls


def _by_hand(message: AIMessage) -> bool:
    """Whether a person wrote the message: an answer carries its vendor's metadata."""
    return not message.response_metadata


def _written_calls(items: Sequence[Item]) -> list[ToolCall]:
    """The calls of a message that was written by hand in the shape of the Messages protocol."""
    return [
        to_call({**item, "args": item.get("input")}, f"content[{index}] (tool_use)")
        for index, item in enumerate(items)
        if isinstance(item, Mapping) and type_of(item) == "tool_use"
    ]


def _blocks(item: Item, calls: list[ToolCall], *, by_hand: bool) -> Iterator[Block]:
    if isinstance(item, str):
        yield from _text(item)
        return
    item = unwrapped(item) if by_hand else item
    kind = type_of(item)
    if kind in _CALLS:
        if (call := take(calls, first_string(item, "call_id", "id") or "")) is not None:
            yield call
    elif kind in _TEXTS or (not kind and "text" in item):
        yield from _text(item.get("refusal" if kind == "refusal" else "text"))
    elif by_hand and kind in _WRITTEN:
        part = None if kind == "tool_result" else read_part(item)
        if not isinstance(part, Text):
            raise InvalidRequestError("An assistant message holds text and tool calls only: move it to a HumanMessage.")
        yield part


def _text(text: object) -> Iterator[Text]:
    if isinstance(text, str | None):
        yield from map(Text, filter(None, [text]))
    else:
        raise InvalidRequestError(f"The block needs a string as its text, not {type(text).__name__}.")
