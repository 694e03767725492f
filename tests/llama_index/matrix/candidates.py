"""The classes that are held to the list: ours, and whichever others are installed."""

import importlib
from collections.abc import Mapping
from typing import Any

from stepplan.sandbox.models import MODELS
from tests.llama_index.matrix.bench import Candidate

STEP = "step-3.7-flash"
GPT = "gpt-4o"
O3 = "o3-mini"
# The class knows it, and does not ask for its objects in a beta of Anthropic's that the plan has not.
CLAUDE = "claude-sonnet-4-20250514"
ACCEPTED = (*MODELS, "step-99-new", GPT, O3, CLAUDE)
"""Names that the server takes, so that nobody fails for want of its favorite."""


def _class(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"llama_index.{module}"), name)


def _ours(url: str, key: str, **options: Any) -> Any:
    from llama_index_stepplan import StepPlan

    return StepPlan(base_url=url, api_key=key, **options)


def _ours_on_messages(url: str, key: str, **options: Any) -> Any:
    return _ours(url, key, protocol="anthropic", **options)


def _openai_like(url: str, key: str, **options: Any) -> Any:
    return _class("llms.openai_like", "OpenAILike")(api_base=f"{url}/v1", api_key=key, is_chat_model=True, **options)


def _stepfun(url: str, key: str, **options: Any) -> Any:
    return _class("llms.stepfun", "StepFun")(api_base=f"{url}/v1", api_key=key, **options)


def _openai(url: str, key: str, **options: Any) -> Any:
    return _class("llms.openai", "OpenAI")(api_base=f"{url}/v1", api_key=key, **options)


def _anthropic(url: str, key: str, **options: Any) -> Any:
    return _class("llms.anthropic", "Anthropic")(base_url=url, api_key=key, **options)


_TOOLS: Mapping[str, Any] = {"is_function_calling_model": True}
_FRESH: Mapping[str, Any] = {"reuse_client": False}
_OPENAI_KEY = "OPENAI_API_KEY"

OURS = (
    Candidate("StepPlan (Chat)", "openai", _ours, STEP),
    Candidate("StepPlan (Messages)", "anthropic", _ours_on_messages, STEP),
)
OTHERS = (
    Candidate("openai-like", "openai", _openai_like, STEP, usual=_TOOLS, fresh=_FRESH, key_variable=_OPENAI_KEY),
    Candidate("stepfun", "openai", _stepfun, STEP, usual=_TOOLS, fresh=_FRESH, key_variable="STEPFUN_API_KEY"),
    Candidate("openai", "openai", _openai, GPT, fresh=_FRESH, reasoner=O3, key_variable=_OPENAI_KEY),
    Candidate(
        "anthropic", "anthropic", _anthropic, CLAUDE, caching={"cache_idx": -1}, key_variable="ANTHROPIC_API_KEY"
    ),
)
