"""What several protocols need to write requests."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stepplan.errors import InvalidRequestError
from stepplan.media import sendable_url, split_data_url
from stepplan.messages import Block, Image, Message, Role, Text, ToolCall, ToolResult, Video
from stepplan.models import models_taking, takes
from stepplan.placeholders import placeholder
from stepplan.protocols.wire import ProtocolFacts
from stepplan.requests import Request, Tool
from stepplan.responses import parse_arguments
from stepplan.server_tools import ServerTool

logger = logging.getLogger("stepplan")


def text_of(message: Message) -> str:
    """The text of a message that may contain only text.

    Raises:
        InvalidRequestError: It contains something else.
    """
    if other := [type(block).__name__ for block in message.content if not isinstance(block, Text)]:
        raise InvalidRequestError(f"A {message.role} message may contain text only, not {', '.join(other)}.")
    return "\n".join(block.text for block in message.content if isinstance(block, Text))


def misplaced(block: Block, role: Role) -> InvalidRequestError:
    """The error for a block that may not be in messages of this role."""
    article = "An" if role == "assistant" else "A"
    return InvalidRequestError(f"{article} {role} message may not contain {type(block).__name__} blocks.")


def empty_conversation() -> InvalidRequestError:
    """The error for a conversation without content."""
    return InvalidRequestError("The conversation is empty: add a user message with content.")


def offered_tools(request: Request) -> tuple[Tool, ...]:
    """The functions to send. `tool_choice="none"` leaves them out, because neither protocol documents that value."""
    return () if request.tool_choice == "none" else request.functions


def offered_server_tools(request: Request) -> tuple[ServerTool, ...]:
    """The server's own tools to send; none with `tool_choice="none"`."""
    return () if request.tool_choice == "none" else request.server_tools


def checked_input(request: Request, block: Image | Video) -> str:
    """The URL to send, of an image or a video that the model accepts and that the server can load.

    Raises:
        InvalidRequestError: The model is known not to, or the URL is of another kind.
    """
    kind = type(block).__name__.lower()
    url = sendable_url(block.url, kind)
    if not takes(request.model, kind):
        accepting = ", ".join(models_taking(kind))
        raise InvalidRequestError(f"{request.model} does not accept {kind}s. These models do: {accepting}.")
    return url


def refuse_undocumented(request: Request, facts: ProtocolFacts) -> None:
    """Refuse options that the protocol does not document.

    Raises:
        InvalidRequestError: Such an option is set.
    """
    if not facts.server_tools and request.server_tools:
        raise InvalidRequestError(
            f"{facts.title} does not document the tool {request.server_tools[0].type}: use protocol='openai'."
        )
    for option, other in facts.undocumented.items():
        if getattr(request, option) is not None:
            raise InvalidRequestError(
                f"{facts.title} does not document {option}: use protocol={other!r}, or send the field in extra_body."
            )


def argument_object(call: ToolCall) -> dict[str, Any]:
    """The arguments to replay. A server accepts only an object, so broken arguments are wrapped in one, not dropped."""
    try:
        return parse_arguments(call.arguments)
    except ValueError:
        return {"invalid_arguments": call.arguments}


def result_text(result: ToolResult) -> str:
    """The text of a tool result. That of an error says so, because not every server passes the flag to the model."""
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
        media_type, data = split_data_url(part.url) or (None, None)
        described = placeholder(
            type(part).__name__.lower(),
            media_type=media_type,
            size=None if data is None else len(data.rstrip("=")) * 3 // 4,
            uri=part.url,
        )
        logger.warning("In a tool result, the model gets %r instead. %s", described.text, error)
        return described
    return part
