"""How answers are recorded and replayed: what is kept, what tells two requests apart, where a recording is from."""

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import zip_longest
from os.path import commonprefix
from typing import Any, Protocol, cast

import yaml

from tests.live.target import Target

# Everything else is left out: keys, cookies, accounts, traces, hosts.
REQUEST_HEADERS = frozenset({"anthropic-version", "content-type"})
RESPONSE_HEADERS = frozenset({"content-type", "retry-after", "retry-after-ms"})


class Request(Protocol):
    """What is used of vcrpy's request; vcrpy has no types."""

    uri: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The URL's path."""
        ...

    @property
    def body(self) -> bytes | None:
        """The body, if there is one."""
        ...


# ------------------------------------------------------------------------------------------------------- what is kept


def scrub_request(request: Request) -> Request:
    """Method, path, body, and the headers that the protocol asks for. The server's name is not part of it."""
    kept = copy.copy(request)
    kept.uri = request.path
    kept.headers = {name: value for name, value in request.headers.items() if name.lower() in REQUEST_HEADERS}
    return kept


def scrub_response(response: dict[str, Any]) -> dict[str, Any]:
    """Status, body, and the headers that a client acts on."""
    headers = {name: value for name, value in response["headers"].items() if name.lower() in RESPONSE_HEADERS}
    return response | {"headers": headers}


# ----------------------------------------------------------------------------------------- what tells requests apart


def match_body(asked: Request, recorded: Request) -> None:
    """Check that two requests ask the same, whatever the order of keys, the ids of tool calls and the white space.

    White space, because Python 3.13 strips the indentation of docstrings, which the frameworks' own tests send.

    Raises:
        AssertionError: They do not. The message, which vcrpy shows, names the fields that differ.
    """
    if found := list(_differences(_question(asked.body), _question(recorded.body))):
        raise AssertionError("\n".join([*found, "If that is meant, record anew: make record"]))


def _question(body: bytes | str | None) -> Any:
    return numbered(json.loads(body)) if body else None


class _Nothing:
    """What stands where one of two bodies has no such field."""


def _differences(asked: Any, recorded: Any, path: str = "body") -> Iterator[str]:
    """Where two values of JSON differ, and what is there."""
    match asked, recorded:
        case dict(), dict():
            for name in cast("dict[str, Any]", recorded | asked):
                yield from _differences(asked.get(name, _Nothing), recorded.get(name, _Nothing), f"{path}.{name}")
        case list(), list():
            for index, (one, other) in enumerate(zip_longest(asked, recorded, fillvalue=_Nothing)):
                yield from _differences(one, other, f"{path}[{index}]")
        case str(), str():
            asked, recorded = _spaced(asked), _spaced(recorded)
            if asked == recorded:
                return
            # From shortly before the first difference, because prompts are long and differ late.
            start = max(0, len(commonprefix([asked, recorded])) - 20)  # noqa: RUF071 - they are no paths
            yield f"{path}, from character {start}: asked {_shown(asked[start:])}, recorded {_shown(recorded[start:])}"
        case _ if asked != recorded:
            yield f"{path}: asked {_shown(asked)}, recorded {_shown(recorded)}"
        case _:
            pass


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _shown(value: Any) -> str:
    text = "nothing" if value is _Nothing else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:100]}…"


def numbered(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the ids of tool calls, minted anew on every run, replaced by their place of first appearance."""
    numbers: dict[str, str] = {}
    body = copy.deepcopy(body)
    for message in body.get("messages") or ():
        blocks = message.get("content")
        parts = cast("list[dict[str, Any]]", blocks) if isinstance(blocks, list) else []
        for holder in (message, *(message.get("tool_calls") or ()), *parts):
            for name in ("id", "tool_call_id", "tool_use_id"):
                if name in holder:
                    holder[name] = numbers.setdefault(holder[name], f"call {len(numbers) + 1}")
    return body


# ------------------------------------------------------------------------------------------------------ the file format


class _Dumper(yaml.CSafeDumper):
    """Text of several lines is written as such, so that a recorded stream can be read and compared."""


def _represent_str(_: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_str)


def _place(interaction: dict[str, Any]) -> tuple[int, str]:
    """Where an interaction stands: not by time, because requests that are sent at once are answered in any order.

    A conversation stays in order, since it grows.
    """
    question = json.dumps(_question(interaction["request"]["body"]))
    return len(question), question


class Serializer:
    """YAML that says where the recording is from."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def serialize(self, cassette: dict[str, Any]) -> str:
        """The cassette as text; called when one was recorded."""
        recorded_from = {
            "server": self._target.server,
            "version": self._target.version,
            "model": self._target.model,
            "date": datetime.now(UTC).date().isoformat(),
        }
        interactions = sorted(cassette["interactions"], key=_place)
        content = {"recorded_from": recorded_from} | cassette | {"interactions": interactions}
        return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)

    def deserialize(self, text: str) -> dict[str, Any]:
        """The cassette in this text."""
        return load(text)


def load(text: str) -> dict[str, Any]:
    """A cassette's content."""
    content: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return content
