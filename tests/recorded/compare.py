"""What a new recording changed, apart from what changes on every run: ids and times."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.recorded.cassettes import load, numbered

_MINTED = frozenset({"id", "created", "timings"})


def changed(folder: Path) -> Iterator[str]:
    """The names of the cassettes that are not what the last commit has, however ids and times differ."""
    for path in sorted(folder.rglob("*.yaml")):
        before = subprocess.run(
            ["git", "cat-file", "blob", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True, check=False
        )
        if before.returncode or lasting(before.stdout.decode()) != lasting(path.read_text()):
            yield str(path.relative_to(folder))


def lasting(text: str) -> Any:
    """A cassette's content without what is minted anew on every run."""
    content = load(text)
    del content["recorded_from"]["date"]
    for interaction in content["interactions"]:
        request, body = interaction["request"], interaction["response"]["body"]
        if request["body"]:
            request["body"] = numbered(json.loads(request["body"]))
        body["string"] = [_without_minted(line) for line in body["string"].splitlines()]
    return content


def _without_minted(line: str) -> Any:
    """One line of a body, which is JSON, or of a stream, which may be `data: ` and JSON."""
    try:
        return _stripped(json.loads(re.sub(r"^data: ?", "", line)))
    except ValueError:
        return line


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(item) for name, item in value.items() if name not in _MINTED}
    if isinstance(value, list):
        return [_stripped(item) for item in value]
    return value
