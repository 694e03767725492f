"""What a StepPlan is made of: its fields, how it is described, stored and copied, and the requests they amount to."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import ConfigDict, Field, SecretStr

from llama_index_stepplan._request import REQUEST_OPTIONS, merge_options, to_request, unknown
from llama_index_stepplan._structured import StructuredPredictionLLM
from stepplan import AsyncClient, Client, InvalidRequestError, Message, ProtocolName, Region, Request, Settings
from stepplan.models import DEFAULT_MODEL, context_window

_ALIASES = {"api_base": "base_url"}
"""What other LLM classes call our arguments."""

_CLIENT_FIELDS = ("http_client", "async_http_client")
_NO_OPTIONS: Mapping[str, Any] = {}


class StepPlanFields(StructuredPredictionLLM):
    """The fields of `StepPlan`."""

    # A wrong value may be a key in the wrong place.
    model_config = ConfigDict(hide_input_in_errors=True)

    model: str = Field(default=DEFAULT_MODEL, description="The model's name; any name works.")
    protocol: ProtocolName = Field(
        default="openai", description="`openai` (Chat Completions) or `anthropic` (Messages)."
    )
    region: Region = Field(default="global", description="`global` (api.stepfun.ai) or `china` (api.stepfun.com).")
    base_url: str | None = Field(
        default=None,
        description="Instead of the region's; with or without /v1; unset, STEP_BASE_URL is followed. Also `api_base`.",
    )
    api_key: SecretStr | str | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="The key; unset, STEP_API_KEY or STEPFUN_API_KEY is read when first needed.",
    )
    temperature: float | None = Field(default=None, description="0 to 2; unset, the server's default.")
    top_p: float | None = Field(default=None, description="Over 0, at most 1; unset, the server's default.")
    top_k: int | None = Field(default=None, description="0 to 500. Messages only.")
    max_tokens: int | None = Field(
        default=None, description="Limit on thinking and answer together. Unset: none on Chat, 32,768 on Messages."
    )
    stop: str | list[str] | None = Field(default=None, description="Sequences that end the answer.")
    frequency_penalty: float | None = Field(default=None, description="-2 to 2. Chat Completions only.")
    reasoning_effort: str | None = Field(default=None, description="`low`, `medium` or `high`, where the model has it.")
    replay_reasoning: bool = Field(
        default=True, description="Send the thinking of earlier answers of ours back, block for block."
    )
    return_thinking: bool = Field(
        default=True,
        description="Whether answers hold the thinking. DocumentContextExtractor takes an answer's first block for its "
        "text, so it needs False.",
    )
    repair_history: bool = Field(
        default=True,
        description="Report tool calls without a result to the model as interrupted, instead of raising. LlamaIndex's "
        "agents and memories leave such calls behind.",
    )
    think_tags: bool = Field(
        default=False,
        description="Take `<think>...</think>` before an answer's words for thinking; some servers leave it there.",
    )
    raise_invalid_tool_calls: bool = Field(
        default=False,
        description="Raise an error where a call that cannot be run would be left in `invalid_tool_calls`.",
    )
    stream_usage: bool = Field(
        default=True,
        description="Ask for token counts in streams. Chat Completions only; Messages always sends them.",
    )
    is_function_calling_model: bool = Field(default=True, description="Whether agents may offer tools to the model.")
    strict: bool | None = Field(
        default=None, description="Ask the server to hold to schemas exactly. Chat Completions only; sent if set."
    )
    context_window: int | None = Field(
        default=None,
        description="Tokens of input and output together; unset, what is known of the model, else 256,000.",
    )
    max_retries: int = Field(default=2, description="Further tries after a failure that may pass; 0 turns them off.")
    timeout: float = Field(default=600.0, description="Seconds for a whole (not streamed) answer.")
    stream_timeout: float = Field(default=120.0, description="Seconds a stream may bring nothing but pings.")
    connect_timeout: float = Field(default=10.0, description="Seconds to connect.")
    default_headers: dict[str, str] | None = Field(
        default=None, exclude=True, repr=False, description="Sent with every request. Like the key, never dumped."
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="Fields to send as they are; they win over the options."
    )
    additional_kwargs: dict[str, Any] = Field(default_factory=dict, description="Options for every call.")
    proxy: str | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A proxy's URL; unset, the environment's variables are followed. Never dumped: it may hold a "
        "password.",
    )
    verify: bool | str = Field(
        default=True,
        description="False leaves TLS certificates unchecked; a path names a file of accepted authorities.",
    )
    http_client: Any = Field(
        default=None, exclude=True, repr=False, description="An httpx client of yours; never closed here."
    )
    async_http_client: Any = Field(
        default=None, exclude=True, repr=False, description="An async httpx client of yours; never closed here."
    )

    if not TYPE_CHECKING:  # checkers derive a typed signature from the fields

        def __init__(self, **fields: Any) -> None:
            fields = {_ALIASES.get(name, name): value for name, value in fields.items()}
            for name in fields:
                if name not in type(self).model_fields:
                    raise InvalidRequestError(unknown(name, (*type(self).model_fields, *_ALIASES)))
            if isinstance(fields.get("api_key"), str):
                fields["api_key"] = SecretStr(fields["api_key"])
            super().__init__(**fields)
            self._settings()
            self._request((), {})

    def __getstate__(self) -> dict[str, Any]:
        """Clients of the caller's stay behind: connections do not travel between processes."""
        return FunctionCallingLLM.__getstate__(self.model_copy(update=dict.fromkeys(_CLIENT_FIELDS)))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Clients of the caller's are shared with the copy: connections cannot be copied."""
        clients = (getattr(self, name) for name in (*_CLIENT_FIELDS, "rate_limiter"))
        return super().__deepcopy__({**(memo or {}), **{id(client): client for client in clients}})

    @classmethod
    def class_name(cls) -> str:
        """The stable id for serialization; tracers show it as the provider."""
        return "stepplan"

    @property
    def metadata(self) -> LLMMetadata:
        """Facts about the model, from the fields and from what is known of it. Cheap, and the same for any name."""
        return LLMMetadata(
            context_window=self.context_window or context_window(self.model),
            num_output=self.max_tokens or -1,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=self.model,
        )

    @property
    def takes_json_schema(self) -> bool:
        """Whether objects are asked for by their schema; Messages documents no such field, so there it is a tool."""
        return self.protocol == "openai"

    def to_payload(self) -> dict[str, Any]:
        """What callbacks and tracers are told about this model; no secret is in it."""
        names = ("model", "protocol", "temperature", "max_tokens", "reasoning_effort")
        options = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {**super().to_payload(), "base_url": self._settings().root, **options}

    def _options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        names = REQUEST_OPTIONS.intersection(type(self).model_fields)
        return merge_options({name: getattr(self, name) for name in names}, self.additional_kwargs, options)

    def _request(self, messages: tuple[Message, ...], options: Mapping[str, Any]) -> Request:
        merged = self._options(options)
        merged.pop("timeout", None)
        return to_request(messages, merged)

    def _client(self, options: Mapping[str, Any]) -> Client:
        return Client(self._settings(options), protocol=self.protocol, http_client=self.http_client)

    def _async_client(self, options: Mapping[str, Any]) -> AsyncClient:
        return AsyncClient(self._settings(options), protocol=self.protocol, http_client=self.async_http_client)

    def _settings(self, options: Mapping[str, Any] = _NO_OPTIONS) -> Settings:
        timeout = merge_options(self.additional_kwargs, options).get("timeout")
        return Settings(
            api_key=self.api_key,
            region=self.region,
            base_url=self.base_url,
            max_retries=self.max_retries,
            connect_timeout=self.connect_timeout,
            timeout=self.timeout if timeout is None else timeout,
            stream_timeout=self.stream_timeout if timeout is None else timeout,
            headers=self.default_headers or {},
            proxy=self.proxy,
            verify=self.verify,
        )
