"""Messages, the Anthropic protocol: `POST /v1/messages`.

Source of the fields: StepFun's "Messages create" page, which says not to send what it does not list. So `tool_choice`
and `disable_parallel_tool_use` are asked for in words, and `thinking`, `metadata` and `cache_control` are never sent.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict

from stepplan.errors import IncompleteStreamError, InvalidRequestError, StepPlanWarning
from stepplan.events import (
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    fold,
)
from stepplan.history import merge_same_role, original_names, pair_tool_results, wire_id, wire_name
from stepplan.messages import (
    Block,
    Image,
    Message,
    NamedTool,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from stepplan.models import DEFAULT_MAX_TOKENS
from stepplan.protocols import _common
from stepplan.responses import FinishReason, Response, Usage
from stepplan.sse import ServerSentEvent

PATH = "/messages"
COUNT_TOKENS_PATH = "/messages/count_tokens"
HEADERS: Mapping[str, str] = {"anthropic-version": "2023-06-01"}

# ----------------------------------------------------------------------------------------------------------- requests


class _Tool(TypedDict):
    name: str
    description: str
    input_schema: Mapping[str, Any]


class _Message(TypedDict):
    role: str
    content: str | list[dict[str, Any]]


class _Prompt(TypedDict):
    model: str
    messages: list[_Message]
    system: NotRequired[str]
    tools: NotRequired[list[_Tool]]


def encode(request: Request, *, stream: bool) -> dict[str, Any]:
    """The JSON body of a Messages request.

    Raises:
        InvalidRequestError: Something in the request is not documented for Messages.
    """
    _common.refuse_set(request, ("frequency_penalty", "response_format"), "Messages", "openai")
    if _forces_a_call(request):
        warnings.warn(
            "Messages documents no tool_choice: a tool call is asked for in the system prompt instead, which the model "
            "may ignore. protocol='openai' can force one.",
            StepPlanWarning,
            stacklevel=2,
        )
    body: dict[str, Any] = {**_encode_prompt(request), "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS}
    if stream:
        body["stream"] = True
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.reasoning_effort is not None:
        body["output_config"] = {"effort": request.reasoning_effort}
    return body | dict(request.extra_body)


def encode_count_tokens(request: Request) -> dict[str, Any]:
    """The JSON body that asks for the number of input tokens: the prompt, without what is about the answer.

    Raises:
        InvalidRequestError: Something in the prompt is not documented for Messages.
    """
    extra = {name: value for name, value in request.extra_body.items() if name in _Prompt.__annotations__}
    return {**_encode_prompt(request), **extra}


def _forces_a_call(request: Request) -> bool:
    return request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool)


def _encode_prompt(request: Request) -> _Prompt:
    _common.check_tool_choice(request)
    paired = pair_tool_results(request.messages, repair=request.repair_history)
    # The wire has one system text, before all turns: later system messages join it, in their order.
    system = [_common.words(message) for message in paired if message.role == "system"]
    system += _instructions(request)
    turns = merge_same_role(
        Message(message.role, tuple(block for block in message.content if _is_sendable(block, request)))
        for message in paired
        if message.role != "system"
    )
    if not turns:
        raise InvalidRequestError("There is no user or assistant message with content; Messages needs one.")
    prompt = _Prompt(model=request.model, messages=[_encode_message(turn, request) for turn in turns])
    if text := "\n\n".join(words for words in system if words):
        prompt["system"] = text
    if tools := _offered_tools(request):
        prompt["tools"] = [_encode_tool(tool) for tool in tools]
    return prompt


def _is_sendable(block: Block, request: Request) -> bool:
    """Empty text is refused by servers of this protocol, and a block of it says nothing."""
    if isinstance(block, Text):
        return bool(block.text)
    return request.replay_reasoning or not isinstance(block, Reasoning)


def _offered_tools(request: Request) -> tuple[Tool, ...]:
    tools = _common.offered_tools(request)
    if isinstance(request.tool_choice, NamedTool):
        return tuple(tool for tool in tools if tool.name == request.tool_choice.name)
    return tools


def _instructions(request: Request) -> Iterable[str]:
    """What other servers take as `tool_choice`, in words."""
    choice = request.tool_choice
    if _forces_a_call(request):
        which = f"the tool `{wire_name(choice.name)}`" if isinstance(choice, NamedTool) else "one of the tools"
        yield f"You must call {which} now. Do not answer in words."
    if request.parallel_tool_calls is False and _offered_tools(request):
        yield "Call at most one tool at a time."


def _encode_tool(tool: Tool) -> _Tool:
    return _Tool(
        name=wire_name(tool.name),
        description=tool.description,
        input_schema=tool.parameters or {"type": "object", "properties": {}},
    )


def _encode_message(message: Message, request: Request) -> _Message:
    if message.role == "user":  # results first: the wire wants them right after the turn that called
        results = [block for block in message.content if isinstance(block, ToolResult)]
        blocks = [*results, *(block for block in message.content if not isinstance(block, ToolResult))]
    else:
        blocks = list(message.content)
    if len(blocks) == 1 and isinstance(blocks[0], Text):
        return _Message(role=message.role, content=blocks[0].text)
    return _Message(role=message.role, content=[_encode_block(block, message, request) for block in blocks])


def _encode_block(block: Block, message: Message, request: Request) -> dict[str, Any]:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case Image() | Video() if message.role == "user":
            return _encode_image(block, request)
        case ToolResult(tool_call_id) if message.role == "user":
            result = {
                "type": "tool_result",
                "tool_use_id": wire_id(tool_call_id),
                "content": _encode_result(block, request),
            }
            return result | ({"is_error": True} if block.is_error else {})
        case Reasoning() if message.role == "assistant":
            return _encode_reasoning(block)
        case ToolCall(id, name) if message.role == "assistant":
            input = _common.argument_object(block)
            return {"type": "tool_use", "id": wire_id(id), "name": wire_name(name), "input": input}
        case _:
            raise _common.misplaced(block, message.role)


def _encode_reasoning(block: Reasoning) -> dict[str, Any]:
    if block.redacted is not None:
        return {"type": "redacted_thinking", "data": block.redacted}
    thinking = {"type": "thinking", "thinking": block.text}
    return thinking if block.signature is None else thinking | {"signature": block.signature}


def _encode_result(result: ToolResult, request: Request) -> str | list[dict[str, Any]]:
    text = _common.result_text(result)
    images = [block for block in result.content if not isinstance(block, Text)]
    if not images:
        return text
    parts = [{"type": "text", "text": text}] if text else []
    return parts + [_encode_image(block, request) for block in images]


def _encode_image(block: Image | Video, request: Request) -> dict[str, Any]:
    if isinstance(block, Video):
        raise InvalidRequestError("Messages takes no Video: use protocol='openai' for it.")
    _common.check_input(request, block)
    if block.url.startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": block.url}}
    media_type, is_base64, data = block.url.removeprefix("data:").partition(";base64,")
    if not (block.url.startswith("data:") and is_base64):
        raise InvalidRequestError(
            f"Messages takes no Image {block.url[:40]!r}: give an http(s) or base64 data URL, or use protocol='openai'."
        )
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


# ------------------------------------------------------------------------------------------------------ whole answers

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}


def decode(body: Mapping[str, Any], request: Request) -> Response:
    """The response in a whole Messages answer. Reads leniently: every field but `content` may be absent."""
    decoder = EventDecoder(request)
    events: list[Event] = []
    for index, block in enumerate(body["content"]):
        events += decoder.read_block(index, block)
    content = fold(events).content
    return Response(
        content=content,
        finish_reason=_finish_reason(
            body.get("stop_reason"), has_calls=any(isinstance(block, ToolCall) for block in content)
        ),
        usage=_decode_usage(body.get("usage")),
        id=body.get("id"),
        model=body.get("model"),
        stop_sequence=body.get("stop_sequence"),
    )


def _finish_reason(reason: FinishReason | None, *, has_calls: bool) -> FinishReason | None:
    return _common.finish_reason(_FINISH_REASONS.get(reason or "", reason), has_calls=has_calls)


def _decode_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Token counts. On this protocol `input_tokens` leaves out what the cache gave, so it is added back."""
    if not usage:
        return None
    cache_read = _common.count(usage, "cache_read_input_tokens")
    cache_creation = _common.count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=_common.count(usage, "input_tokens") + cache_read + cache_creation,
        output_tokens=_common.count(usage, "output_tokens"),
        cache_read_tokens=cache_read,
        cache_creation_tokens=cache_creation,
    )


# ------------------------------------------------------------------------------------------------------------- stream


def event_decoder(request: Request) -> "EventDecoder":
    """A decoder for one streamed answer to this request."""
    return EventDecoder(request)


class EventDecoder:
    """Reads one streamed Messages answer, in the shape that is documented and in those that servers send.

    The documented sample has the stop reason beside `delta` and no `content_block_stop`; servers send blocks that
    overlap, signatures late or never, and token counts in `message_start`, in `message_delta` or in both, where the
    last value of each field counts.
    """

    def __init__(self, request: Request) -> None:
        self._names = original_names(request.tools)
        self._places: dict[int, int] = {}  # the wire's block index -> ours, which has no gaps
        self._whole_inputs: dict[int, str] = {}  # arguments that came with a call's start, until pieces make them moot
        self._ids: list[str] = []
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._stop_sequence: str | None = None

    def feed(self, event: ServerSentEvent) -> list[Event]:
        """The events that one server-sent event brings.

        Raises:
            APIStatusError: The event is an error.
            ResponseDecodeError: The event is not JSON.
            IncompleteStreamError: `message_stop` came before a stop reason.
        """
        if event.data == b"[DONE]":  # some servers add it, as on the other protocol
            return []
        frame = _common.read_frame(event)
        match frame.get("type"):
            case "content_block_delta":
                return self._read_delta(frame.get("index", 0), frame.get("delta") or {})
            case "content_block_start":
                return self._read_block_start(frame.get("index", 0), frame.get("content_block") or {})
            case "content_block_stop":
                return self._flush(frame.get("index", 0))
            case "message_start":
                message: dict[str, Any] = frame.get("message") or {}
                self._add_usage(message.get("usage"))
                return [MessageStart(message.get("id"), message.get("model"))]
            case "message_delta":
                delta: dict[str, Any] = {**frame, **(frame.get("delta") or {})}
                self._add_usage(frame.get("usage"))
                self._stop_reason = delta.get("stop_reason") or self._stop_reason
                self._stop_sequence = delta.get("stop_sequence") or self._stop_sequence
                return []
            case "message_stop":
                return [event for index in tuple(self._whole_inputs) for event in self._flush(index)] + [self._end()]
            case _:
                return []

    def read_block(self, index: int, block: Mapping[str, Any]) -> list[Event]:
        """The events that a whole block would have brought."""
        return self._read_block_start(index, block) + self._flush(index)

    def _add_usage(self, usage: Mapping[str, Any] | None) -> None:
        self._usage |= {name: value for name, value in (usage or {}).items() if value is not None}

    def _place(self, index: int) -> int:
        return self._places.setdefault(index, len(self._places))

    def _read_delta(self, index: int, delta: Mapping[str, Any]) -> list[Event]:
        match delta.get("type"):
            case "text_delta" if text := delta.get("text"):
                return [TextDelta(self._place(index), text)]
            case "thinking_delta" if thinking := delta.get("thinking"):
                return [ReasoningDelta(self._place(index), thinking)]
            case "signature_delta":
                return self._read_signature(index, delta.get("signature"))
            case "input_json_delta" if (piece := delta.get("partial_json")) and index in self._places:
                self._whole_inputs.pop(index, None)
                return [ToolCallDelta(self._places[index], piece)]
            case _:
                return []

    def _read_signature(self, index: int, signature: str | None) -> list[Event]:
        """An empty one is kept as it came, but does not make a block."""
        if signature is None or not (signature or index in self._places):
            return []
        return [ReasoningDelta(self._place(index), signature=signature)]

    def _read_block_start(self, index: int, block: Mapping[str, Any]) -> list[Event]:
        match block.get("type"):
            case "text" if text := block.get("text"):
                return [TextDelta(self._place(index), text)]
            case "thinking" if block.get("thinking") or block.get("signature"):
                return [ReasoningDelta(self._place(index), block.get("thinking") or "", block.get("signature"))]
            case "redacted_thinking":
                return [ReasoningDelta(self._place(index), redacted=block.get("data"))]
            case "tool_use":
                self._ids.append(_common.unique_id(block.get("id"), self._ids))
                if input := block.get("input"):
                    # JSON that the server could not read may come as a string.
                    self._whole_inputs[index] = input if isinstance(input, str) else _common.argument_text(input)
                name = block.get("name") or ""
                return [ToolCallStart(self._place(index), self._ids[-1], self._names.get(name, name))]
            case _:
                return []

    def _flush(self, index: int) -> list[Event]:
        input = self._whole_inputs.pop(index, None)
        return [] if input is None else [ToolCallDelta(self._places[index], input)]

    def _end(self) -> MessageEnd:
        reason = _finish_reason(self._stop_reason, has_calls=bool(self._ids))
        if reason is None:
            raise IncompleteStreamError("The stream ended without a stop reason: the answer may not be whole.")
        return MessageEnd(reason, _decode_usage(self._usage), self._stop_sequence)
