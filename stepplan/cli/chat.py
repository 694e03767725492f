"""`stepplan chat`: a conversation, with tools from a Python file."""

import asyncio
import contextlib
import importlib
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, cast

import typer
from pydantic import PydanticUserError, TypeAdapter

from stepplan.cli import options
from stepplan.cli.ask import stream
from stepplan.cli.console import err, friendly_errors, show_error, summary
from stepplan.client import Client
from stepplan.errors import InvalidRequestError, StepPlanError
from stepplan.messages import Message, Text, ToolResult
from stepplan.models import DEFAULT_MODEL
from stepplan.requests import Request, Tool
from stepplan.responses import ParsedToolCall

_TOOLS_MODULE = "stepplan_chat_tools"
_MAX_ROUNDS = 20
"""Rounds of tool calls for one message, so that a model that never stops calling does not go on forever."""


def chat(
    *,
    model: options.Model = DEFAULT_MODEL,
    effort: options.Effort = None,
    protocol: options.Protocol = "openai",
    system: options.System = None,
    tools: Annotated[
        Path | None,
        typer.Option("--tools", "-t", metavar="FILE", help="A Python file. The model may call its public functions."),
    ] = None,
    max_tokens: options.MaxTokens = None,
    reasoning: Annotated[bool, typer.Option(help="Show the reasoning, dimmed.")] = True,
    region: options.RegionName = None,
    base_url: options.BaseURL = None,
) -> None:
    """Talk to a model. An empty line or Ctrl-D ends the conversation.

    With `--tools`, the functions run on this machine as soon as the model calls them: they are not confirmed first.
    """
    with contextlib.suppress(ImportError):  # Windows has none, and edits lines without it
        importlib.import_module("readline")
    with friendly_errors():
        functions = _functions(tools) if tools else {}
        client = Client(options.settings(region, base_url), protocol=options.protocol_name(protocol))
        messages: list[Message] = [Message.system(system)] if system else []
        defaults = Request(
            messages=(),
            model=model,
            reasoning_effort=effort,
            max_tokens=max_tokens,
            tools=tuple(_tool(name, function) for name, function in functions.items()),
        )
        while prompt := _read():
            before = len(messages)
            messages.append(Message.user(prompt))
            try:
                _answer(client, defaults, messages, functions, reasoning=reasoning)
            except StepPlanError as error:  # the conversation goes on without this message
                del messages[before:]
                show_error(str(error), trace_id=error.trace_id)


def _read() -> str:
    """The next message; empty at the end. What is piped in is read line by line, without a prompt."""
    if sys.stdin is None or not sys.stdin.isatty():
        return sys.stdin.readline().strip() if sys.stdin else ""
    try:
        return input("> ").strip()
    except EOFError:
        err.print()
        return ""


def _answer(
    client: Client,
    defaults: Request,
    messages: list[Message],
    functions: Mapping[str, Callable[..., Any]],
    *,
    reasoning: bool,
) -> None:
    """Answer the last message; run the tools that the model calls until it answers with text."""
    for _ in range(_MAX_ROUNDS):
        started = time.monotonic()
        response = stream(client, replace(defaults, messages=tuple(messages)), reasoning=reasoning)
        err.print(summary(response, time.monotonic() - started), style="dim", markup=False)
        messages.append(response.to_message())
        if not response.tool_calls:
            return
        messages.append(Message.user(*(_run(call, functions) for call in response.tool_calls)))
    raise InvalidRequestError(f"The model called tools {_MAX_ROUNDS} times in a row without an answer.")


def _run(call: ParsedToolCall, functions: Mapping[str, Callable[..., Any]]) -> ToolResult:
    """Run one call. What goes wrong goes back to the model, which can mend it."""
    name, arguments = call.call.name, call.arguments
    err.print(f"→ {name}({call.call.arguments})", style="cyan", markup=False)
    if arguments is None:
        return ToolResult(call.call.id, (Text(call.error or "The call is broken."),), is_error=True)
    try:
        returned = functions[name](**arguments)
        result = str(asyncio.run(returned) if inspect.iscoroutine(returned) else returned)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's function may raise anything; the model is told
        return ToolResult(call.call.id, (Text(f"{type(error).__name__}: {error}"),), is_error=True)
    err.print(f"← {result[:500]}", style="cyan", markup=False)
    return ToolResult(call.call.id, (Text(result),))


def _functions(path: Path) -> dict[str, Callable[..., Any]]:
    """The public functions that a file defines."""
    loader = SourceFileLoader(_TOOLS_MODULE, str(path))
    module = ModuleType(_TOOLS_MODULE)
    sys.modules[_TOOLS_MODULE] = module  # where annotations are looked up
    try:
        loader.exec_module(module)
    except OSError:
        raise
    except (Exception, SystemExit) as error:
        raise InvalidRequestError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    found: dict[str, Callable[..., Any]] = {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith("_") and value.__module__ == _TOOLS_MODULE
    }
    if not found:
        raise InvalidRequestError(f"{path} defines no public function.")
    return found


def _tool(name: str, function: Callable[..., Any]) -> Tool:
    try:
        schema = TypeAdapter(cast("Any", function)).json_schema()
    except (PydanticUserError, NameError, TypeError, ValueError) as cause:
        path = inspect.getfile(function)
        raise InvalidRequestError(f"The parameters of {name}() in {path} have no JSON schema: {cause}") from cause
    return Tool(name, inspect.getdoc(function) or "", schema)
