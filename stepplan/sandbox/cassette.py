"""Recorded requests and answers, in the file format of vcrpy."""

import importlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stepplan.sandbox.jsontools import JSON, as_object

# vcrpy has no types.
_Request: Any = importlib.import_module("vcr.request").Request
_persister: Any = importlib.import_module("vcr.persisters.filesystem").FilesystemPersister
_yaml: Any = importlib.import_module("vcr.serializers.yamlserializer")

# All other headers are left out: keys, cookies, accounts, traces.
_REQUEST_HEADERS = ("content-type", "anthropic-version")
_RESPONSE_HEADERS = ("content-type", "retry-after")
# Replaced by a shorter "key", text would be lost.
_SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        method: The HTTP method.
        path: The path, from `/v1` on.
        request_headers: The request's headers, with names in lower case.
        request_body: The request's body.
        status: The answer's status.
        headers: The answer's headers, with names in lower case.
        body: The answer's body, of a stream all events.
    """

    method: str
    path: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int
    headers: dict[str, str]
    body: bytes


class Cassette:
    """A file of exchanges.

    Args:
        path: The file, which vcrpy can read too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._requests: list[Any] = []
        self._responses: list[JSON] = []
        self._played: Counter[int] = Counter()

    @classmethod
    def load(cls, path: Path) -> "Cassette":
        """Read a file.

        Raises:
            OSError: The file cannot be read.
            ValueError: The file is not a cassette.
        """
        cassette = cls(path)
        if not path.is_file():
            raise FileNotFoundError(f"There is no recording at {path}")
        try:
            cassette._requests, cassette._responses = _persister.load_cassette(path, _yaml)
        except KeyError as error:
            raise ValueError(f"{path} is not a recording: it has no {error}") from error
        except (TypeError, ValueError, yaml.YAMLError) as error:
            raise ValueError(f"{path} is not a recording: {error}") from error
        return cassette

    def record(self, exchange: Exchange, origin: str) -> None:
        """Append an exchange with the server at this address, without keys, and write the file."""
        keys = _keys(exchange.request_headers)
        uri = f"{origin}{exchange.path}"
        headers = _only(exchange.request_headers, _REQUEST_HEADERS)
        self._requests.append(_Request(exchange.method, uri, _without(exchange.request_body, keys), headers))
        self._responses.append(
            {
                "status": {"code": exchange.status, "message": ""},
                "headers": {name: [value] for name, value in _only(exchange.headers, _RESPONSE_HEADERS).items()},
                "body": {"string": _without(exchange.body, keys)},
            }
        )
        _persister.save_cassette(self.path, {"requests": self._requests, "responses": self._responses}, _yaml)

    def play(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        """The status, headers and body that were recorded for this request; `None` if there are none.

        A request that was recorded several times gets its answers in that order, then the last one again.
        """
        asked = _json(body)
        matching = [at for at in self._positions(method, path) if _json(self._requests[at].body) == asked]
        if not matching:
            return None
        times = self._played[matching[0]]
        self._played[matching[0]] += 1
        response = self._responses[matching[min(times, len(matching) - 1)]]
        headers = {name.lower(): values[0] for name, values in response["headers"].items()}
        return response["status"]["code"], headers, response["body"]["string"]

    def difference(self, method: str, path: str, body: bytes) -> str:
        """How a request differs from the most similar recorded one."""
        recorded = [as_object(_json(self._requests[at].body)) for at in self._positions(method, path)]
        if not recorded:
            return "nothing is recorded for this path"
        asked = as_object(_json(body))
        differing = [[name for name in asked | other if asked.get(name) != other.get(name)] for other in recorded]
        fewest: list[str] = min(differing, key=len)
        return f"the most similar recorded request has other values of {', '.join(fewest)}"

    def _positions(self, method: str, path: str) -> list[int]:
        """Where the requests to this path are."""
        requests = enumerate(self._requests)
        return [at for at, request in requests if request.method == method and str(request.path).endswith(path)]


def _json(body: bytes | None) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body


def _only(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


def _keys(headers: Mapping[str, str]) -> list[bytes]:
    """The keys that the request was sent with."""
    sent = [headers.get("authorization", "").removeprefix("Bearer "), headers.get("x-api-key", "")]
    return [key.encode() for key in sent if len(key) >= _SHORTEST_KEY]


def _without(body: bytes, keys: list[bytes]) -> bytes:
    for key in keys:
        body = body.replace(key, b"[key]")
    return body
