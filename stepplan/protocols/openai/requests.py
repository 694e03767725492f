"""Writes the requests of Chat Completions.

Source of the fields: StepFun's "Reasoning API" and "Chat Completion" pages. They do not list `stream_options`, but the
service accepts it, and other servers of the protocol send no token counts without it.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NotRequired, TypedDict

from stepplan.jsontext import argument_text, is_strict_object
from stepplan.messages import Block, Image, Message, Reasoning, ServerToolCall, Text, ToolCall, ToolResult, Video
from stepplan.names import wire_id, wire_name
from stepplan.pairing import pair_tool_results
from stepplan.protocols import _encoding
from stepplan.protocols.wire import ProtocolFacts
from stepplan.requests import JSONSchema, NamedTool, Request, Tool
from stepplan.server_tools import Retrieval, ServerTool

PATH = "/chat/completions"
HEADERS: Mapping[str, str] = {}
TOKEN_COUNTER = None

_NOTHING = Text("")

FACTS = ProtocolFacts(
    title="Chat Completions",
    undocumented={"top_k": "anthropic"},
    tool_choice=True,
    video=True,
    server_tools=True,
    system_messages_anywhere=True,
    late_signatures=False,
    default_max_tokens=None,
)


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
        InvalidRequestError: Chat Completions does not document something in the request.
    """
    _encoding.refuse_undocumented(request, FACTS)
    if not any(block != _NOTHING for message in request.messages for block in message.content):
        raise _encoding.empty_conversation()
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
    body |= _encode_tools(request)
    if request.response_format is not None:
        body["response_format"] = encode_response_format(request.response_format)
    return body | dict(request.extra_body)


def _encode_tools(request: Request) -> dict[str, Any]:
    """The fields about tools."""
    functions = _encoding.offered_tools(request)
    tools = [*map(_encode_tool, functions), *map(encode_server_tool, _encoding.offered_server_tools(request))]
    fields: dict[str, Any] = {"tools": tools} if tools else {}
    if not functions:
        return fields
    if isinstance(request.forced_call, NamedTool):
        fields["tool_choice"] = {"type": "function", "function": {"name": wire_name(request.forced_call.name)}}
    elif request.forced_call is not None:
        fields["tool_choice"] = "required"
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields


def _encode_tool(tool: Tool) -> dict[str, Any]:
    function = _Function(name=wire_name(tool.name), description=tool.description)
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def encode_server_tool(tool: ServerTool) -> dict[str, Any]:
    """One of StepFun's own tools as it is sent."""
    function: dict[str, Any] = {"description": tool.description}
    if isinstance(tool, Retrieval):
        options = {"vector_store_id": tool.vector_store_id}
        if tool.prompt_template is not None:
            options["prompt_template"] = tool.prompt_template
        function = {"name": tool.name, **function, "options": options}
    return {"type": tool.type, "function": function}


def encode_response_format(response_format: JSONSchema | str) -> dict[str, Any]:
    """A response format as it is sent."""
    if not isinstance(response_format, JSONSchema):
        return {"type": response_format}
    schema: dict[str, Any] = {"name": wire_name(response_format.name), "schema": response_format.schema}
    if response_format.strict is not None:
        schema["strict"] = response_format.strict
    return {"type": "json_schema", "json_schema": schema}


def _encode_message(message: Message, request: Request) -> Iterable[_Message]:
    if message.role == "system":
        yield _Message(role="system", content=_encoding.text_of(message))
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
            case ServerToolCall():
                pass
            case _:
                raise _encoding.misplaced(block, "assistant")
    wire = _Message(role="assistant", content="".join(text))
    if request.replay_reasoning and any(reasoning):
        wire["reasoning_content"] = "".join(reasoning)
    if calls:
        wire["tool_calls"] = calls
    return wire


def _encode_tool_call(call: ToolCall) -> _ToolCall:
    # Sent as the model wrote it, so that the server's prefix cache still fits, unless only a lenient parser accepts it.
    parsed = _encoding.argument_object(call)
    arguments = call.arguments if parsed and is_strict_object(call.arguments) else argument_text(parsed)
    return _ToolCall(
        id=wire_id(call.id), type="function", function=_Function(name=wire_name(call.name), arguments=arguments)
    )


def _encode_user(message: Message, request: Request) -> Iterable[_Message]:
    """Tool results become messages of their own, which hold text only; their images follow in a user message."""
    blocks: list[Block] = []
    for block in message.content:
        if isinstance(block, ToolResult):
            result = _encoding.sendable_result(block, partial(_encode_part, request=request))
            yield _Message(
                role="tool", tool_call_id=wire_id(result.tool_call_id), content=_encoding.result_text(result)
            )
            blocks += [part for part in result.content if not isinstance(part, Text)]
    blocks += [block for block in message.content if not isinstance(block, ToolResult)]
    if blocks or not message.content:
        if all(isinstance(block, Text) for block in blocks):
            yield _Message(role="user", content=_encoding.text_of(Message("user", tuple(blocks))))
        else:
            yield _Message(role="user", content=[_encode_part(block, request) for block in blocks])


def _encode_part(block: Block, request: Request) -> dict[str, Any]:
    match block:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(_, detail):
            url = _encoding.checked_input(request, block)
            return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}
        case Video():
            return {"type": "video_url", "video_url": {"url": _encoding.checked_input(request, block)}}
        case _:
            raise _encoding.misplaced(block, "user")
