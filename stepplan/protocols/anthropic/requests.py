"""Writes the requests of Messages.

Source of the fields: StepFun's "Messages create" page, which says not to send fields that it does not list. So the
system prompt asks for what `tool_choice` and `disable_parallel_tool_use` would, and `thinking`, `metadata` and
`cache_control` are never sent.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NotRequired, TypedDict

from stepplan.errors import InvalidRequestError
from stepplan.media import split_data_url
from stepplan.messages import Block, Image, Message, Reasoning, ServerToolCall, Text, ToolCall, ToolResult, Video
from stepplan.names import wire_id, wire_name
from stepplan.pairing import merge_same_role, pair_tool_results
from stepplan.protocols import _encoding
from stepplan.protocols.wire import ProtocolFacts, TokenCounter
from stepplan.requests import NamedTool, Request, Tool
from stepplan.warn import warn_user

logger = logging.getLogger("stepplan")

PATH = "/messages"
HEADERS: Mapping[str, str] = {"anthropic-version": "2023-06-01"}

FACTS = ProtocolFacts(
    title="Messages",
    undocumented={"frequency_penalty": "openai", "response_format": "openai"},
    tool_choice=False,
    video=False,
    system_messages_anywhere=False,
    late_signatures=True,
    default_max_tokens=32_768,  # the field is required; reasoning counts against it
)


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
        InvalidRequestError: Messages does not document something in the request.
    """
    _encoding.refuse_undocumented(request, FACTS)
    if (forced := request.forced_call) is not None:
        origin = "" if forced.asked_by == "tool_choice" else f" that stands in for {forced.asked_by}"
        warn_user(
            f"Messages does not document tool_choice, so the system prompt asks for the tool call{origin}, which the "
            "model may ignore. Use protocol='openai' to force one."
        )
    body: dict[str, Any] = {**_encode_prompt(request), "max_tokens": request.max_tokens or FACTS.default_max_tokens}
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
    """The JSON body that asks for the number of input tokens: the fields that are input, without the other options.

    Raises:
        InvalidRequestError: Messages does not document something in the prompt.
    """
    extra = {name: value for name, value in request.extra_body.items() if name in _Prompt.__annotations__}
    return {**_encode_prompt(request), **extra}


def _decode_count(body: Mapping[str, Any]) -> int:
    return int(body["input_tokens"])


TOKEN_COUNTER = TokenCounter("/messages/count_tokens", encode_count_tokens, _decode_count)


def _encode_prompt(request: Request) -> _Prompt:
    paired = pair_tool_results(request.messages, repair=request.repair_history)
    # There is one system text, before the conversation: later system messages are appended to it.
    system = [text for message in paired if message.role == "system" and (text := _encoding.text_of(message))]
    turns = merge_same_role(
        Message(message.role, tuple(block for block in message.content if _is_sendable(block, request)))
        for message in paired
        if message.role != "system"
    )
    if not turns:
        if not system:
            raise _encoding.empty_conversation()
        logger.warning("Messages needs a user message: the last system message is sent as one.")
        turns = [Message.user(system.pop())]
    system += _instructions(request)
    prompt = _Prompt(model=request.model, messages=[_encode_message(turn, request) for turn in turns])
    if system:
        prompt["system"] = "\n\n".join(system)
    if tools := _offered_tools(request):
        prompt["tools"] = [_encode_tool(tool) for tool in tools]
    return prompt


def _is_sendable(block: Block, request: Request) -> bool:
    """Servers of this protocol refuse empty text blocks."""
    if isinstance(block, Text):
        return bool(block.text)
    if isinstance(block, ServerToolCall):
        return False
    return request.replay_reasoning or not isinstance(block, Reasoning)


def _offered_tools(request: Request) -> tuple[Tool, ...]:
    tools = _encoding.offered_tools(request)
    if isinstance(request.tool_choice, NamedTool):
        return tuple(tool for tool in tools if tool.name == request.tool_choice.name)
    return tools


def _instructions(request: Request) -> Iterable[str]:
    """Sentences for the system prompt, in place of `tool_choice` and `disable_parallel_tool_use`."""
    forced = request.forced_call
    if forced is not None:
        which = f"the tool `{wire_name(forced.name)}`" if isinstance(forced, NamedTool) else "one of the tools"
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
    if message.role == "user":  # results first: they must directly follow the message with the calls
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
            input = _encoding.argument_object(block)
            return {"type": "tool_use", "id": wire_id(id), "name": wire_name(name), "input": input}
        case _:
            raise _encoding.misplaced(block, message.role)


def _encode_reasoning(block: Reasoning) -> dict[str, Any]:
    if block.redacted is not None:
        return {"type": "redacted_thinking", "data": block.redacted}
    thinking = {"type": "thinking", "thinking": block.text}
    return thinking if block.signature is None else thinking | {"signature": block.signature}


def _encode_result(result: ToolResult, request: Request) -> str | list[dict[str, Any]]:
    result = _encoding.sendable_result(result, partial(_encode_image, request=request))
    text = _encoding.result_text(result)
    images = [block for block in result.content if not isinstance(block, Text)]
    if not images:
        return text
    parts = [{"type": "text", "text": text}] if text else []
    return parts + [_encode_image(block, request) for block in images]


def _encode_image(block: Image | Video, request: Request) -> dict[str, Any]:
    if isinstance(block, Video):
        raise InvalidRequestError("Messages does not accept videos: use protocol='openai'.")
    url = _encoding.checked_input(request, block)
    if url.startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    if (split := split_data_url(url)) is None:
        raise InvalidRequestError(
            f"Messages does not accept the image URL {block.url[:40]!r}: use an http(s) URL, a base64 data URL, or "
            "protocol='openai'."
        )
    media_type, data = split
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
