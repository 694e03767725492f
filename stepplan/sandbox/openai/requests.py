"""Reads and checks the requests of Chat Completions."""

import re
from typing import Any

from stepplan.jsontext import read_value
from stepplan.sandbox import tokens
from stepplan.sandbox.conversation import Conversation, Tool, ToolResult, tool_text
from stepplan.sandbox.http_errors import Refusal
from stepplan.sandbox.jsontools import JSON, as_list, as_object, as_text
from stepplan.sandbox.models import model as known_model
from stepplan.sandbox.protocol import ProtocolName
from stepplan.sandbox.validation import (
    RANGES,
    check_effort,
    check_parts,
    check_ranges,
    check_stop,
    invalid,
    messages_of,
    missing,
)

NAME: ProtocolName = "openai"
FIELDS = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stream",
        "stop",
        "frequency_penalty",
        "response_format",
        "reasoning_effort",
        "reasoning_format",
        "tools",
        "tool_choice",
    }
)
_ROLES = ("system", "developer", "user", "assistant", "tool")
_PARTS = frozenset({"text", "image_url", "video_url", "input_audio"})
_RANGES = {**RANGES, "frequency_penalty": (-2, 2)}
_SERVER_TOOLS = ("web_search", "retrieval")
_TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def check(body: JSON) -> None:
    """Refuse what this protocol refuses."""
    messages = messages_of(body)
    check_ranges(body, _RANGES)
    check_effort(body, body.get("reasoning_effort"), "reasoning_effort")
    check_stop([body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop"), "stop")
    _check_response_format(body.get("response_format"))
    known: set[str] = set()
    for message in messages:
        if message.get("role") not in _ROLES:
            raise Refusal(400, f"invalid msg role: {message.get('role')}", "request_params_invalid")
        if "content" not in message and message["role"] != "assistant":
            raise missing("messages.content")
        calls = [as_object(call) for call in as_list(message.get("tool_calls"))]
        for call in calls:
            _check_call(call)
        known.update(call["id"] for call in calls)
        if message.get("role") == "tool" and message.get("tool_call_id") not in known:
            raise Refusal(400, "messages with role tool must follow an assistant message with that tool call")
    check_parts(body, messages, _PARTS)
    names = [_function_name(as_object(tool), body["model"]) for tool in as_list(body.get("tools"))]
    named = as_object(as_object(body.get("tool_choice")).get("function")).get("name")
    if named is not None and named not in names:
        raise invalid("tool_choice", "the name of one of the tools")


def _check_response_format(form: object) -> None:
    if form is None:
        return
    rules = as_object(form)
    described = as_object(rules.get("json_schema"))
    if rules.get("type") not in ("text", "json_object", "json_schema"):
        raise invalid("response_format", "must be text, json_object or json_schema")
    if rules["type"] == "json_schema" and not (described.get("name") and isinstance(described.get("schema"), dict)):
        raise missing("response_format.json_schema.name and .schema")


def _check_call(call: JSON) -> None:
    """Refuse a tool call in the history that lacks what the service needs to show it to the model."""
    if not call.get("id") or not call.get("type"):
        raise Refusal(400, "messages.tool_calls: id and type are required")
    if call["type"] != "function":
        raise invalid("messages.tool_calls.type", "function")
    try:
        arguments: Any = read_value(as_object(call.get("function")).get("arguments", ""))
    except (TypeError, ValueError):
        arguments = None
    if not isinstance(arguments, dict):
        raise invalid("messages.tool_calls.function.arguments", "the text of a JSON object")


def _function_name(tool: JSON, model: str) -> str:
    """A function's name; empty for the tools that the service runs itself."""
    function = as_object(tool.get("function"))
    if tool.get("type") in _SERVER_TOOLS:
        _check_server_tool(tool["type"], function, model)
        return ""
    name = str(function.get("name", ""))
    if tool.get("type") != "function" or not _TOOL_NAME.fullmatch(name):
        raise invalid("tools.function.name", "letters, digits, _ and -, at most 64 characters")
    if as_object(function.get("parameters", {"type": "object"})).get("type") != "object":
        raise invalid("tools.function.parameters", "a schema with type object")
    return name


def _check_server_tool(kind: str, described: JSON, model: str) -> None:
    if not known_model(model).takes_server_tools:
        raise Refusal(400, f"The model {model} does not take the tool {kind}", "unsupported_content_type")
    if not isinstance(described.get("description"), str):
        raise missing("tools.function.description")
    store = as_object(described.get("options")).get("vector_store_id")
    if kind == "retrieval" and not (described.get("name") and store):
        raise missing("tools.function.name and .options.vector_store_id")


def read(body: JSON) -> Conversation:
    """The request, independent of the protocol."""
    messages = [as_object(message) for message in as_list(body.get("messages"))]
    question, results = _asked(messages)
    instructions = "\n".join(as_text(m.get("content")) for m in messages if m.get("role") in ("system", "developer"))
    tools = [as_object(tool) for tool in as_list(body.get("tools"))]
    described_tools = [as_object(tool.get("function")) for tool in tools]
    functions = [as_object(tool.get("function")) for tool in tools if tool.get("type") == "function"]
    choice = body.get("tool_choice") or "auto"
    form = as_object(body.get("response_format"))
    described = as_object(form.get("json_schema"))
    stop = body.get("stop") or ()
    return Conversation(
        model=str(body["model"]),
        question=question,
        results=tuple(results),
        tools=tuple(Tool(str(f["name"]), as_object(f.get("parameters"))) for f in functions),
        server_tools=tuple(_server_tool_name(tool) for tool in tools if tool.get("type") in _SERVER_TOOLS),
        choice=str(as_object(as_object(choice).get("function")).get("name", choice)),
        parallel=body.get("parallel_tool_calls") is not False,
        wants_json=form.get("type") == "json_object",
        schema=as_object(described.get("schema")) if form.get("type") == "json_schema" else None,
        instructions=instructions,
        effort=body.get("reasoning_effort"),
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        stream=bool(body.get("stream")),
        input_tokens=_input_tokens(messages, described_tools),
    )


def _server_tool_name(tool: JSON) -> str:
    return str(as_object(tool.get("function")).get("name") or tool["type"])


def _asked(messages: list[JSON]) -> tuple[str, list[ToolResult]]:
    """The text of the last user message, and the tool results since then."""
    question = ""
    results: list[ToolResult] = []
    names: dict[str, str] = {}
    for message in messages:
        text = as_text(message.get("content"))
        if message.get("role") == "user" and text:  # without text, it holds the images of tool results
            question, results = text, []
        elif message.get("role") == "tool":
            results.append(ToolResult(names.get(str(message.get("tool_call_id")), "tool"), text))
        for call in map(as_object, as_list(message.get("tool_calls"))):
            names[str(call.get("id"))] = str(as_object(call.get("function")).get("name"))
    return question, results


def _input_tokens(messages: list[JSON], functions: list[JSON]) -> int:
    texts = [tool_text(f.get("name"), f.get("description"), f.get("parameters")) for f in functions]
    for message in messages:
        texts += [as_text(message.get("content")), str(message.get("reasoning_content", message.get("reasoning", "")))]
        calls = [as_object(as_object(call).get("function")) for call in as_list(message.get("tool_calls"))]
        texts += [f"{call.get('name')} {call.get('arguments')}" for call in calls]
    return sum(map(tokens.count, texts))
