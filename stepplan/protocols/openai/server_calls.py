"""The calls of tools that the server ran, in Chat Completions.

StepFun's guide "Web search" shows them among `tool_calls`, with a type of their own and with `results`: whole in the
first chunk of a stream, or in the message of a whole answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from stepplan.events import ServerToolCalled
from stepplan.jsontext import read_value
from stepplan.messages import ServerToolCall
from stepplan.protocols._decoding import text, unique_id

_FUNCTION_TYPES = ("function", "", None)


def ran_on_server(call: Mapping[str, Any]) -> bool:
    """Whether an entry of `tool_calls` was run by the server, so that the caller must not run it."""
    return call.get("type") not in _FUNCTION_TYPES


class ServerCalls:
    """Reads the calls of one answer. A call whose results arrive later, or never, is one call all the same."""

    def __init__(self, indexes: Iterator[int]) -> None:
        """`indexes` numbers the message's blocks."""
        self._indexes = indexes
        self._ids: set[str] = set()
        self._waiting: dict[Any, dict[str, Any]] = {}
        self._read: set[Any] = set()

    def feed(self, piece: Mapping[str, Any]) -> list[ServerToolCalled]:
        """The events in one entry of `tool_calls`."""
        key = piece.get("id") or piece.get("index")
        if key is not None and key in self._read:
            return []  # repeated
        function: dict[str, Any] = {**self._waiting.pop(key, {}).get("function", {}), **(piece.get("function") or {})}
        call: dict[str, Any] = {**piece, "function": function}
        if "results" not in function:
            self._waiting[key] = call
            return []
        self._read.add(key)
        return [self._called(call)]

    def flush(self) -> list[ServerToolCalled]:
        """The calls whose results did not arrive."""
        waiting, self._waiting = self._waiting, {}
        return [self._called(call) for call in waiting.values()]

    def _called(self, call: Mapping[str, Any]) -> ServerToolCalled:
        function: Mapping[str, Any] = call["function"]
        self._ids.add(id := unique_id(call.get("id"), self._ids))
        arguments = text(function.get("arguments") or "{}")
        return ServerToolCalled(
            next(self._indexes), ServerToolCall(id, text(call["type"]), arguments, _results(function.get("results")))
        )


def _results(results: Any) -> tuple[Mapping[str, Any], ...]:
    """The results as objects; some servers send them as JSON text."""
    if isinstance(results, str):
        try:
            results = read_value(results)
        except ValueError:
            results = [results]
    items = results if _is_list(results) else [results]
    return tuple(item if _is_object(item) else {"summary": str(item)} for item in items if item)


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
