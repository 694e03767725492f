"""Scripts: the answers that the sandbox gives, and what goes wrong with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call in an answer.

    Attributes:
        name: The tool's name.
        arguments: An object, sent as JSON; or a string, sent as it is, to script invalid JSON.
        id: The call's id; empty to have one made.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict[str, Any])
    id: str = ""

    @property
    def arguments_text(self) -> str:
        """The arguments as they are sent."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(dict(self.arguments), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class ServerToolCall:
    """A call of one of StepFun's own tools, which the server ran while it answered. Chat Completions only.

    Attributes:
        arguments: What was asked for; a web search has a `keyword`.
        results: What was found; a page has an `index`, a `url`, a `title` and a `summary`.
        type: The tool: `web_search` or `retrieval`.
        name: The name that the service gives it.
        id: The call's id; empty to have one made.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    results: Sequence[Mapping[str, Any]] = ()
    type: str = "web_search"
    name: str = "step_websearch"
    id: str = ""

    def __post_init__(self) -> None:
        """Accept a list of results."""
        object.__setattr__(self, "results", tuple(self.results))


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts.

    Attributes:
        input_tokens: `prompt_tokens` on Chat Completions, `input_tokens` on Messages.
        output_tokens: `completion_tokens` on Chat Completions, `output_tokens` on Messages; includes reasoning.
        cached_tokens: `prompt_tokens_details.cached_tokens`, or `cache_read_input_tokens`.
        reasoning_tokens: `completion_tokens_details.reasoning_tokens`, Chat Completions only; the service sends 0.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a turn.

    `status` and `reset` replace the answer to as many requests as `times` says; after that, the turn itself is sent.
    The other faults change the turn's own answer and can be combined: `Fault(slice=1, cut_at=300, abrupt=True)`. An
    answer that is not streamed has no events: `error_after` makes it a status 500, and `stall_after` sends nothing.

    Attributes:
        status: Answer with this status and its documented body.
        headers: Further headers for `status`, such as `Retry-After`.
        body: Another body for `status`: an object is sent as JSON, a string as plain text.
        reset: Reset the connection before any byte.
        times: How many requests get `status` or `reset`.
        error_after: Send an error frame after this many events, and end the stream.
        error: The error object of that frame.
        error_shape: On Messages: `typed` adds `"type": "error"` beside the error, `bare` does not.
        cut_at: End the body after this many bytes.
        abrupt: With `cut_at`: close the connection without ending the HTTP message.
        stall_after: Send nothing more after this many events, and keep the connection open.
        pings: With `stall_after`: keep sending pings.
        ping_interval: Seconds between those pings.
        delay: Seconds to wait before each event, or before each piece if there is a `slice`.
        slice: Write the body in pieces of this many bytes.
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
        """How many requests this fault refuses before the turn."""
        return self.times if self.reset or self.status is not None else 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the sandbox.

    A turn that has only a fault, such as `Turn(fault=Fault(status=429))`, is answered from the request, as if there
    were no script. `Turn(finish_reason="stop")` is an empty answer.

    Attributes:
        reasoning: The thinking before the answer.
        text: The answer's text.
        tool_calls: The tool calls, all in this one answer.
        server_tool_calls: The tools that the server ran before it answered. Chat Completions only.
        finish_reason: `stop`, `tool_calls`, `length` or `content_filter`, sent as each protocol names it; anything else
            is sent as it is. By default `tool_calls` if there are any, else `stop`.
        usage: Token counts; by default counted from the request and the answer.
        fault: What goes wrong.
    """

    reasoning: str = ""
    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    server_tool_calls: Sequence[ServerToolCall] = field(default=(), kw_only=True)
    finish_reason: str | None = None
    usage: Usage | None = None
    fault: Fault | None = None

    def __post_init__(self) -> None:
        """Accept a list of calls."""
        object.__setattr__(self, "tool_calls", tuple(self.tool_calls))
        object.__setattr__(self, "server_tool_calls", tuple(self.server_tool_calls))

    @property
    def is_blank(self) -> bool:
        """Whether nothing but a fault is set."""
        return all(getattr(self, item.name) == item.default for item in fields(self) if item.name != "fault")

    @property
    def ending(self) -> str:
        """The finish reason, or its default."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")
