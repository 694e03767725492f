"""A request independent of its protocol: what is needed to derive an answer."""

from dataclasses import dataclass

from stepplan.sandbox.jsontools import JSON, dump


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool offered to the model."""

    name: str
    parameters: JSON


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned."""

    name: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request.

    Attributes:
        model: The model's name.
        question: The text of the last user message.
        results: The tool results since then.
        tools: The tools that may be called.
        server_tools: The names of the tools that the server runs itself.
        choice: `auto`, `none`, `required`, or the name of the tool that must be called.
        parallel: Whether one answer may hold several calls.
        wants_json: Whether the answer must be a JSON object.
        schema: The JSON Schema that the answer must follow.
        instructions: The system prompt.
        effort: The reasoning effort, if it is set.
        max_tokens: The budget for reasoning and answer.
        stop: The stop sequences.
        stream: Whether the answer is streamed.
        input_tokens: The length of the request.
    """

    model: str
    question: str
    results: tuple[ToolResult, ...]
    tools: tuple[Tool, ...]
    server_tools: tuple[str, ...]
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
    """A tool as text, so that its tokens count the same over both protocols."""
    return f"{name} {description or ''} {dump(parameters)}"
