"""StepFun's Step Plan in LangChain."""

from langchain_stepplan._costs import CostCallbackHandler, get_cost_callback
from langchain_stepplan._errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentBlockedError,
    ContextOverflowError,
    IncompleteStreamError,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseDecodeError,
)
from langchain_stepplan._providers import register
from langchain_stepplan.chat_models import ChatStepPlan
from stepplan import StepPlanError, StepPlanWarning, __version__

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ChatStepPlan",
    "ContentBlockedError",
    "ContextOverflowError",
    "CostCallbackHandler",
    "IncompleteStreamError",
    "InternalServerError",
    "InvalidRequestError",
    "NotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "QuotaExceededError",
    "RateLimitError",
    "ResponseDecodeError",
    "StepPlanError",
    "StepPlanWarning",
    "__version__",
    "get_cost_callback",
    "register",
]
