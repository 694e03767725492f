"""Both models, asked the same question with the same arguments."""

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage

from langchain_stepplan import ChatStepPlan
from llama_index_stepplan import StepPlan
from stepplan import ProtocolName
from stepplan.sandbox import Sandbox

HI: dict[str, Any] = {"model": "step-3.7-flash", "messages": [{"role": "user", "content": "Hi"}]}


# As users' programs are seldom checked for types.
LANGCHAIN: Any = ChatStepPlan
LLAMA_INDEX: Any = StepPlan


def settings_of(plan: Sandbox) -> dict[str, Any]:
    return {"base_url": plan.base_url, "api_key": plan.api_key, "max_retries": 0}


def langchain(plan: Sandbox, protocol: ProtocolName, of_model: dict[str, Any], of_call: dict[str, Any]) -> None:
    LANGCHAIN(protocol=protocol, **{**settings_of(plan), **of_model}).invoke([("user", "Hi")], **of_call)


def llama_index(plan: Sandbox, protocol: ProtocolName, of_model: dict[str, Any], of_call: dict[str, Any]) -> None:
    LLAMA_INDEX(protocol=protocol, **{**settings_of(plan), **of_model}).chat([ChatMessage("Hi")], **of_call)


def llama_index_standing(
    plan: Sandbox, protocol: ProtocolName, of_model: dict[str, Any], of_call: dict[str, Any]
) -> None:
    """Options of a call may stand in `additional_kwargs`, too."""
    standing = {"additional_kwargs": of_call} if of_call else {}
    llama_index(plan, protocol, {**of_model, **standing}, {})


ADAPTERS = pytest.mark.parametrize("adapter", [langchain, llama_index, llama_index_standing])
