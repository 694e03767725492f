"""How an answer looks in a terminal: thinking dimmed, text as it comes, tool calls as they are written."""

import os
import sys
import time
from typing import TextIO

_STYLES = {"plain": "", "dim": "\033[2m", "bold": "\033[1m", "call": "\033[36m", "result": "\033[32m"}
_RESET = "\033[0m"


class Screen:
    """Writes the parts of an answer, each kind in its own style and on its own line."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        """Styles are left out where `out` is no terminal, or where `NO_COLOR` is set."""
        self._out = out
        self._styled = out.isatty() and "NO_COLOR" not in os.environ
        self._kind = ""
        self._started = time.monotonic()

    def title(self, text: str) -> None:
        """A heading; the clock starts again."""
        self._break()
        self._write(f"\n{text}\n", "bold")
        self._started = time.monotonic()

    def user(self, text: str) -> None:
        """What was asked."""
        self._part("user", "> ", text, "bold")

    def reasoning(self, text: str) -> None:
        """A piece of the model's thinking."""
        if text:
            self._part("reasoning", "", text, "dim")

    def text(self, text: str) -> None:
        """A piece of the answer."""
        if text:
            self._part("text", "", text, "plain")

    def tool_call(self, key: object, name: str | None, arguments: str) -> None:
        """A piece of a tool call; `key` tells calls apart."""
        self._part(f"call {key}", f"→ {name or ''} ", arguments, "call")

    def tool_result(self, name: str, text: str) -> None:
        """What a tool gave back."""
        self._part(f"result {name} {text}", f"← {name} ", text, "result")

    def end(self, input_tokens: int, output_tokens: int, effort: str) -> None:
        """The closing line of an answer, or of a whole job."""
        self._break()
        seconds = time.monotonic() - self._started
        self._write(f"{input_tokens} tokens in, {output_tokens} out, effort {effort}, {seconds:.1f} s\n", "dim")

    def _part(self, kind: str, label: str, text: str, style: str) -> None:
        if kind != self._kind:
            self._break()
            self._kind = kind
            text = label + text
        self._write(text, style)

    def _break(self) -> None:
        if self._kind:
            self._write("\n", "plain")
        self._kind = ""

    def _write(self, text: str, style: str) -> None:
        self._out.write(f"{_STYLES[style]}{text}{_RESET}" if self._styled and _STYLES[style] else text)
        self._out.flush()
