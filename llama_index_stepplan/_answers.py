"""Responses of the core -> LlamaIndex's responses.

The last chunk of a stream is built here too, so it always equals the whole answer.
"""

import logging
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
)

from llama_index_stepplan._replay import INVALID_CALLS, store_answer
from llama_index_stepplan._untyped import response_kwargs
from stepplan import ParsedToolCall, Reasoning, Request, Response
from stepplan.integration.checks import LOGS, CallCheck
from stepplan.integration.raw import to_chat_completion

logger = logging.getLogger("stepplan")


@dataclass(frozen=True, slots=True)
class Reading:
    """How to convert an answer.

    Attributes:
        request: The request that it answers.
        thinking: Whether to include the thinking.
        check: What to do about calls that cannot be run.
    """

    request: Request
    thinking: bool = True
    check: CallCheck = LOGS


def to_chat_response(response: Response, reading: Reading) -> ChatResponse:
    """A whole answer.

    The message's blocks are in the order of the wire, with all text in one block. Calls that must not be run, because
    the answer was cut off in them or their JSON is broken, are in `additional_kwargs["invalid_tool_calls"]` instead,
    each with the reason.

    Raises:
        ResponseDecodeError: There is such a call, and the check is set to raise.
    """
    valid, invalid = _sort_calls(response, single=reading.request.parallel_tool_calls is False)
    faults = reading.check.look(response)
    if not reading.thinking:
        response = replace(
            response, content=tuple(block for block in response.content if not isinstance(block, Reasoning))
        )
    blocks, kwargs = store_answer(response.content, valid, _thinking_tokens(response))
    if invalid:
        kwargs[INVALID_CALLS] = [
            {"id": call.call.id, "name": call.call.name, "arguments": call.call.arguments, "error": call.error}
            for call in invalid
        ]
    if response.finish_reason == "length" and not response.text and not response.tool_calls:
        logger.warning("The answer has no text: max_tokens was used up by thinking. Raise it, or lower the effort.")
    return ChatResponse(
        message=ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=kwargs),
        raw=to_chat_completion(response, kwargs.get("tool_calls", [])),
        additional_kwargs=_counts(response) | faults,
    )


def to_completion(response: ChatResponse) -> CompletionResponse:
    """The answer or chunk as text only."""
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        additional_kwargs=response_kwargs(response),
    )


def _sort_calls(response: Response, *, single: bool) -> tuple[dict[int, dict[str, Any]], list[ParsedToolCall]]:
    """The arguments of the calls to run, by the `id()` of their blocks, and the calls that must not be run."""
    valid: dict[int, dict[str, Any]] = {}
    invalid: list[ParsedToolCall] = []
    for call in response.tool_calls:
        if call.arguments is None:
            invalid.append(call)
        elif single and valid:
            logger.info("A second tool call is left out, because parallel_tool_calls is False: %s", call.call.name)
        else:
            valid[id(call.call)] = call.arguments
    return valid, invalid


def _thinking_tokens(response: Response) -> int | None:
    """The tokens of the thinking, if the server counted them and there is one block of it."""
    several = sum(isinstance(block, Reasoning) for block in response.content) > 1
    return None if several or response.usage is None else response.usage.reasoning_tokens or None


def _counts(response: Response) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    if usage := response.usage:
        counts = {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.total_tokens,
        }
        if usage.cache_read_tokens:
            counts["cached_tokens"] = usage.cache_read_tokens
        if usage.reasoning_tokens:
            counts["reasoning_tokens"] = usage.reasoning_tokens
    return counts | {"finish_reason": response.finish_reason}
