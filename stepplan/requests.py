"""What is sent: a request with its messages, tools and options. A request is checked when it is made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from operator import attrgetter
from typing import Any, Literal, TypeVar

from stepplan import arguments
from stepplan.arguments import flag, json_fields, label, number, sequence, text, whole_number
from stepplan.errors import InvalidRequestError
from stepplan.headers import checked
from stepplan.messages import Message
from stepplan.models import DEFAULT_MODEL, MODELS
from stepplan.server_tools import Retrieval, ServerTool, WebSearch

ReasoningEffort = str
"""How much the model reasons: `low`, `medium` or `high`. Not every model accepts every value."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function offered to the model.

    Attributes:
        name: The function's name. A name that the API would refuse (with dots or spaces, or over 64 characters) is sent
            as a valid alias.
        description: What the function does, for the model.
        parameters: The arguments, as a JSON Schema of type `object`.
        strict: Ask the server to enforce the schema on the arguments. Chat Completions only; sent only if set.

    Raises:
        InvalidRequestError: A value is of the wrong type.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    strict: bool | None = None

    def __post_init__(self) -> None:
        text("A tool's name", self.name)
        text(f"The description of the tool {self.name!r}", self.description)
        json_fields(f"The parameters of the tool {self.name!r}", self.parameters)
        if self.strict is not None:
            flag(f"strict of the tool {self.name!r}", self.strict)


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool choice: the model must call the tool of this name.

    Attributes:
        name: The tool's name.
        asked_by: The argument that asks for the call, to be named in a warning where the protocol cannot force one.
    """

    name: str
    asked_by: str = "tool_choice"


@dataclass(frozen=True, slots=True)
class AnyTool:
    """A tool choice: the model must call one of the tools. `"required"` is short for it.

    Attributes:
        asked_by: See `NamedTool`.
    """

    asked_by: str = "tool_choice"


ToolChoice = Literal["auto", "none", "required"] | AnyTool | NamedTool
"""Whether the model decides, must not call a tool, must call one, or must call this one."""


@dataclass(frozen=True, slots=True)
class JSONSchema:
    """A response format: the answer is JSON that satisfies `schema`. Chat Completions only.

    Attributes:
        name: The schema's name.
        schema: A JSON Schema.
        strict: Ask the server to follow the schema strictly. Sent only if set.

    Raises:
        InvalidRequestError: A value is of the wrong type.
    """

    name: str
    schema: Mapping[str, Any]
    strict: bool | None = None

    def __post_init__(self) -> None:
        text("A response format's name", self.name)
        json_fields("A response format's schema", self.schema)
        if self.strict is not None:
            flag("A response format's strict", self.strict)


T = TypeVar("T")


def _refused_without_frames(cls: type[T]) -> type[T]:
    """The class; its errors come without the frame of its generated `__init__`.

    Tools that report errors show the variables of every frame, and a header among the arguments may be a secret.
    """
    init: Any = cls.__init__

    @wraps(init)
    def make(self: object, *given: Any, **named: Any) -> None:
        try:
            init(self, *given, **named)
        except InvalidRequestError as error:
            del self, given, named
            raise error.with_traceback(None) from None

    setattr(cls, "__init__", make)  # noqa: B010 - checkers keep to the generated one
    return cls


@_refused_without_frames
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the model, over any protocol. Options that are not set are not sent.

    Attributes:
        messages: The conversation so far.
        model: The model's name. Any name is accepted; the options of known models are checked. Default:
            `step-3.7-flash`.
        tools: Functions the model may call, and StepFun's own tools (`WebSearch`, `Retrieval`), which its servers run.
        tool_choice: `auto`, `none`, `required`, an `AnyTool`, or a `NamedTool`.
        parallel_tool_calls: False asks for at most one tool call per answer.
        max_tokens: Limit on reasoning and answer together, over 0. Unset, Chat Completions has no limit and Messages
            32,768.
        temperature: Randomness, 0 to 2.
        top_p: Nucleus sampling, over 0 and at most 1.
        top_k: Sample from this many of the likeliest tokens, 0 to 500. Messages only.
        frequency_penalty: Penalty on repetition, -2 to 2. Chat Completions only.
        stop: Sequences that end the answer.
        reasoning_effort: How much the model reasons: `low`, `medium` or `high`. If a known model does not accept the
            value, an error is raised.
        response_format: `"json_object"` or a `JSONSchema`. Chat Completions only.
        replay_reasoning: Send the model's own earlier reasoning back in later requests.
        stream_usage: Ask for token counts in a stream (`stream_options`). Chat Completions only.
        repair_history: Repair tool calls without a result and results without a call, instead of raising an error.
        think_tags: Read `<think>...</think>` at the beginning of the text as reasoning. If the opening tag is missing,
            a stream holds back the text until the closing tag arrives or the answer ends.
        extra_body: Fields to add to the request body unchanged. They override the options.
        extra_headers: Headers for this request only; they override all others.

    Raises:
        InvalidRequestError: A value is of the wrong type or out of its documented range, `tool_choice` asks for a
            function that is not among `tools`, or the model does not support a tool.
    """

    messages: tuple[Message, ...]
    model: str = DEFAULT_MODEL
    tools: tuple[Tool | ServerTool, ...] = ()
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
    extra_headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def __post_init__(self) -> None:
        for name, value, default in zip(_CHECKS, _values(self), _DEFAULTS, strict=True):
            if value is not default:
                object.__setattr__(self, name, _CHECKS[name](name, value))
        known = MODELS.get(self.model)
        accepted = known.reasoning_efforts if known else ()
        if self.reasoning_effort is not None and accepted and self.reasoning_effort not in accepted:
            raise InvalidRequestError(
                f"reasoning_effort={self.reasoning_effort!r} is not supported by {self.model}, which accepts: "
                f"{', '.join(accepted)}."
            )
        if self.tool_choice != "auto":
            check_tool_choice(self.tool_choice, self.functions)
        if known and not known.web_search and any(isinstance(tool, WebSearch) for tool in self.server_tools):
            supporting = ", ".join(model.id for model in MODELS.values() if model.web_search)
            raise InvalidRequestError(f"{self.model} does not support web_search. These models do: {supporting}.")

    @property
    def functions(self) -> tuple[Tool, ...]:
        """The tools that the caller runs."""
        return tuple(tool for tool in self.tools if isinstance(tool, Tool))

    @property
    def forced_call(self) -> AnyTool | NamedTool | None:
        """The call that `tool_choice` forces; `None` if the model may answer without one."""
        if self.tool_choice == "required":
            return AnyTool()
        return None if isinstance(self.tool_choice, str) else self.tool_choice

    @property
    def server_tools(self) -> tuple[ServerTool, ...]:
        """The tools that StepFun's servers run."""
        return tuple(tool for tool in self.tools if not isinstance(tool, Tool))


def check_tool_choice(choice: ToolChoice, tools: Sequence[Tool]) -> None:
    """Refuse a choice that the tools cannot meet.

    Raises:
        InvalidRequestError: It is not a `ToolChoice`, or there is no such tool.
    """
    names = [tool.name for tool in tools]
    if isinstance(choice, NamedTool):
        if choice.name not in names:
            there = ", ".join(names) or "none"
            raise InvalidRequestError(f"tool_choice names {choice.name!r}, but the tools are: {there}.")
    elif not isinstance(choice, AnyTool) and choice not in ("auto", "none", "required"):
        raise arguments.wrong_type("tool_choice", choice, "'auto', 'none', 'required', an AnyTool or a NamedTool")
    elif choice not in ("auto", "none") and not names:
        raise InvalidRequestError("tool_choice='required' needs tools to choose from.")


def _response_format(name: str, value: Any) -> Any:
    if value != "json_object" and not isinstance(value, JSONSchema):
        raise arguments.wrong_type(name, value, "'json_object' or a JSONSchema")
    return value


_CHECKS: Mapping[str, arguments.Check] = {
    "messages": sequence(Message, "Messages"),
    "model": label,
    "tools": sequence((Tool, WebSearch, Retrieval), "Tools"),
    "parallel_tool_calls": flag,
    "max_tokens": whole_number("over 0", lambda value: 0 < value < math.inf),
    "temperature": number("from 0 to 2", lambda value: 0 <= value <= 2),
    "top_p": number("over 0 and at most 1", lambda value: 0 < value <= 1),
    "top_k": whole_number("from 0 to 500", lambda value: 0 <= value <= 500),
    "frequency_penalty": number("from -2 to 2", lambda value: -2 <= value <= 2),
    "stop": sequence(str, "strings"),
    "reasoning_effort": label,
    "response_format": _response_format,
    "replay_reasoning": flag,
    "stream_usage": flag,
    "repair_history": flag,
    "think_tags": flag,
    "extra_body": json_fields,
    "extra_headers": checked,
}
_values = attrgetter(*_CHECKS)
_DEFAULTS = [Request.__dataclass_fields__[name].default for name in _CHECKS]
