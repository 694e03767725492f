"""Values found in the words of a question, so that derived replies read well: "the weather in Paris" has a `Paris`."""

import re

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|「([^」\n]+)」|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_CAPITALISED = re.compile(r"\b[A-Z][\w'-]*(?:[ \t]+[A-Z][\w'-]*)*")
_OBJECT = re.compile(r"\b(?:in|for|at|of|about|to|from|named|called)\s+([^\W\d_][\w-]*)")
# Words of this length, such as "is" and "gas", keep their last letter.
_SHORT = 3
_OPENS_SENTENCE = re.compile(r"(?:^|[.!?:\n])\s*$")
# A property of such a name wants the question itself.
_QUESTION_NAMES = re.compile(
    r"content|description|input|instructions?|message|prompt|q|query|question|request|search|task|text|topic",
    re.IGNORECASE,
)
# Words that may open a sentence without naming anything, and that say nothing in a tool's name.
_COMMON_WORDS = """
    a add all am an and answer any are ask at be by calculate call can could create describe did do does explain
    extract find for from generate get give had has have hello hey hi how i i'm if in into is it its json know let list
    look make me my name need no not now of on or our please return say search should show so tell that the their them
    then there these they this those to today tomorrow tool tools translate use using want was we were what what's when
    where which who why will with would write yes yesterday you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())


class Hints:
    """The numbers and phrases of some texts, each handed out once, in the order they came.

    Args:
        texts: Where to look; the question first.
    """

    def __init__(self, *texts: str) -> None:
        self._question = texts[0] if texts else ""
        self._text = "\n".join(texts)
        self._numbers = [float(found) for found in _NUMBER.findall(self._text)]
        self._phrases = _phrases(self._text)

    def number(self, *, whole: bool) -> float | None:
        """The next number; with `whole`, the next integer."""
        for at, value in enumerate(self._numbers):
            if value.is_integer() or not whole:
                return self._numbers.pop(at)
        return None

    def phrase(self, name: str) -> str:
        """What a string property of this name may say."""
        if _QUESTION_NAMES.fullmatch(name) and self._question:
            return self._question
        return self._phrases.pop(0) if self._phrases else f"sample {' '.join(words(name))}".strip()

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """The first passage that looks like this."""
        found = pattern.search(self._text)
        return found.group() if found else None

    def mentions(self, value: object) -> bool:
        """Whether the texts contain this very word."""
        return re.search(rf"(?<!\w){re.escape(str(value))}(?!\w)", self._text, re.IGNORECASE) is not None


def words(text: str) -> list[str]:
    """The words of a text or of a name in any of the usual styles, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", text)]


def significant(name: str) -> frozenset[str]:
    """The words of a tool's name that say what it is about."""
    return frozenset(map(_stem, words(name))) - _COMMON


def mentioned(text: str) -> frozenset[str]:
    """All words of a text, to be compared with those of a name."""
    return frozenset(map(_stem, words(text)))


def quoted(text: str) -> list[str]:
    """The quoted passages of a text, without the quotes."""
    return [next(filter(None, found.groups())) for found in _QUOTED.finditer(text)]


def _stem(word: str) -> str:
    """The word without a plural's ending."""
    return word.removesuffix("s") if len(word) > _SHORT else word


def _phrases(text: str) -> list[str]:
    """Quoted passages; then names; then names that only open a sentence; then what a preposition points to."""
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
