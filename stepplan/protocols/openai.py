"""Chat Completions, the OpenAI protocol: `POST /v1/chat/completions`.

Source of the fields: StepFun's "Reasoning API" and "Chat Completion" pages. `stream_options` is not on them, but the
service takes it, and other servers of the protocol send no token counts without it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict

from stepplan.errors import IncompleteStreamError
from stepplan.events import Event, MessageEnd, MessageStart, ReasoningDelta, TextDelta
from stepplan.history import original_names, pair_tool_results, wire_id, wire_name
from stepplan.messages import (
    Block,
    Image,
    JSONSchema,
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
from stepplan.protocols import _common, _think
from stepplan.protocols._calls import StreamedCalls
from stepplan.responses import Response, Usage, parse_arguments
from stepplan.sse import ServerSentEvent

PATH = "/chat/completions"
HEADERS: Mapping[str, str] = {}

# ----------------------------------------------------------------------------------------------------------- requests


class _Function(TypedDict):
    name: str
    description: NotRequired[str]
    parameters: NotRequired[Mapping[str, Any]]
    strict: NotRequired[bool]
    arguments: NotRequired[str]


class _ToolCall(TypedDict):
    id: str
    type: str
    function: _Function


class _Message(TypedDict):
    role: str
    content: str | list[dict[str, Any]]
    reasoning_content: NotRequired[str]
    tool_calls: NotRequired[list[_ToolCall]]
    tool_call_id: NotRequired[str]


def encode(request: Request, *, stream: bool) -> dict[str, Any]:
    """The JSON body of a Chat Completions request.

    Raises:
        InvalidRequestError: Something in the request is not documented for Chat Completions.
    """
    _common.refuse_set(request, ("top_k",), "Chat Completions", "anthropic")
    _common.check_tool_choice(request)
    messages = pair_tool_results(request.messages, repair=request.repair_history)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [wire for message in messages for wire in _encode_message(message, request)],
    }
    if stream:
        body["stream"] = True
        if request.stream_usage:
            body["stream_options"] = {"include_usage": True}
    for name in ("max_tokens", "temperature", "top_p", "frequency_penalty", "reasoning_effort"):
        if (value := getattr(request, name)) is not None:
            body[name] = value
    if request.stop:
        body["stop"] = list(request.stop)
    if tools := _common.offered_tools(request):
        body["tools"] = [_encode_tool(tool) for tool in tools]
        if isinstance(request.tool_choice, NamedTool):
            body["tool_choice"] = {"type": "function", "function": {"name": wire_name(request.tool_choice.name)}}
        elif request.tool_choice == "required":
            body["tool_choice"] = "required"
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None:
        body["response_format"] = _encode_response_format(request.response_format)
    return body | dict(request.extra_body)


def _encode_tool(tool: Tool) -> dict[str, Any]:
    function = _Function(name=wire_name(tool.name), description=tool.description)
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _encode_response_format(response_format: JSONSchema | str) -> dict[str, Any]:
    if not isinstance(response_format, JSONSchema):
        return {"type": response_format}
    schema: dict[str, Any] = {"name": response_format.name, "schema": response_format.schema}
    if response_format.strict is not None:
        schema["strict"] = response_format.strict
    return {"type": "json_schema", "json_schema": schema}


def _encode_message(message: Message, request: Request) -> Iterable[_Message]:
    if message.role == "system":
        yield _Message(role="system", content=_common.words(message))
    elif message.role == "assistant":
        yield _encode_assistant(message, request)
    else:
        yield from _encode_user(message, request)


def _encode_assistant(message: Message, request: Request) -> _Message:
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[_ToolCall] = []
    for block in message.content:
        match block:
            case Text():
                text.append(block.text)
            case Reasoning():
                reasoning.append(block.text)
            case ToolCall():
                calls.append(_encode_tool_call(block))
            case _:
                raise _common.misplaced(block, "assistant")
    wire = _Message(role="assistant", content="".join(text))
    if request.replay_reasoning and any(reasoning):
        wire["reasoning_content"] = "".join(reasoning)
    if calls:
        wire["tool_calls"] = calls
    return wire


def _encode_tool_call(call: ToolCall) -> _ToolCall:
    try:  # sent as the model wrote it, so that the server's prefix cache still fits
        arguments = call.arguments if parse_arguments(call.arguments) else "{}"
    except ValueError:
        arguments = _common.argument_text(_common.argument_object(call))
    return _ToolCall(
        id=wire_id(call.id), type="function", function=_Function(name=wire_name(call.name), arguments=arguments)
    )


def _encode_user(message: Message, request: Request) -> Iterable[_Message]:
    """Tool results become messages of their own, which hold text only; their pictures follow in a user message."""
    blocks: list[Block] = []
    for block in message.content:
        if isinstance(block, ToolResult):
            yield _Message(role="tool", tool_call_id=wire_id(block.tool_call_id), content=_common.result_text(block))
            blocks += [part for part in block.content if not isinstance(part, Text)]
    blocks += [block for block in message.content if not isinstance(block, ToolResult)]
    if blocks or not message.content:
        if all(isinstance(block, Text) for block in blocks):
            yield _Message(role="user", content=_common.words(Message("user", tuple(blocks))))
        else:
            yield _Message(role="user", content=[_encode_part(block, request) for block in blocks])


def _encode_part(block: Block, request: Request) -> dict[str, Any]:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(url, detail):
            _common.check_input(request, block)
            return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}
        case Video(url):
            _common.check_input(request, block)
            return {"type": "video_url", "video_url": {"url": url}}
        case _:
            raise _common.misplaced(block, "user")


# ------------------------------------------------------------------------------------------------------ whole answers


def decode(body: Mapping[str, Any], request: Request) -> Response:
    """The response in a whole Chat Completions answer. Reads leniently: every field but `choices` may be absent."""
    choice: dict[str, Any] = body["choices"][0]
    names = original_names(request.tools)
    message: dict[str, Any] = choice.get("message") or {}
    content: list[Block] = []
    if reasoning := _reasoning(message):
        content.append(Reasoning(reasoning))
    if text := message.get("content"):
        content.append(Text(_common.text(text)))
    ids: list[str] = []
    for call in message.get("tool_calls") or ():
        if _is_ours(call):
            function: dict[str, Any] = call.get("function") or {}
            name = _common.text(function.get("name") or "")
            ids.append(_common.unique_id(call.get("id"), ids))
            content.append(ToolCall(ids[-1], names.get(name, name), _common.text(function.get("arguments") or "")))
    response = Response(
        content=tuple(content),
        finish_reason=_common.finish_reason(
            _common.text_or_none(choice.get("finish_reason") or None), has_calls=bool(ids)
        ),
        usage=_decode_usage(body.get("usage")),
        id=_common.text_or_none(body.get("id")),
        model=_common.text_or_none(body.get("model")),
    )
    return _think.split(response) if request.think_tags else response


def _reasoning(message: Mapping[str, Any]) -> str:
    """Both names carry the same text, so one is read and the other left."""
    return _common.text(message.get("reasoning") or message.get("reasoning_content") or "")


def _is_ours(call: Mapping[str, Any]) -> bool:
    """Whether the caller has to run it: a `web_search` was run by the server."""
    return call.get("type") in {"function", "", None}


def _decode_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    if not usage:
        return None
    return Usage(
        input_tokens=_common.count(usage, "prompt_tokens"),
        output_tokens=_common.count(usage, "completion_tokens"),
        cache_read_tokens=_common.count(usage, "prompt_tokens_details", "cached_tokens")
        or _common.count(usage, "cached_tokens"),
        reasoning_tokens=_common.count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


# ------------------------------------------------------------------------------------------------------------- stream


def event_decoder(request: Request) -> "EventDecoder | _think.SplittingDecoder":
    """A decoder for one streamed answer to this request."""
    decoder = EventDecoder(request)
    return _think.SplittingDecoder(decoder) if request.think_tags else decoder


class EventDecoder:
    """Reads one streamed Chat Completions answer: `data:` lines of JSON, then `[DONE]`.

    The wire has one reasoning text and one answer text in a message, so each is one block, in the order of their first
    pieces. Token counts may come on every chunk; they are cumulative, so the last ones count.
    """

    def __init__(self, request: Request) -> None:
        self._started = False
        self._blocks = 0
        self._reasoning: int | None = None
        self._text: int | None = None
        self._calls = StreamedCalls(original_names(request.tools), self._next_index)
        self._usage: Mapping[str, Any] | None = None
        self._finish_reason: str | None = None

    def _next_index(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def feed(self, event: ServerSentEvent) -> list[Event]:
        """The events that one server-sent event brings.

        Raises:
            APIStatusError: The event is an error.
            ResponseDecodeError: The event is not JSON.
            IncompleteStreamError: `[DONE]` came before a finish reason.
        """
        if event.data == b"[DONE]":
            return [*self._calls.flush(), self._end()]
        chunk = _common.read_frame(event)
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(MessageStart(_common.text_or_none(chunk.get("id")), _common.text_or_none(chunk.get("model"))))
        self._usage = chunk.get("usage") or self._usage
        choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
        choice = choices[0]
        if not choice.get("index"):  # of several answers (`n`), which only `extra_body` can ask for, the first
            if delta := choice.get("delta"):
                self._read_delta(delta, events)
            if reason := choice.get("finish_reason"):
                self._finish_reason = _common.text(reason)
        return events

    def _read_delta(self, delta: Mapping[str, Any], events: list[Event]) -> None:
        if reasoning := _reasoning(delta):
            if self._reasoning is None:
                self._reasoning = self._next_index()
            events.append(ReasoningDelta(self._reasoning, reasoning))
        if text := delta.get("content"):
            if self._text is None:
                self._text = self._next_index()
            events.append(TextDelta(self._text, _common.text(text)))
        for piece in delta.get("tool_calls") or ():
            if _is_ours(piece):
                events += self._calls.feed(piece)

    def _end(self) -> MessageEnd:
        reason = _common.finish_reason(self._finish_reason, has_calls=bool(self._calls))
        if reason is None:
            raise IncompleteStreamError("The stream said [DONE] without a finish reason: the answer may not be whole.")
        return MessageEnd(reason, _decode_usage(self._usage))
