"""Streamed answers: from the core's events to LangChain's chunks.

The chunks are of core's own class, `AIMessageChunk`, and core adds them up: `+`, agents, histories, graphs. Core reads
the arguments of a sum leniently, closing broken JSON, so a tool call that the token limit cut off would become one that
can be run, with half of its arguments. A subclass could not prevent that: a sum may begin with any chunk, and chunks
pass through JSON. So the data itself does: to the arguments of a call that must not be run, the last chunk adds
`UNREADABLE` and the reason. Wherever the JSON broke off, inside a string or outside, this closes an array with a brace,
which core's parser refuses to mend (`parse_partial_json`: "Mismatched closing character"). The sum then holds the call
in `invalid_tool_calls`, whatever is done with it later.
"""

from typing import Any, assert_never

from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk

from langchain_stepplan._answers import to_kwargs, to_metadata, to_token_usage, to_usage_metadata
from langchain_stepplan._replay import PROVIDER, REASONING, SERVER_CALLS, UNREADABLE, server_call_data
from langchain_stepplan._standard import indexed_server_tool_blocks, reasoning_block, refusal
from langchain_stepplan._unvalidated import broken_delta
from stepplan import (
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    Response,
    ServerToolCalled,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from stepplan.integration.checks import LOGS, CallCheck
from stepplan.integration.unvalidated import maker


class Chunks:
    """Turns the events of one answer into chunks, one each.

    Args:
        v1: Whether their content is standard blocks.
        check: What to do about calls that cannot be run.
    """

    def __init__(self, *, v1: bool, check: CallCheck = LOGS) -> None:
        self._v1 = v1
        self._check = check
        self._ids: dict[int, str] = {}
        self._held: dict[int, str] = {}

    def add(self, event: Event) -> AIMessageChunk:
        """The chunk for this event.

        Raises:
            ResponseDecodeError: The event is the last, and the check raises it.
        """
        match event:
            case TextDelta():
                return _make_chunk(self._fields(event, content=event.text))
            case ReasoningDelta():
                told = {REASONING: event.text} if event.text else {}
                return _make_chunk(self._fields(event, additional_kwargs=told))
            case ToolCallStart(index, id, name):
                self._ids[index], self._held[index] = id, ""
                return self._call(event, tool_call_chunk(name=name, args="", id=id, index=index))
            case ToolCallDelta(index, arguments):
                if index in self._held:
                    arguments = self._begun(index, arguments)
                    event = ToolCallDelta(index, arguments)
                return self._call(event, tool_call_chunk(args=arguments, index=index))
            case ServerToolCalled(_, call):
                kwargs = {} if self._v1 else {SERVER_CALLS: [server_call_data(call)]}
                return _make_chunk(self._fields(event, additional_kwargs=kwargs))
            case MessageStart():
                metadata = to_metadata(model_name=event.model, id=event.id, trace_id=event.trace_id)
                return AIMessageChunk(**self._fields(event, response_metadata=metadata))
            case MessageEnd(response):
                return self._last(event, response)
            case _:
                assert_never(event)

    def _begun(self, index: int, arguments: str) -> str:
        """What can be sent of arguments that begin: blanks and `null` mean no arguments here, and nothing in core."""
        held = self._held[index] + arguments
        if "null".startswith(held.strip()):
            self._held[index] = held
            return ""
        del self._held[index]
        return held

    def _call(self, event: Event, delta: ToolCallChunk) -> AIMessageChunk:
        fields = self._fields(event, tool_call_chunks=[delta])
        if (broken := broken_delta(delta)) is None:
            return AIMessageChunk(**fields)
        return _make_chunk({**fields, "tool_calls": [], "invalid_tool_calls": [broken]})

    def _last(self, event: MessageEnd, response: Response) -> AIMessageChunk:
        faults = self._check.look(response)
        broken = self._broken(response)
        kwargs = to_kwargs(response, v1=self._v1)
        for sent in (REASONING, SERVER_CALLS):
            kwargs.pop(sent, None)
        fields = self._fields(
            event,
            additional_kwargs=kwargs,
            # The ends of the calls that must not be run: what was held back of their arguments, the mark, the reason.
            tool_call_chunks=[
                tool_call_chunk(args=self._held.get(index, "") + UNREADABLE + reason, index=index)
                for index, reason in broken.items()
            ],
            response_metadata=to_metadata(
                finish_reason=response.finish_reason,
                stop_sequence=response.stop_sequence,
                token_usage=to_token_usage(response.usage),
                **faults,
            ),
            usage_metadata=to_usage_metadata(response.usage),
            chunk_position="last",
        )
        if self._v1:
            held = ((index, self._held.get(index)) for index in broken)
            fields["content"] += [block for index, text in held if text for block in _call_content(index, text)]
        return AIMessageChunk(**fields)

    def _broken(self, response: Response) -> dict[int, str]:
        """The calls that must not be run, by their index, and why."""
        reasons = {parsed.call.id: parsed.error for parsed in response.tool_calls}
        return {index: reason for index, id in self._ids.items() if (reason := reasons[id]) is not None}

    def _fields(self, event: Event, **fields: Any) -> dict[str, Any]:
        fields.setdefault("content", "")
        metadata = fields.setdefault("response_metadata", {"model_provider": PROVIDER})
        if self._v1:
            metadata["output_version"] = "v1"
            fields["content"] = _standard_content(event)
        return fields


def _standard_content(event: Event) -> list[dict[str, Any]]:
    match event:
        case TextDelta(index, text):
            return [{"type": "text", "text": text, "index": f"lc_txt_{index}"}]
        case ReasoningDelta(index, text, signature, redacted):
            kind = "rs" if redacted is None else "ns"
            return [{**reasoning_block(text, signature, redacted), "index": f"lc_{kind}_{index}"}]
        case ToolCallStart(index, id, name):
            return [{**tool_call_chunk(name=name, args="", id=id), "index": f"lc_tc_{index}"}]
        case ToolCallDelta(index, arguments):
            return _call_content(index, arguments)
        case ServerToolCalled(_, call):
            return indexed_server_tool_blocks(call)
        case MessageEnd(response):
            return [{**block, "index": "lc_rf"} for block in refusal(response.finish_reason)]
        case _:
            return []


def _call_content(index: int, arguments: str) -> list[dict[str, Any]]:
    return [{**tool_call_chunk(args=arguments), "index": f"lc_tc_{index}"}]


_make_chunk = maker(AIMessageChunk(content=""))
