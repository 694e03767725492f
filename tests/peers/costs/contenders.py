"""Whose cost is measured: every candidate that is installed, ours without aiohttp, and the floors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from tests.peers.candidates import OURS, installed
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
        framework: The framework it belongs to; None for a client of HTTP alone.
        new: Makes one, from the server's root.
        tasks: The tasks whose cost is measured.
        hidden: A module that is as if it were not installed.
    """

    name: str
    module: str
    framework: Framework | None
    new: Callable[[str], Any]
    tasks: Literal["all", "text", "async"] = "all"
    hidden: str = ""


def _client(name: str, module: str, path: str, tasks: Literal["all", "async"]) -> Contender:
    return Contender(name, module, None, lambda root: Plain(module, root + path), tasks)


def _model(candidate: Candidate) -> Contender:
    make = partial(candidate.make, key="k", **candidate.usual)
    return Contender(candidate.name, candidate.module, candidate.framework, make)


def _without_aiohttp(contender: Contender) -> Contender:
    return replace(contender, name=f"{contender.name}, httpx only", tasks="async", hidden="httpx_aiohttp")


def _bare(name: str, framework: Framework, module: str, make: str) -> Contender:
    def new(root: str) -> Any:
        return import_module(make).new(f"{root}/v1/chat/completions")

    return Contender(name, module, framework, new, "text")


_MODELS = [_model(candidate) for candidate in (*installed("langchain"), *installed("llama-index"))]

CONTENDERS = (
    _client("httpx alone", "httpx", "/v1/chat/completions", "all"),
    _client("httpx alone, Messages", "httpx", "/v1/messages", "all"),
    _client("aiohttp alone", "aiohttp", "/v1/chat/completions", "async"),
    _bare("httpx under LangChain", "langchain", "langchain_core", "tests.peers.costs.bare_langchain"),
    _bare("httpx under LlamaIndex", "llama-index", "llama_index.core", "tests.peers.costs.bare_llama_index"),
    *_MODELS,
    *(_without_aiohttp(_model(candidate)) for candidate in OURS),
)
