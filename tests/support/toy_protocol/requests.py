"""Toy requests: `{"model": ..., "turns": [[role, text], ...], "tools": [name, ...], "stream": bool}`."""

from typing import Any

from stepplan import ProtocolFacts, Request, Text, ToolCall, ToolResult

PATH = "/toy"
HEADERS = {"toy-version": "1"}
TOKEN_COUNTER = None

FACTS = ProtocolFacts(
    title="Toy",
    undocumented={"response_format": "openai", "temperature": "openai"},
    tool_choice=False,
    video=False,
    system_messages_anywhere=True,
    late_signatures=False,
    default_max_tokens=100,
)


def encode(request: Request, *, stream: bool) -> dict[str, Any]:
    return {
        "model": request.model,
        "turns": [[message.role, _line(block)] for message in request.messages for block in message.content],
        "tools": [tool.name for tool in request.tools],
        "limit": request.max_tokens or FACTS.default_max_tokens,
        "stream": stream,
    }


def _line(block: object) -> str:
    match block:
        case Text(text):
            return text
        case ToolCall(id, name, arguments):
            return f"{id}: {name}({arguments})"
        case ToolResult(id, content):
            return f"{id} = {''.join(part.text for part in content if isinstance(part, Text))}"
        case _:
            return ""
