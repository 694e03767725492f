"""The vocabulary that every protocol and adapter shares: messages and their blocks, tools, requests.

Nothing here belongs to a vendor. Values are frozen, collections are tuples, and a value that exists is valid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stepplan.errors import InvalidRequestError
from stepplan.models import DEFAULT_MODEL, MODELS

Role = Literal["system", "user", "assistant"]

ReasoningEffort = str
"""How much the model thinks: `low`, `medium` or `high`, where the model knows the word."""


# ------------------------------------------------------------------------------------------------------------- blocks


@dataclass(frozen=True, slots=True)
class Text:
    """Words, in either direction."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture for the model.

    Attributes:
        url: An `http(s)` URL that StepFun's servers can reach, or a `data:` URL (`Image.from_base64` makes one).
        detail: `low` or `high`; `None` leaves it to the server. Chat Completions only.
    """

    url: str
    detail: str | None = None

    @classmethod
    def from_base64(cls, data: str, media_type: str, detail: str | None = None) -> "Image":
        """A picture from base64 text, such as `Image.from_base64(data, "image/png")`."""
        return cls(f"data:{media_type};base64,{data}", detail)


@dataclass(frozen=True, slots=True)
class Video:
    """A film for the model, as an `http(s)` or `data:` URL. Chat Completions only."""

    url: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought before it answered.

    Attributes:
        text: The thinking; empty where the server sent only a signature.
        signature: What the Messages protocol signs a thinking block with; replayed as it came, never invented.
        redacted: The opaque data of a redacted thinking block; such a block has no text.
    """

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a function to be called.

    Attributes:
        id: Pairs the call with its `ToolResult`.
        name: The function's name, as the caller offered it.
        arguments: JSON as the model wrote it, which may be broken or cut short; read it with `parse_arguments`.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a called function gave back; a block of a `user` message."""

    tool_call_id: str
    content: tuple[Text | Image | Video, ...]
    is_error: bool = False


Block = Text | Image | Video | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: tuple[Block, ...]

    @classmethod
    def system(cls, *content: Block | str) -> "Message":
        """Instructions. Strings become `Text`."""
        return cls("system", _blocks(content))

    @classmethod
    def user(cls, *content: Block | str) -> "Message":
        """What a person says, or what tools gave back. Strings become `Text`."""
        return cls("user", _blocks(content))

    @classmethod
    def assistant(cls, *content: Block | str) -> "Message":
        """What the model said. Strings become `Text`."""
        return cls("assistant", _blocks(content))


def _blocks(content: tuple[Block | str, ...]) -> tuple[Block, ...]:
    return tuple(Text(item) if isinstance(item, str) else item for item in content)


# ----------------------------------------------------------------------------------------------------------- requests


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
