"""Looks for a secret in an error: in all that a log, a tracer or a debugger would show of it."""

import dataclasses
import traceback
from collections.abc import Iterator, Mapping
from types import GeneratorType
from typing import Any

from pydantic import SecretStr

from stepplan.headers import Headers

OURS = ("stepplan", "langchain_stepplan", "llama_index_stepplan")


def everything_about(error: BaseException) -> str:
    """The text of an error and its causes, with its attributes and the variables of all frames but the tests' own."""
    attributes = {name: value for name, value in vars(error).items() if not name.startswith("__")}
    text = [repr(error), str(error), repr(attributes), repr(error.args)]
    for linked in _chain(error):
        text += traceback.format_exception_only(linked)
        for frame, _ in traceback.walk_tb(linked.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                text += map(_shown, frame.f_locals.values())
    return "\n".join(text)


def variables_with(secret: str, error: BaseException) -> list[str]:
    """The variables of this project's frames that hold the secret, also where their `repr` hides it."""
    return [
        f"{frame.f_code.co_filename}:{frame.f_code.co_name}: {name}"
        for linked in _chain(error)
        for frame, _ in traceback.walk_tb(linked.__traceback__)
        if _is_ours(frame.f_globals.get("__name__", ""))
        for name, value in frame.f_locals.items()
        if _holds(value, secret)
    ]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        linked = waiting.pop()
        if linked is not None and id(linked) not in seen:
            seen.add(id(linked))
            yield linked
            waiting += [linked.__cause__, linked.__context__]


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS and not module.startswith("stepplan.sandbox")


def _holds(value: Any, secret: str) -> bool:
    seen: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, SecretStr | Headers):  # what secrets are kept in
            continue
        seen[id(value)] = value
        if isinstance(value, bytes) and secret.encode() in value:
            return True
        inside = list(_inside(value))
        if secret in (value if isinstance(value, str) else "" if inside else _shown(value)):
            return True
        waiting += inside
    return False


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, GeneratorType) and value.gi_frame is not None:
        yield from value.gi_frame.f_locals.values()
    elif isinstance(value, BaseException):
        yield from (value.args, vars(value))
    elif _is_ours(type(value).__module__):
        if dataclasses.is_dataclass(value):
            yield from (getattr(value, field.name, None) for field in dataclasses.fields(value))
        else:
            yield from getattr(value, "__dict__", {}).values()


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except (AttributeError, RecursionError):  # half made, or too deep
        return ""
