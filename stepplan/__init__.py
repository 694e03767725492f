"""StepFun's Step Plan: the core that the LangChain and LlamaIndex adapters share, usable by itself.

Example:
    `stepplan.Client().send(stepplan.Request(messages=(stepplan.Message.user("Hello"),))).text`
"""

from stepplan.client import AsyncClient, Client, ModelInfo
from stepplan.endpoint import Region
from stepplan.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentBlockedError,
    ContextOverflowError,
    ErrorResponse,
    IncompleteStreamError,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseDecodeError,
    StepPlanError,
    StepPlanWarning,
)
from stepplan.events import (
    Accumulator,
    DecodedEvent,
    Event,
    Finish,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ServerToolCalled,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    fold,
)
from stepplan.messages import Block, Image, Message, Reasoning, ServerToolCall, Text, ToolCall, ToolResult, Video
from stepplan.models import MODELS, Model
from stepplan.prices import PRICES, Cost, Price
from stepplan.protocols import PROTOCOLS, ProtocolFacts, ProtocolName, WireProtocol, wire_protocol
from stepplan.requests import AnyTool, JSONSchema, NamedTool, ReasoningEffort, Request, Tool, ToolChoice
from stepplan.responses import FinishReason, ParsedToolCall, Response, Usage, parse_arguments, parse_partial_arguments
from stepplan.retry import RetryPolicy
from stepplan.server_tools import Retrieval, ServerTool, WebSearch
from stepplan.settings import Settings
from stepplan.version import __version__

__all__ = [
    "MODELS",
    "PRICES",
    "PROTOCOLS",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "Accumulator",
    "AnyTool",
    "AsyncClient",
    "AuthenticationError",
    "BadRequestError",
    "Block",
    "Client",
    "ContentBlockedError",
    "ContextOverflowError",
    "Cost",
    "DecodedEvent",
    "ErrorResponse",
    "Event",
    "Finish",
    "FinishReason",
    "Image",
    "IncompleteStreamError",
    "InternalServerError",
    "InvalidRequestError",
    "JSONSchema",
    "Message",
    "MessageEnd",
    "MessageStart",
    "Model",
    "ModelInfo",
    "NamedTool",
    "NotFoundError",
    "OverloadedError",
    "ParsedToolCall",
    "PermissionDeniedError",
    "Price",
    "ProtocolFacts",
    "ProtocolName",
    "QuotaExceededError",
    "RateLimitError",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningEffort",
    "Region",
    "Request",
    "Response",
    "ResponseDecodeError",
    "Retrieval",
    "RetryPolicy",
    "ServerTool",
    "ServerToolCall",
    "ServerToolCalled",
    "Settings",
    "StepPlanError",
    "StepPlanWarning",
    "Text",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallStart",
    "ToolChoice",
    "ToolResult",
    "Usage",
    "Video",
    "WebSearch",
    "WireProtocol",
    "__version__",
    "fold",
    "parse_arguments",
    "parse_partial_arguments",
    "wire_protocol",
]
