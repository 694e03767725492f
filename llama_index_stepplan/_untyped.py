"""Typed access to parts of LlamaIndex that are untyped, and to values of unknown type."""

from collections.abc import Callable, Sequence
from reprlib import repr as shorten
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.llms import callbacks
from llama_index.core.tools.types import ToolMetadata

from stepplan import InvalidRequestError
from stepplan.integration.schemas import class_schema
from stepplan.integration.signatures import signed

F = TypeVar("F", bound=Callable[..., Any])


def chat_callback(endpoint: F) -> F:
    """Decorates a chat endpoint so that it fires LlamaIndex's events and respects its rate limiter."""
    return signed(cast("F", callbacks.llm_chat_callback()(endpoint)))  # pyright: ignore[reportUnknownMemberType] - see above


def completion_callback(endpoint: F) -> F:
    """As `chat_callback`, for a completion endpoint."""
    return signed(cast("F", callbacks.llm_completion_callback()(endpoint)))  # pyright: ignore[reportUnknownMemberType] - see above


def response_kwargs(response: ChatResponse) -> dict[str, Any]:
    """The response's own `additional_kwargs`; the message has others."""
    return cast("dict[str, Any]", response.additional_kwargs)  # pyright: ignore[reportUnknownMemberType] - a bare `dict`


def parameters(metadata: ToolMetadata) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments. LlamaIndex's leaves out what a class that contains itself refers to."""
    schema = cast("dict[str, Any]", metadata.get_parameters_dict())  # pyright: ignore[reportUnknownMemberType] - a bare `dict`
    if "type" in schema or metadata.fn_schema is None:
        return schema
    return class_schema(metadata.fn_schema)


def as_sequence(value: Any, what: str) -> Sequence[Any]:
    """The value if it is a list or tuple.

    Raises:
        InvalidRequestError: It is something else; the error begins with `what`.
    """
    if not isinstance(value, list | tuple):
        raise InvalidRequestError(f"{what} must be a list, not {shorten(value)}.")
    return cast("Sequence[Any]", value)
