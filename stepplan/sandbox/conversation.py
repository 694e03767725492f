"""A request in neutral words: what deriving a reply needs, whichever protocol it came by."""

from dataclasses import dataclass

from stepplan.sandbox.jsontools import JSON, dump


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the caller bound."""

    name: str
    parameters: JSON


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered."""

    name: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was asked for.

    Attributes:
        model: The model's name.
        question: The last thing a person said.
        results: What tools answered since.
        tools: The tools that may be called.
        choice: `auto`, `none`, `required`, or the name of the tool that must be called.
        parallel: Whether several tools may be called at once.
        wants_json: Whether the answer must be a JSON object.
        schema: The JSON Schema the answer must follow.
        instructions: The system prompt.
        effort: The reasoning effort, if it was set.
        max_tokens: The budget for reasoning and answer.
        stop: Where the answer must end.
        stream: Whether the answer comes as events.
        input_tokens: How long the request is.
    """

    model: str
    question: str
    results: tuple[ToolResult, ...]
    tools: tuple[Tool, ...]
    choice: str
    parallel: bool
    wants_json: bool
    schema: JSON | None
    instructions: str
    effort: str | None
    max_tokens: int | None
    stop: tuple[str, ...]
    stream: bool
    input_tokens: int


def tool_text(name: object, description: object, parameters: object) -> str:
    """A tool as words, to count its tokens the same on both protocols."""
    return f"{name} {description or ''} {dump(parameters)}"
