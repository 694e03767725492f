"""The models that are compared: ours, and whichever others of the two frameworks are installed.

The others are pointed at the same server as ours, in the way that their users would. Nothing of ours or theirs is
imported here, because the cost of the import is one of those that are measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stepplan import ProtocolName

Framework = Literal["langchain", "llama-index"]

STEP = "step-3.7-flash"
GPT = "gpt-4o"
O3 = "o3-mini"
CLAUDE = "claude-sonnet-4-20250514"
"""The class knows it, and does not ask for its objects in a beta of Anthropic's that the plan does not offer."""


@dataclass(frozen=True)
class Candidate:
    """A class of models.

    Attributes:
        name: The column's title.
        framework: The framework it belongs to.
        package: The distribution that is installed.
        module: The module that users import.
        cls: The class.
        protocol: What it speaks.
        model: A model's name that it accepts.
        address_argument: The argument that takes the server's address.
        path: What follows the server's root in that address.
        fields: Arguments that make it this candidate.
        usual: Arguments that a user has to set for agents and token counts to work at all.
        fresh: Arguments that make it open a client per call.
        reasoner: A model's name for which it sends a reasoning effort, if that is another.
        caching: Arguments that make it mark the last message for the server's cache.
        key_variable: The environment variable with the key.
    """

    name: str
    framework: Framework
    package: str
    module: str
    cls: str
    protocol: ProtocolName
    model: str = STEP
    address_argument: str = "base_url"
    path: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    usual: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fresh: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reasoner: str | None = None
    caching: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key_variable: str = "STEP_API_KEY"

    @property
    def is_ours(self) -> bool:
        """True for the models of this project."""
        return self.package == "stepplan"

    def address(self, root: str) -> dict[str, Any]:
        """The argument that points it at a server."""
        return {self.address_argument: root + self.path}

    def make(self, root: str, key: str, **options: Any) -> Any:
        """A model that uses the server at this root."""
        cls = getattr(import_module(self.module), self.cls)
        return cls(**{"model": self.model, "api_key": key, **self.address(root), **self.fields, **options})


_MESSAGES: Mapping[str, Any] = {"protocol": "anthropic"}
_COUNTS: Mapping[str, Any] = {"stream_usage": True}
_TOOLS: Mapping[str, Any] = {"is_function_calling_model": True}
_FRESH: Mapping[str, Any] = {"reuse_client": False}

CANDIDATES = (
    Candidate("ChatStepPlan", "langchain", "stepplan", "langchain_stepplan", "ChatStepPlan", "openai"),
    Candidate(
        *("ChatStepPlan, Messages", "langchain", "stepplan", "langchain_stepplan", "ChatStepPlan", "anthropic"),
        fields=_MESSAGES,
    ),
    Candidate(
        *("ChatOpenAI", "langchain", "langchain-openai", "langchain_openai", "ChatOpenAI", "openai"),
        path="/v1",
        usual=_COUNTS,
    ),
    Candidate(
        *("ChatDeepSeek", "langchain", "langchain-deepseek", "langchain_deepseek", "ChatDeepSeek", "openai"),
        address_argument="api_base",
        path="/v1",
        usual=_COUNTS,
    ),
    Candidate(
        *("ChatAnthropic", "langchain", "langchain-anthropic", "langchain_anthropic", "ChatAnthropic", "anthropic"),
    ),
    Candidate("StepPlan", "llama-index", "stepplan", "llama_index_stepplan", "StepPlan", "openai"),
    Candidate(
        *("StepPlan, Messages", "llama-index", "stepplan", "llama_index_stepplan", "StepPlan", "anthropic"),
        fields=_MESSAGES,
    ),
    Candidate(
        "OpenAILike",
        "llama-index",
        "llama-index-llms-openai-like",
        "llama_index.llms.openai_like",
        "OpenAILike",
        "openai",
        address_argument="api_base",
        path="/v1",
        fields={"is_chat_model": True},
        usual=_TOOLS,
        fresh=_FRESH,
        key_variable="OPENAI_API_KEY",
    ),
    Candidate(
        *("StepFun", "llama-index", "llama-index-llms-stepfun", "llama_index.llms.stepfun", "StepFun", "openai"),
        address_argument="api_base",
        path="/v1",
        usual=_TOOLS,
        fresh=_FRESH,
        key_variable="STEPFUN_API_KEY",
    ),
    Candidate(
        *("OpenAI", "llama-index", "llama-index-llms-openai", "llama_index.llms.openai", "OpenAI", "openai"),
        model=GPT,
        address_argument="api_base",
        path="/v1",
        fresh=_FRESH,
        reasoner=O3,
        key_variable="OPENAI_API_KEY",
    ),
    Candidate(
        "Anthropic",
        "llama-index",
        "llama-index-llms-anthropic",
        "llama_index.llms.anthropic",
        "Anthropic",
        "anthropic",
        model=CLAUDE,
        caching={"cache_idx": -1},
        key_variable="ANTHROPIC_API_KEY",
    ),
)
OURS = tuple(candidate for candidate in CANDIDATES if candidate.is_ours)


def installed(framework: Framework) -> list[Candidate]:
    """The candidates of a framework that can be imported here."""
    return [candidate for candidate in CANDIDATES if candidate.framework == framework and _is_there(candidate.module)]


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the namespace above it
        return False
