"""A string for a regular expression, as far as common patterns go."""

import re

_CLASS_SAMPLES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "b": "", "B": "", "n": "\n", "t": "\t"}
_CLASS = re.compile(r"\^?\]?(?:\\.|[^\]\\])*\]")
_GROUP_PREFIX = re.compile(r"\?(?:P<\w+>|[:=])")
# Small letters come first: they read best.
_PRINTABLE = (*range(ord("a"), 127), *range(32, ord("a")))
_QUANTIFIER = re.compile(r"(?:\{(\d+)(?:,\d*)?\}|([*+?]))\??")


def example(pattern: str) -> str:
    """A string that matches the pattern, or the best that could be found."""
    return _Reader(pattern).alternatives()


class _Reader:
    """Walks a pattern once, taking the first alternative and the fewest repetitions."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> str:
        """A group's content, up to its closing parenthesis."""
        options = [""]
        while self._at < len(self._pattern) and self._pattern[self._at] != ")":
            if self._pattern[self._at] == "|":
                self._at += 1
                options.append("")
            else:
                piece = self._piece()
                options[-1] += piece * self._repetitions()
        self._at += 1
        return options[0]

    def _piece(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        if character == "(":
            prefix = _GROUP_PREFIX.match(self._pattern, self._at)
            self._at = prefix.end() if prefix else self._at
            return self.alternatives()
        if character == "[":
            return self._character_class()
        if character == "\\":
            return self._escape()
        return {"^": "", "$": "", ".": "a"}.get(character, character)

    def _escape(self) -> str:
        character = self._pattern[self._at : self._at + 1]
        self._at += 1
        return _CLASS_SAMPLES.get(character, character)

    def _character_class(self) -> str:
        found = _CLASS.match(self._pattern, self._at)
        body = found.group() if found else "]"
        self._at += len(body)
        members = re.compile(f"[{body}")
        return next((chr(code) for code in _PRINTABLE if members.match(chr(code))), "")

    def _repetitions(self) -> int:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if not found:
            return 1
        self._at = found.end()
        return int(found[1]) if found[1] else (1 if found[2] == "+" else 0)
