"""What both protocols need to write requests."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from stepplan.errors import InvalidRequestError
from stepplan.messages import Block, Image, Message, Role, Text, ToolCall, ToolResult, Video
from stepplan.models import models_taking, takes
from stepplan.placeholders import placeholder
from stepplan.requests import Request, Tool
from stepplan.responses import parse_arguments

logger = logging.getLogger("stepplan")


def words(message: Message) -> str:
    """The text of a message that can hold nothing else.

    Raises:
        InvalidRequestError: It holds something else.
    """
    if other := [type(block).__name__ for block in message.content if not isinstance(block, Text)]:
        raise InvalidRequestError(f"A {message.role} message holds text only, not {', '.join(other)}.")
    return "\n".join(block.text for block in message.content if isinstance(block, Text))


def misplaced(block: Block, role: Role) -> InvalidRequestError:
    """The error for a block that no message of this role can hold."""
    return InvalidRequestError(f"No {role} message can hold a block of type {type(block).__name__}.")


def offered_tools(request: Request) -> tuple[Tool, ...]:
    """The tools to put on the wire. `none` is said by leaving them out: neither protocol documents the word."""
    return () if request.tool_choice == "none" else request.tools


def check_input(request: Request, block: Image | Video) -> None:
    """Refuse a picture or film that the model is known not to take.

    Raises:
        InvalidRequestError: As said.
    """
    kind = type(block).__name__.lower()
    if not takes(request.model, kind):
        raise InvalidRequestError(f"{request.model} takes no {kind}; these do: {', '.join(models_taking(kind))}.")


def refuse_set(request: Request, names: Iterable[str], protocol: str, other: str) -> None:
    """Refuse parameters that are set but that the protocol does not document.

    Raises:
        InvalidRequestError: As said.
    """
    for name in names:
        if getattr(request, name) is not None:
            raise InvalidRequestError(
                f"{name} is not documented for {protocol}: use protocol={other!r}, or send it as it is in extra_body."
            )


def argument_object(call: ToolCall) -> dict[str, Any]:
    """The arguments to replay. A server takes an object only, so what the model broke is wrapped, not dropped."""
    try:
        return parse_arguments(call.arguments)
    except ValueError:
        return {"invalid_arguments": call.arguments}


def result_text(result: ToolResult) -> str:
    """The words of a tool's result; an error says so, because not every server forwards the flag."""
    text = "\n".join(block.text for block in result.content if isinstance(block, Text))
    return f"Error: {text}" if result.is_error and "error" not in text.lower() else text


def sendable_result(result: ToolResult, encode: Callable[[Image | Video], object]) -> ToolResult:
    """The result, with text in place of each image or video that `encode` refuses, and a log line for each.

    The model or the protocol may not accept them, and no caller can change what a tool returned.
    """
    return replace(result, content=tuple(_sendable(part, encode) for part in result.content))


def _sendable(part: Text | Image | Video, encode: Callable[[Image | Video], object]) -> Text | Image | Video:
    if isinstance(part, Text):
        return part
    try:
        encode(part)
    except InvalidRequestError as error:
        head, is_base64, data = part.url.removeprefix("data:").partition(";base64,")
        described = placeholder(
            type(part).__name__.lower(),
            media_type=head if is_base64 else None,
            size=len(data.rstrip("=")) * 3 // 4 if is_base64 else None,
            uri=part.url,
        )
        logger.warning("In a tool result, the model gets %s instead. %s", described.text, error)
        return described
    return part
