"""What users of a LangChain chat model count on, one feature a function, run the same on this and on other models."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel

from stepplan import ProtocolName
from stepplan.sandbox import Sandbox


class NotThereError(Exception):
    """The protocol itself has not got it, so that no model can."""


@dataclass(frozen=True)
class Contender:
    """A chat model that is pointed at the sandbox.

    Attributes:
        name: What the table calls it.
        module: Where its class is.
        cls: The class's name.
        protocol: What it speaks.
        fields: What its constructor takes besides what all take.
    """

    name: str
    module: str
    cls: str
    protocol: ProtocolName
    fields: Callable[[Sandbox], dict[str, Any]]

    def make(self, plan: Sandbox, **fields: Any) -> BaseChatModel:
        """A model of it; by default it asks once."""
        cls: Any = getattr(import_module(self.module), self.cls)
        known = {"model": "step-3.7-flash", "api_key": plan.api_key, "max_retries": 0, **self.fields(plan)}
        model: BaseChatModel = cls(**{**known, **fields})
        return model


CONTENDERS = (
    Contender(
        "ChatStepPlan",
        "langchain_stepplan",
        "ChatStepPlan",
        "openai",
        lambda plan: {"base_url": plan.base_url},
    ),
    Contender(
        "ChatStepPlan, Messages",
        "langchain_stepplan",
        "ChatStepPlan",
        "anthropic",
        lambda plan: {"base_url": plan.base_url, "protocol": "anthropic"},
    ),
    Contender(
        "ChatOpenAI", "langchain_openai", "ChatOpenAI", "openai", lambda plan: {"base_url": f"{plan.base_url}/v1"}
    ),
    Contender(
        "ChatDeepSeek", "langchain_deepseek", "ChatDeepSeek", "openai", lambda plan: {"api_base": f"{plan.base_url}/v1"}
    ),
    Contender(
        "ChatAnthropic", "langchain_anthropic", "ChatAnthropic", "anthropic", lambda plan: {"base_url": plan.base_url}
    ),
)
OURS = tuple(contender for contender in CONTENDERS if contender.cls == "ChatStepPlan")

Check = Callable[[Contender, Sandbox], None]
C = TypeVar("C", bound=Check)


@dataclass(frozen=True)
class Feature:
    """A row of the table: it works if `check` raises nothing."""

    group: str
    name: str
    check: Check


FEATURES: list[Feature] = []


def feature(group: str, name: str) -> Callable[[C], C]:
    """Make a function a row."""

    def note(check: C) -> C:
        FEATURES.append(Feature(group, name, check))
        return check

    return note
