"""Finds values in a question, so that derived answers read well: "the weather in Paris" yields `Paris`."""

import re
from collections.abc import Callable

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|「([^」\n]+)」|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_CAPITALISED = re.compile(r"\b[A-Z][\w'-]*(?:[ \t]+[A-Z][\w'-]*)*")
_OBJECT = re.compile(r"\b(?:in|for|at|of|about|to|from|named|called)\s+([^\W\d_][\w-]*)")
# Words up to this length, such as "is" and "gas", keep their last letter.
_SHORT = 3
_OPENS_SENTENCE = re.compile(r"(?:^|[.!?:\n])\s*$")
# A property with such a name gets the question itself.
_QUESTION_NAMES = re.compile(
    r"content|description|input|instructions?|message|prompt|q|query|question|request|search|task|text|topic",
    re.IGNORECASE,
)
# Words that name nothing: at the start of a sentence, or in a tool's name.
_COMMON_WORDS = """
    a add all am an and answer any are ask at be by calculate call can could create describe did do does explain
    extract find for from generate get give had has have hello hey hi how i i'm if in into is it its json know let list
    look make me my name need no not now of on or our please return say search should show so tell that the their them
    then there these they this those to today tomorrow tool tools translate use using want was we were what what's when
    where which who why will with would write yes yesterday you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())


class Hints:
    """The numbers and phrases of some texts, each returned once, in their order.

    Args:
        texts: The texts; the question first.
    """

    def __init__(self, *texts: str) -> None:
        self._question = texts[0] if texts else ""
        self._text = "\n".join(texts)
        self._numbers = [float(found) for found in _NUMBER.findall(self._text)]
        self._phrases = _phrases(self._text)

    def number(self, *, whole: bool) -> float | None:
        """The next number, or the next integer if `whole`; `None` if there is none left."""
        for at, value in enumerate(self._numbers):
            if value.is_integer() or not whole:
                return self._numbers.pop(at)
        return None

    def phrase(self, name: str) -> str:
        """A value for a string property of this name."""
        if _QUESTION_NAMES.fullmatch(name) and self._question:
            return self._question
        return self._phrases.pop(0) if self._phrases else f"sample {' '.join(words(name))}".strip()

    def match(self, pattern: re.Pattern[str], accepts: Callable[[str], bool] = bool) -> str | None:
        """The first match of the pattern that is accepted."""
        matches = (found.group() for found in pattern.finditer(self._text))
        return next(filter(accepts, matches), None)

    def mentions(self, value: object) -> bool:
        """Whether the texts contain this word."""
        return re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", self._text, re.IGNORECASE) is not None


def words(text: str) -> list[str]:
    """The words of a text, or of a name in camel, snake or kebab case; in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", text)]


def significant(name: str) -> frozenset[str]:
    """The words of a tool's name that describe it."""
    return frozenset(map(_stem, words(name))) - _COMMON


def mentioned(text: str) -> frozenset[str]:
    """The words of a text, for comparison with `significant()`."""
    return frozenset(map(_stem, words(text)))


def quoted(text: str) -> list[str]:
    """The quoted passages of a text, without their quotes."""
    return [next(filter(None, found.groups())) for found in _QUOTED.finditer(text)]


def _stem(word: str) -> str:
    """The word without a plural ending."""
    return word.removesuffix("s") if len(word) > _SHORT else word


def _phrases(text: str) -> list[str]:
    """Quoted passages, then names, then capitalized words at the start of a sentence, then objects of prepositions."""
    names: list[str] = []
    openers: list[str] = []
    for found in _CAPITALISED.finditer(text):
        rest = found.group().split()
        while rest and rest[0].lower() in _COMMON:
            rest.pop(0)
        if rest:
            opens = len(rest) == len(found.group().split()) and _OPENS_SENTENCE.search(text[: found.start()])
            (openers if opens else names).append(" ".join(rest))
    objects = [found for found in _OBJECT.findall(text) if found not in _COMMON and not found[0].isupper()]
    return list(dict.fromkeys([*quoted(text), *names, *openers, *objects]))
