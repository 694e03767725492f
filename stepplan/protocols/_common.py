"""What both protocols do alike."""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, cast

from stepplan.errors import InvalidRequestError, ResponseDecodeError, error_from_frame
from stepplan.jsontext import read_object
from stepplan.messages import (
    Block,
    Image,
    Message,
    NamedTool,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from stepplan.models import models_taking, takes
from stepplan.responses import FinishReason, parse_arguments
from stepplan.sse import ServerSentEvent


def read_frame(sent: ServerSentEvent) -> dict[str, Any]:
    """The JSON object in one stream event.

    Raises:
        APIStatusError: It is an error.
        ResponseDecodeError: It is not a JSON object.
    """
    try:
        frame = read_object(sent.data)
    except ValueError as cause:
        text = sent.data.decode("utf-8", "replace")
        if sent.event == "error":
            raise error_from_frame(text) from cause
        raise ResponseDecodeError(f"The stream brought an event that is no JSON: {text[:200]!r}.", body=text) from cause
    if sent.event == "error" or frame.get("error"):
        raise error_from_frame(frame)
    return frame


def text(value: Any) -> str:
    """A piece of an answer.

    Raises:
        TypeError: It is something else than text.
    """
    if isinstance(value, str):
        return value
    raise TypeError(f"{value!r} stands where text belongs")


def text_or_none(value: Any) -> str | None:
    """What is said about an answer; nothing depends on it, so that anything else than text counts as nothing."""
    return value if isinstance(value, str) else None


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


def check_tool_choice(request: Request) -> None:
    """Refuse a choice that names a tool that is not there.

    Raises:
        InvalidRequestError: As said.
    """
    choice = request.tool_choice
    names = [tool.name for tool in request.tools]
    if isinstance(choice, NamedTool) and choice.name not in names:
        raise InvalidRequestError(
            f"tool_choice names {choice.name!r}, but the tools are: {', '.join(names) or 'none'}."
        )
    if choice == "required" and not names:
        raise InvalidRequestError("tool_choice='required' needs tools to choose from.")


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


def argument_text(arguments: Mapping[str, Any]) -> str:
    """Arguments as JSON text, the way models write it."""
    return json.dumps(arguments, ensure_ascii=False)


def result_text(result: ToolResult) -> str:
    """The words of a tool's result; an error says so, because not every server forwards the flag."""
    text = "\n".join(block.text for block in result.content if isinstance(block, Text))
    return f"Error: {text}" if result.is_error and "error" not in text.lower() else text


def unique_id(id: object, taken: Iterable[str]) -> str:
    """The server's id for a tool call, or a new one if it sent none, or one it sent before."""
    if isinstance(id, str) and id not in {"", "null"} and id not in taken:
        return id
    return f"call_{uuid.uuid4().hex}"


def finish_reason(reason: FinishReason | None, *, has_calls: bool) -> FinishReason | None:
    """`tool_calls` where there are calls: some of StepFun's own samples say `stop` then."""
    return "tool_calls" if has_calls and reason == "stop" else reason


def count(usage: Mapping[str, Any], *path: str) -> int:
    """A token count, however deep; 0 where it, or anything above it, is absent or null."""
    value: Any = usage
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) else 0
