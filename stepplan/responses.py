"""What comes back: the response, its token counts, and its tool calls with their arguments read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stepplan.jsontext import read_object
from stepplan.messages import Block, Message, Reasoning, Text, ToolCall

FinishReason = str
"""Why an answer ended: `stop`, `tool_calls`, `length` or `content_filter`; any other word is the server's own."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer.

    Attributes:
        input_tokens: All of the input, what was read from the cache included.
        output_tokens: All of the output, reasoning included.
        cache_read_tokens: How many of the input tokens came from the cache.
        cache_creation_tokens: How many of the input tokens were written to the cache.
        reasoning_tokens: How many of the output tokens were reasoning, where the server says so.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class ParsedToolCall:
    """A tool call with its arguments read, or with the reason why they cannot be.

    Attributes:
        call: The call as the model wrote it.
        arguments: The arguments; `None` if the call must not be run.
        error: Why it must not be run; `None` if it may.
    """

    call: ToolCall
    arguments: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """The model's answer, whole or as far as it came.

    Attributes:
        content: Reasoning, text and tool calls, in the order of the wire.
        finish_reason: Why it ended; `None` if it is only a part of an answer.
        usage: Token counts; `None` if the server sent none.
        id: The server's name for the answer.
        model: The model that answered, as the server says.
        stop_sequence: The stop sequence that was met, where the server says so.
        trace_id: What to quote to StepFun's support (`X-Trace-Id`).
    """

    content: tuple[Block, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    stop_sequence: str | None = None
    trace_id: str | None = None

    @property
    def text(self) -> str:
        """The answer's words, without reasoning."""
        return "".join(block.text for block in self.content if isinstance(block, Text))

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(block.text for block in self.content if isinstance(block, Reasoning))

    @property
    def tool_calls(self) -> tuple[ParsedToolCall, ...]:
        """The tool calls, each with its arguments or with the reason why it must not be run."""
        return tuple(self._parse_tool_calls())

    def _parse_tool_calls(self) -> Iterator[ParsedToolCall]:
        last = self.content[-1] if self.content else None
        for block in self.content:
            if isinstance(block, ToolCall):
                cut_off = block is last and self.finish_reason not in {"stop", "tool_calls"}
                yield parse_tool_call(block, cut_off=cut_off)

    def to_message(self) -> Message:
        """The answer as a turn of the conversation."""
        return Message("assistant", self.content)


def parse_arguments(arguments: str) -> dict[str, Any]:
    """Read a tool call's arguments. Nothing at all, and `null`, mean no arguments.

    Raises:
        ValueError: They are not the JSON text of an object.
    """
    return {} if arguments.strip() in {"", "null"} else read_object(arguments, allow_nan=False)


def parse_partial_arguments(arguments: str) -> dict[str, Any]:
    """Read as much as there is of arguments that are still arriving; `{}` while nothing can be told.

    One pass over the text in compiled code, so that a call per arriving piece is cheap.
    """
    try:
        return read_object(arguments, partial=True)
    except ValueError:
        return {}


def parse_tool_call(call: ToolCall, *, cut_off: bool) -> ParsedToolCall:
    """Read one call. A call that the answer's end cut off (`cut_off`) is only whole if its JSON is."""
    try:
        if cut_off and not call.arguments.strip():
            raise ValueError("no arguments arrived")
        return ParsedToolCall(call, parse_arguments(call.arguments))
    except ValueError as error:
        where = "were cut off when the answer ended (raise max_tokens)" if cut_off else "are not a JSON object"
        return ParsedToolCall(call, None, f"The arguments of {call.name!r} {where}: {error}")
