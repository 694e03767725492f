"""Streamed answers: from the core's events to LangChain's chunks, and what their sum is."""

from typing import Any, assert_never, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessageChunk, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk
from typing_extensions import override

from langchain_stepplan._answers import sort_calls, to_kwargs, to_metadata, to_usage_metadata
from langchain_stepplan._replay import PROVIDER, REASONING, own_blocks
from langchain_stepplan._standard import reasoning_block, standard_blocks
from langchain_stepplan._unvalidated import broken_piece
from stepplan import (
    Accumulator,
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    Response,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from stepplan.integration.checks import LOGS, CallCheck
from stepplan.integration.unvalidated import maker


class _MessageOfChunk:
    """What core calls to make a message of a chunk: it takes the chunk's first base class for the message's class."""

    def __new__(cls, *args: Any, **fields: Any) -> Any:
        return AIMessage(*args, **fields) if cls is _MessageOfChunk else super().__new__(cls)


class StepPlanMessageChunk(_MessageOfChunk, AIMessageChunk):
    """A piece of an answer, all of which add up to what the whole answer would be.

    LangChain closes broken JSON when it sums chunks, and so makes a tool call that the token limit cut off one that can
    be run, with half of its arguments. The sum of these reads the arguments strictly: such a call is invalid.
    """

    @classmethod
    @override
    def lc_id(cls) -> list[str]:
        """Serialized as what it is to everybody else."""
        return AIMessageChunk.lc_id()

    @override
    def __add__(self, other: Any) -> BaseMessageChunk:  # type: ignore[override]  # as core itself has it
        total: BaseMessageChunk = super().__add__(other)
        if isinstance(total, AIMessageChunk) and total.chunk_position == "last":
            return _whole(total)
        return total


def _whole(total: AIMessageChunk) -> AIMessageChunk:
    """The sum of all chunks, of core's own class: it may be kept where this package is not installed."""
    blocks = own_blocks(total)
    response = Response(blocks, total.response_metadata.get("finish_reason"))
    whole = AIMessageChunk(**{name: value for name, value in total if name != "type"})
    whole.tool_calls, whole.invalid_tool_calls = sort_calls(response.tool_calls)
    if not isinstance(total.content, str):
        whole.content = cast("list[str | dict[str, Any]]", standard_blocks(whole, blocks))
    return whole


class Chunks:
    """Turns the events of one answer into chunks, one each.

    Args:
        v1: Whether their content is standard blocks.
        check: What is done about calls that cannot be run.
    """

    def __init__(self, *, v1: bool, check: CallCheck = LOGS) -> None:
        self._v1 = v1
        self._check = check
        self._so_far = Accumulator()

    def add(self, event: Event) -> AIMessageChunk:
        """The chunk for this event.

        Raises:
            ResponseDecodeError: It is the last, and the check raises it.
        """
        self._so_far.add(event)
        match event:
            case TextDelta(_, text):
                return _make_chunk(self._fields(event, content=text))
            case ReasoningDelta(_, text):
                return _make_chunk(self._fields(event, additional_kwargs={REASONING: text} if text else {}))
            case ToolCallStart(index, id, name):
                return self._call(event, tool_call_chunk(name=name, args="", id=id, index=index))
            case ToolCallDelta(index, arguments):
                return self._call(event, tool_call_chunk(args=arguments, index=index))
            case MessageStart():
                metadata = to_metadata(model_name=event.model, id=event.id, trace_id=event.trace_id)
                return StepPlanMessageChunk(**self._fields(event, response_metadata=metadata))
            case MessageEnd():
                return self._last(event)
            case _:
                assert_never(event)

    def _call(self, event: Event, piece: ToolCallChunk) -> AIMessageChunk:
        fields = self._fields(event, tool_call_chunks=[piece])
        if (broken := broken_piece(piece)) is None:
            return StepPlanMessageChunk(**fields)
        return _make_chunk({**fields, "tool_calls": [], "invalid_tool_calls": [broken]})

    def _last(self, event: MessageEnd) -> AIMessageChunk:
        response = self._so_far.response()
        faults = self._check.look(response)
        kwargs = to_kwargs(response, v1=self._v1)
        kwargs.pop(REASONING, None)
        fields = self._fields(
            event,
            additional_kwargs=kwargs,
            response_metadata=to_metadata(
                finish_reason=event.finish_reason, stop_sequence=event.stop_sequence, **faults
            ),
            usage_metadata=to_usage_metadata(event.usage),
            chunk_position="last",
        )
        return StepPlanMessageChunk(**fields)

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
            return [{**tool_call_chunk(args=arguments), "index": f"lc_tc_{index}"}]
        case _:
            return []


_make_chunk = maker(StepPlanMessageChunk(content=""))
