"""What comes back: the response, its token counts, and its tool calls with their arguments parsed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stepplan.jsontext import read_object
from stepplan.messages import Block, Message, Reasoning, ServerToolCall, Text, ToolCall
from stepplan.prices import PRICES, Cost

FinishReason = str
"""Why an answer ended: `stop`, `tool_calls`, `length` or `content_filter`; any other value is the server's own."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer.

    Attributes:
        input_tokens: The whole input, including tokens read from the prompt cache.
        output_tokens: The whole output, including reasoning.
        cache_read_tokens: Input tokens read from the prompt cache.
        cache_creation_tokens: Input tokens written to the prompt cache.
        reasoning_tokens: Output tokens spent on reasoning; 0 if the server does not report them.
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

    def cost(self, model: str) -> Cost | None:
        """What these tokens cost by StepFun's list prices, as an estimate; `None` if the model's price is not known.

        Args:
            model: The model that answered: `Response.model`. `step-router-v1` has no price of its own.
        """
        if (price := PRICES.get(model)) is None:
            return None
        fresh = self.input_tokens - self.cache_read_tokens
        dollars = fresh * price.input + self.cache_read_tokens * price.cached_input + self.output_tokens * price.output
        return Cost(dollars / 1_000_000)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class ParsedToolCall:
    """A tool call, with its parsed arguments, or with the reason why it must not be run.

    Attributes:
        call: The call as the model wrote it.
        arguments: The parsed arguments; `None` if the call must not be run.
        error: Why the call must not be run; `None` if it may be run.
    """

    call: ToolCall
    arguments: dict[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)  # without slots, because `tool_calls` is cached
class Response:
    """The model's answer: all of it, or what has arrived so far.

    Attributes:
        content: Reasoning, text and tool calls, in the order the server sent them.
        finish_reason: Why the answer ended; `None` if it has not ended, or if the server gave no reason.
        usage: Token counts; `None` if the server sent none.
        id: The server's id for the answer.
        model: The model that answered, as the server reports it.
        stop_sequence: The stop sequence that ended the answer, if the server reports it.
        trace_id: The id to quote to StepFun's support (response header `X-Trace-Id`).
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
        """The answer's text, without reasoning."""
        return "".join(block.text for block in self.content if isinstance(block, Text))

    @property
    def reasoning(self) -> str:
        """The model's reasoning."""
        return "".join(block.text for block in self.content if isinstance(block, Reasoning))

    @cached_property
    def tool_calls(self) -> tuple[ParsedToolCall, ...]:
        """The tool calls, each with its arguments or with the reason why it must not be run. Parsed once."""
        cut_off = self.finish_reason not in {"stop", "tool_calls"}
        last = len(self.content) - 1
        return tuple(
            parse_tool_call(block, cut_off=cut_off and index == last)
            for index, block in enumerate(self.content)
            if isinstance(block, ToolCall)
        )

    @property
    def server_tool_calls(self) -> tuple[ServerToolCall, ...]:
        """The calls of tools that the server ran, with what they found."""
        return tuple(block for block in self.content if isinstance(block, ServerToolCall))

    def to_message(self) -> Message:
        """The answer as a message of the conversation."""
        return Message("assistant", self.content)


def parse_arguments(arguments: str) -> dict[str, Any]:
    """Parse a tool call's arguments. Empty text and `null` mean no arguments.

    Control characters within strings are accepted, as by `json.loads(..., strict=False)`.

    Raises:
        ValueError: The text is not a JSON object, or holds a number that JSON cannot express.
    """
    return {} if arguments.strip() in {"", "null"} else read_object(arguments, allow_nan=False)


def parse_partial_arguments(arguments: str) -> dict[str, Any]:
    """Parse as much as has arrived of arguments that are still streaming; `{}` until something can be parsed.

    One pass over the text in compiled code, so that calling this for every delta is cheap.
    """
    try:
        return read_object(arguments, partial=True, allow_nan=False)
    except ValueError:
        return {}


def parse_tool_call(call: ToolCall, *, cut_off: bool) -> ParsedToolCall:
    """Parse one call.

    Args:
        call: The call as the model wrote it.
        cut_off: The answer may have ended in the middle of this call, so empty arguments are missing arguments.
    """
    if not call.name.strip():
        return ParsedToolCall(call, None, "The call names no tool.")
    try:
        if cut_off and not call.arguments.strip():
            raise ValueError("no arguments arrived")
        return ParsedToolCall(call, parse_arguments(call.arguments))
    except ValueError as error:
        where = "were cut off when the answer ended (raise max_tokens)" if cut_off else "are not a JSON object"
        return ParsedToolCall(call, None, f"The arguments of {call.name!r} {where}: {error}")
