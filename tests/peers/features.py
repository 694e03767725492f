"""What users of each framework count on: one feature a function, run the same on our models and on others."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from stepplan import ProtocolName
from stepplan.sandbox import Sandbox
from stepplan.sandbox.models import MODELS
from tests.peers.candidates import CLAUDE, GPT, O3, Candidate, Framework

ACCEPTED = (*MODELS, "step-99-new", GPT, O3, CLAUDE)
"""Names that the server accepts, so that no candidate fails for want of its favorite."""


@dataclass(frozen=True)
class Bench:
    """One candidate, and a sandbox for it."""

    candidate: Candidate
    plan: Sandbox

    @property
    def protocol(self) -> ProtocolName:
        """The candidate's protocol."""
        return self.candidate.protocol

    def llm(self, *, url: str | None = None, **options: Any) -> Any:
        """The candidate, set up as a user would for tools and agents, and not to retry."""
        return self.bare(url=url, **{"max_retries": 0, **self.candidate.usual, **options})

    def bare(self, *, url: str | None = None, **options: Any) -> Any:
        """The candidate with its defaults: only the address, the key and the model are set."""
        return self.candidate.make(url or self.plan.base_url, self.plan.api_key, **options)

    def body(self, index: int = -1) -> dict[str, Any]:
        """The body of a request, by default of the last."""
        return dict(self.plan.requests[index].body)

    def text(self) -> str:
        """The last request's body as text."""
        return json.dumps(self.body(), ensure_ascii=False)


Check = Callable[[Bench], None]
C = TypeVar("C", bound=Check)


@dataclass(frozen=True)
class Feature:
    """A row of a table: it works if `check` raises nothing.

    Attributes:
        framework: The framework whose users count on it.
        group: The table that the row is in.
        name: The row's title.
        check: Tries it on one candidate.
        absent: The protocols that have nothing of the kind, each with the reason.
    """

    framework: Framework
    group: str
    name: str
    check: Check
    absent: Mapping[ProtocolName, str] = field(default_factory=dict[ProtocolName, str])


FEATURES: list[Feature] = []


def feature(
    framework: Framework, group: str, name: str, *, absent: Mapping[ProtocolName, str] | None = None
) -> Callable[[C], C]:
    """Make a function a row."""

    def add(check: C) -> C:
        FEATURES.append(Feature(framework, group, name, check, absent or {}))
        return check

    return add


for_langchain = partial(feature, "langchain")
for_llama_index = partial(feature, "llama-index")
