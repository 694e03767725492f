"""Writes the requests of Messages.

Source of the fields: StepFun's "Messages create" page, which says not to send what it does not list. So `tool_choice`
and `disable_parallel_tool_use` are asked for in words, and `thinking`, `metadata` and `cache_control` are never sent.
"""

import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NotRequired, TypedDict

from stepplan.errors import InvalidRequestError, StepPlanWarning
from stepplan.messages import Block, Image, Message, Reasoning, Text, ToolCall, ToolResult, Video
from stepplan.models import DEFAULT_MAX_TOKENS
from stepplan.names import wire_id, wire_name
from stepplan.pairing import merge_same_role, pair_tool_results
from stepplan.protocols import _encoding
from stepplan.requests import NamedTool, Request, Tool, ToolChoice

PATH = "/messages"
COUNT_TOKENS_PATH = "/messages/count_tokens"
HEADERS: Mapping[str, str] = {"anthropic-version": "2023-06-01"}


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
    _encoding.refuse_set(request, ("frequency_penalty", "response_format"), "Messages", "openai")
    if _forces_a_call(request):
        what = _what_is_asked(request.tool_choice)
        warnings.warn(
            f"Messages documents no tool_choice: {what} in the system prompt instead, which the model may ignore. "
            "protocol='openai' can force one.",
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


def _what_is_asked(choice: ToolChoice) -> str:
    if isinstance(choice, NamedTool) and choice.asked_by != "tool_choice":
        return f"{choice.asked_by} is done by a tool call, which is asked for"
    return "a tool call is asked for"


def _encode_prompt(request: Request) -> _Prompt:
    paired = pair_tool_results(request.messages, repair=request.repair_history)
    # The wire has one system text, before all turns: later system messages join it, in their order.
    system = [_encoding.words(message) for message in paired if message.role == "system"]
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
    tools = _encoding.offered_tools(request)
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
        raise InvalidRequestError("Messages takes no Video: use protocol='openai' for it.")
    _encoding.check_input(request, block)
    if block.url.startswith(("http://", "https://")):
        return {"type": "image", "source": {"type": "url", "url": block.url}}
    media_type, is_base64, data = block.url.removeprefix("data:").partition(";base64,")
    if not (block.url.startswith("data:") and is_base64):
        raise InvalidRequestError(
            f"Messages takes no Image {block.url[:40]!r}: give an http(s) or base64 data URL, or use protocol='openai'."
        )
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
