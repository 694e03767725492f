"""Whose cost is measured: every candidate that is installed, and a floor for each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.peers.candidates import installed
from tests.peers.costs.drivers import Plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.candidates import Candidate, Framework


@dataclass(frozen=True)
class Contender:
    """Something that can ask a server.

    Attributes:
        name: The column's title.
        module: The module that users import.
        framework: The framework it belongs to; None for a floor.
        new: Makes one, from the server's root.
    """

    name: str
    module: str
    framework: Framework | None
    new: Callable[[str], Any]


def _floor(name: str, path: str) -> Contender:
    return Contender(name, "httpx", None, lambda root: Plain(import_module("httpx").Client(), root + path))


def _model(candidate: Candidate) -> Contender:
    make = partial(candidate.make, key="k", **candidate.usual)
    return Contender(candidate.name, candidate.module, candidate.framework, make)


CONTENDERS = (
    _floor("httpx and json", "/v1/chat/completions"),
    _floor("httpx and json, Messages", "/v1/messages"),
    *(_model(candidate) for candidate in (*installed("langchain"), *installed("llama-index"))),
)
