"""What a test or a demo writes down: the turns the sandbox is to take, and what goes wrong in them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call the sandbox makes.

    Attributes:
        name: The tool's name.
        arguments: An object, written as JSON; or a string that goes out as it is, to script broken JSON.
        id: The call's id; one is made if it is empty.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict[str, Any])
    id: str = ""

    @property
    def arguments_text(self) -> str:
        """The arguments as they go over the wire."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts, sent as they are given.

    Attributes:
        input_tokens: `prompt_tokens` on Chat Completions, `input_tokens` on Messages.
        output_tokens: `completion_tokens` on Chat Completions, `output_tokens` on Messages; reasoning is in it.
        cached_tokens: `prompt_tokens_details.cached_tokens`, or `cache_read_input_tokens`.
        reasoning_tokens: `completion_tokens_details.reasoning_tokens`, which the service leaves at 0; Chat Completions
            only.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with a turn.

    `status` and `reset` come instead of the turn, `times` requests long; the turn itself follows. The others spoil the
    turn's own answer, and can be combined: `Fault(slice=1, cut_at=300, abrupt=True)`. A whole (not streamed) answer has
    no events: there `error_after` becomes a status 500, and `stall_after` stays silent from the start.

    Attributes:
        status: Answer with this status, and the documented body for it.
        headers: Further headers for `status`, such as `Retry-After`.
        body: Another body for `status`: an object is sent as JSON, a string as plain text.
        reset: Reset the connection before any byte.
        times: How many requests get `status` or `reset`.
        error_after: Send an error frame after this many events, and end the stream.
        error: The error object of that frame.
        error_shape: On Messages, `typed` has `"type": "error"` beside the error, `bare` has not.
        cut_at: End the body after this many bytes.
        abrupt: With `cut_at`: close the connection without ending the HTTP message.
        stall_after: Send nothing more after this many events, and keep the connection open.
        pings: With `stall_after`: keep sending pings.
        ping_interval: Seconds between those pings.
        delay: Seconds to wait before each event, or before each piece if there is a `slice`.
        slice: Write the body in pieces of this many bytes; 1 is byte by byte.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] | str | None = None
    reset: bool = False
    times: int = 1
    error_after: int | None = None
    error: Mapping[str, Any] = field(
        default_factory=lambda: {"message": "engine failure", "type": "internal_error"},
    )
    error_shape: Literal["typed", "bare"] = "typed"
    cut_at: int | None = None
    abrupt: bool = False
    stall_after: int | None = None
    pings: bool = False
    ping_interval: float = 0.1
    delay: float = 0.0
    slice: int | None = None

    @property
    def refusals(self) -> int:
        """How many requests this fault keeps from the turn."""
        return self.times if self.reset or self.status is not None else 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the sandbox.

    A turn that says nothing but its fault, such as `Turn(fault=Fault(status=429))`, is answered as if there were no
    script: derived from the request. `Turn(finish_reason="stop")` is an answer that is really empty.

    Attributes:
        reasoning: The thinking before the answer.
        text: The answer's words.
        tool_calls: The calls, made in parallel.
        finish_reason: `stop`, `tool_calls`, `length` or `content_filter`, put in each protocol's own words; any other
            word is sent as it is. By default `tool_calls` if there are any, else `stop`.
        usage: Token counts; by default counted from the request and the answer.
        fault: What goes wrong.
    """

    reasoning: str = ""
    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    fault: Fault | None = None

    def __post_init__(self) -> None:
        """Accept a list of calls, which reads better in a script."""
        object.__setattr__(self, "tool_calls", tuple(self.tool_calls))

    @property
    def is_blank(self) -> bool:
        """Whether nothing but a fault was given."""
        return all(getattr(self, item.name) == item.default for item in fields(self) if item.name != "fault")

    @property
    def ending(self) -> str:
        """The finish reason, given or derived."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")
