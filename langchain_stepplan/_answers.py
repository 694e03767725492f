"""Whole answers: from the core's response to LangChain's message, and the parts that chunks need too."""

from collections.abc import Iterable
from typing import Any, cast

from langchain_core.messages import AIMessage, InvalidToolCall
from langchain_core.messages import ToolCall as LangChainToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_stepplan._replay import LAYOUT, PROVIDER, REASONING, SERVER_CALLS, layout, server_call_data
from langchain_stepplan._standard import standard_blocks
from stepplan import ParsedToolCall, Response, Usage
from stepplan.integration.checks import LOGS, CallCheck


def to_result(response: Response, *, v1: bool, check: CallCheck = LOGS) -> ChatResult:
    """A whole answer as callbacks and tracers expect it.

    Raises:
        ResponseDecodeError: The check raises it.
    """
    message = to_ai_message(response, v1=v1, check=check)
    names = ("id", "model_name", "token_usage")
    return ChatResult(
        generations=[ChatGeneration(message=message, generation_info={"finish_reason": response.finish_reason})],
        llm_output={name: message.response_metadata[name] for name in names if name in message.response_metadata},
    )


def to_ai_message(response: Response, *, v1: bool, check: CallCheck = LOGS) -> AIMessage:
    """A whole answer as a message; with `v1`, its content is standard blocks.

    Raises:
        ResponseDecodeError: The check raises it.
    """
    calls, invalid = sort_calls(response.tool_calls)
    faults = check.look(response)
    metadata = to_metadata(
        model_name=response.model,
        id=response.id,
        trace_id=response.trace_id,
        finish_reason=response.finish_reason,
        stop_sequence=response.stop_sequence,
        token_usage=to_token_usage(response.usage),
        output_version="v1" if v1 else None,
        **faults,
    )
    message = AIMessage(
        content=response.text,
        additional_kwargs=to_kwargs(response, v1=v1),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=to_usage_metadata(response.usage),
        response_metadata=metadata,
    )
    if v1:
        message.content = cast("list[str | dict[str, Any]]", standard_blocks(message, response.content))
    return message


def to_kwargs(response: Response, *, v1: bool) -> dict[str, Any]:
    """The reasoning, and whatever else `content` cannot hold."""
    kwargs: dict[str, Any] = {}
    if reasoning := response.reasoning:
        kwargs[REASONING] = reasoning
    if v1:
        return kwargs
    if searched := response.server_tool_calls:
        kwargs[SERVER_CALLS] = [server_call_data(call) for call in searched]
    if heads := layout(response):
        kwargs[LAYOUT] = heads
    return kwargs


def to_metadata(**known: Any) -> dict[str, Any]:
    """Response metadata: the fields that are known, and the provider."""
    return {"model_provider": PROVIDER, **{name: value for name, value in known.items() if value is not None}}


def to_usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Token counts in LangChain's form. A detail that is zero is left out."""
    if usage is None:
        return None
    metadata = UsageMetadata(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )
    read = InputTokenDetails()
    if usage.cache_read_tokens:
        read["cache_read"] = usage.cache_read_tokens
    if usage.cache_creation_tokens:
        read["cache_creation"] = usage.cache_creation_tokens
    if read:
        metadata["input_token_details"] = read
    if usage.reasoning_tokens:
        metadata["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning_tokens)
    return metadata


def to_token_usage(usage: Usage | None) -> dict[str, Any] | None:
    """Token counts in the form of ChatOpenAI's `token_usage`, which callbacks that compute costs read."""
    if usage is None:
        return None
    counts: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cache_read_tokens:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_tokens}
    if usage.reasoning_tokens:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts


def combined(outputs: Iterable[dict[str, Any] | None]) -> dict[str, Any]:
    """The `llm_output` of several answers: their token counts added up; of a single answer, as it is."""
    known = [output for output in outputs if output]
    if len(known) <= 1:
        return known[0] if known else {}
    totals: dict[str, Any] = {}
    for output in known:
        totals = _added(totals, output.get("token_usage") or {})
    return {"token_usage": totals, "model_name": known[-1].get("model_name")}


def _added(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    total = dict(left)
    for name, value in right.items():
        details: Any = value
        total[name] = _added(left.get(name, {}), details) if isinstance(value, dict) else left.get(name, 0) + value
    return total


def sort_calls(parsed: Iterable[ParsedToolCall]) -> tuple[list[LangChainToolCall], list[InvalidToolCall]]:
    """The calls that can be run, and those that cannot."""
    calls: list[LangChainToolCall] = []
    invalid: list[InvalidToolCall] = []
    for item in parsed:
        call = item.call
        if item.arguments is None:
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=item.error))
        else:
            calls.append(tool_call(name=call.name, args=item.arguments, id=call.id))
    return calls, invalid
