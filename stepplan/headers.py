"""Headers to send: checked here, because a transport would take an illegal one for a failed connection."""

import re
from typing import Any

from stepplan.arguments import fields
from stepplan.errors import InvalidRequestError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token, RFC 9110, 5.6.2."""

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "upgrade"})
"""Set by the transport. With another value, the server would read the request's body wrongly."""


class Headers(dict[str, str]):
    """Header values by name in lower case. Its `repr` shows names only, because values may be secrets."""

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"


def checked(source: str, headers: Any) -> Headers:
    """The headers, with names in lower case and without white space around the values.

    Args:
        source: The argument that they came from.
        headers: Values by name.

    Raises:
        InvalidRequestError: This is not a mapping of strings, a name or a value is illegal in HTTP, or the transport
            has to set the header itself. Neither the message nor this frame shows a value.
    """
    try:
        given = fields(source, headers)
    except InvalidRequestError as error:
        del headers
        raise error.with_traceback(None) from None
    if not given:
        return Headers()
    if fault := next(filter(None, (_fault(source, name, value) for name, value in given.items())), None):
        del headers, given
        raise InvalidRequestError(fault)
    return Headers({name.lower(): value.strip() for name, value in given.items()})


def _fault(source: str, name: str, value: Any) -> str | None:
    if not _NAME.fullmatch(name):
        # What follows the legal part may be a value that was meant for the other side of the colon.
        legal = _NAME.match(name)
        after = f"after {legal.group()!r}" if legal else "from its beginning"
        return f"A name in {source} is illegal {after}: names consist of ASCII letters, digits, - and _."
    if name.lower() in _FRAMING:
        return f"The header {name.lower()!r} is set by the transport: leave it out of {source}."
    if not isinstance(value, str):
        return f"{source}[{name!r}] must be a string, not of type {type(value).__name__}."
    if not (value.strip().isascii() and value.strip().isprintable()):
        return f"The header {name.lower()!r} is not printable ASCII text ({source})."
    return None
