"""Objects in answers: where an answer holds one, and why it holds none."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from stepplan import think
from stepplan.errors import ContentBlockedError, ResponseDecodeError
from stepplan.jsontext import argument_text, check_depth, utf8
from stepplan.responses import parse_partial_arguments

M = TypeVar("M", bound=BaseModel)


def _finite(number: str) -> float:
    if math.isfinite(value := float(number)):
        return value
    raise ValueError(f"{number} is not a JSON number")


# Models write line breaks and tabs into strings, which strict JSON forbids.
_DECODER = json.JSONDecoder(strict=False, parse_float=_finite, parse_constant=_finite)
_START = re.compile(r'\{(?=\s*["}])')
_FENCE = re.compile(r"^[ \t]*```.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer holds that an object can be read from.

    Attributes:
        text: Its text.
        calls: The name and the arguments of each tool call that can be run.
        invalid: Why the first tool call that cannot be run cannot; `None` if there is none.
        finish_reason: Why it ended; `None` if it has not ended.
    """

    text: str
    calls: Sequence[tuple[str, dict[str, Any]]] = ()
    invalid: str | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Reads the object that was asked for. The same rules hold for both protocols and both frameworks.

    Attributes:
        name: The object's name in errors.
        tool: The tool whose arguments are the object; `None` if the answer's text is.
        others: Whether other tools were offered, which the model may call instead.
    """

    name: str
    tool: str | None = None
    others: bool = False

    def read(self, answer: Answer) -> dict[str, Any] | None:
        """The object; `None` if the model called another tool instead.

        A model that was to call the tool but wrote the object as text has answered, too. Text may surround the object.

        Raises:
            ContentBlockedError: The model refused to answer. What it wrote before is not believed.
            ResponseDecodeError: There is no object; the message says why.
        """
        if answer.finish_reason == "content_filter":
            raise ContentBlockedError(f"The model refused to answer: {answer.text[:500]!r}.", body=answer.text)
        if (arguments := self._arguments(answer)) is not None:
            return arguments
        if self.others and answer.calls:
            return None
        if (found := find_object(answer.text)) is not None:
            return found
        raise self.failure(answer, f"The answer holds no {self.name}: {answer.text[:500]!r}.")

    def read_part(self, answer: Answer) -> dict[str, Any]:
        """As much of the object as has arrived; empty until there is something."""
        arguments = self._arguments(answer)
        return find_object(answer.text, partial=True) or {} if arguments is None else arguments

    def failure(self, answer: Answer, otherwise: str, found: dict[str, Any] | None = None) -> ResponseDecodeError:
        """The error for an answer without the object, or with one that does not fit.

        Args:
            answer: The answer.
            otherwise: What the error says where nothing about the answer explains it.
            found: The object that does not fit.
        """
        if answer.finish_reason == "length":
            cut_off = f"The answer was cut off before the {self.name} was complete"
            reason = f"{cut_off}: raise max_tokens, or lower reasoning_effort."
        elif answer.invalid is not None:
            reason = f"The answer holds no {self.name}. {answer.invalid}"
        else:
            reason = otherwise
        return ResponseDecodeError(reason, body=answer.text if found is None else argument_text(found))

    def _arguments(self, answer: Answer) -> dict[str, Any] | None:
        if self.tool is None:
            return None
        named = [arguments for name, arguments in answer.calls if name == self.tool]
        # Where it was the only tool, the model meant it, whatever it called it.
        meant = named if self.others else named or [arguments for _, arguments in answer.calls]
        return meant[0] if meant else None


def find_object(text: str, *, partial: bool = False) -> dict[str, Any] | None:
    """The JSON object in a text, which may be in a Markdown fence and have other text around it.

    An object in a fence wins over one outside, and an earlier one over a later one. Nothing is taken from within text
    that began as an object, or as reasoning, and broke off. What stands behind the reasoning that a server left in the
    text wins over it.

    Args:
        text: The text.
        partial: Take what there is of an object that the end of the text cut off.
    """
    behind = text.rpartition(think.CLOSING)[2]
    if text.lstrip().startswith(think.OPENING) and (partial or behind == text):
        return _first_object(behind, partial=True) if behind != text else None
    if behind != text and not text.lstrip().startswith("{") and (found := _first_object(behind, partial=partial)):
        return found
    return _first_object(text, partial=partial)


def _first_object(text: str, *, partial: bool) -> dict[str, Any] | None:
    everything = (0, len(text))
    spans = [everything] if text.lstrip().startswith("{") else [*_fenced(text), everything]
    found = (found for start, stop in spans for found in _objects(text, start, stop, partial=partial))
    return next(found, None)


def _fenced(text: str) -> Iterator[tuple[int, int]]:
    fences = list(_FENCE.finditer(text))
    stops = [*(fence.start() for fence in fences[1:]), len(text)]
    return zip((fence.end() for fence in fences), stops, strict=False)


def _objects(text: str, start: int, stop: int, *, partial: bool) -> Iterator[dict[str, Any]]:
    while begin := _START.search(text, start, stop):
        try:
            found, start = _DECODER.raw_decode(text, begin.start())
            check_depth(found)
            yield found
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated string") or not text[error.pos :].strip():
                if partial:
                    yield parse_partial_arguments(text[begin.start() :])
                return
            start = max(error.pos, begin.end())
        except (ValueError, RecursionError):  # a number that JSON cannot write back, or an object too deep to read
            return


def to_instance(cls: type[M], found: dict[str, Any]) -> M:
    """An instance of the class. The object is validated as JSON, in which strict classes take dates, for example.

    Raises:
        pydantic.ValidationError: The object does not fit.
    """
    return cls.model_validate_json(utf8(argument_text(found)))
