"""What is sent: a request with its messages, tools and options. A request that exists is valid."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stepplan.errors import InvalidRequestError
from stepplan.messages import Message
from stepplan.models import DEFAULT_MODEL, MODELS

ReasoningEffort = str
"""How much the model reasons: `low`, `medium` or `high`; not every model takes every value."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function offered to the model.

    Attributes:
        name: Its name. One the API would refuse (dots, spaces, over 64 characters) travels under a legal alias.
        description: What it does, for the model.
        parameters: A JSON Schema of type `object`.
        strict: Ask the server to hold the arguments to the schema. Chat Completions only; sent only when set.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool choice: the model must call the tool of this name."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True)
class JSONSchema:
    """A response format: the answer is JSON that satisfies `schema`. Chat Completions only."""

    name: str
    schema: Mapping[str, Any]
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to the model, for either protocol. Only what is set here goes on the wire.

    Attributes:
        messages: The conversation so far.
        model: The model's name; an unknown one is passed on unchecked.
        tools: Functions the model may call.
        tool_choice: `auto`, `none`, `required`, or a `NamedTool`.
        parallel_tool_calls: False asks for one call at a time.
        max_tokens: Limit on reasoning and answer together, over 0. Unset: no limit on Chat, 32,768 on Messages.
        temperature: 0 to 2.
        top_p: Over 0, at most 1.
        top_k: 0 to 500. Messages only.
        frequency_penalty: -2 to 2. Chat Completions only.
        stop: Sequences that end the answer.
        reasoning_effort: `low`, `medium` or `high`; a value a known model refuses is refused here.
        response_format: `"json_object"` or a `JSONSchema`. Chat Completions only.
        replay_reasoning: Send the reasoning of earlier turns back, block for block.
        stream_usage: Ask for token counts in a stream (`stream_options`). Chat Completions only.
        repair_history: Give tool calls without a result an error result, instead of raising.
        think_tags: Take `<think>...</think>` before an answer's words for reasoning; some servers leave it there.
        extra_body: Fields to send as they are; they win over the fields above.
        extra_headers: Headers for this request only; they win over ours.

    Raises:
        InvalidRequestError: A value is outside its documented range.
    """

    messages: tuple[Message, ...]
    model: str = DEFAULT_MODEL
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: ReasoningEffort | None = None
    response_format: JSONSchema | Literal["json_object"] | None = None
    replay_reasoning: bool = True
    stream_usage: bool = True
    repair_history: bool = False
    think_tags: bool = False
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    extra_headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for name, value, valid, allowed in (
            ("temperature", self.temperature, self.temperature is None or 0 <= self.temperature <= 2, "from 0 to 2"),
            ("top_p", self.top_p, self.top_p is None or 0 < self.top_p <= 1, "over 0 and at most 1"),
            ("top_k", self.top_k, self.top_k is None or 0 <= self.top_k <= 500, "from 0 to 500"),
            ("max_tokens", self.max_tokens, self.max_tokens is None or self.max_tokens > 0, "over 0"),
            (
                "frequency_penalty",
                self.frequency_penalty,
                self.frequency_penalty is None or -2 <= self.frequency_penalty <= 2,
                "from -2 to 2",
            ),
        ):
            if not valid:
                raise InvalidRequestError(f"{name}={value!r} is out of range: it must be {allowed}.")
        known = MODELS.get(self.model)
        if self.reasoning_effort is not None and known and self.reasoning_effort not in known.reasoning_efforts:
            accepted = ", ".join(known.reasoning_efforts)
            raise InvalidRequestError(
                f"reasoning_effort={self.reasoning_effort!r} is not known to {self.model}, which accepts: {accepted}."
            )
