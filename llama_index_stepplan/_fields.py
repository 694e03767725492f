"""The fields of `StepPlan`, and how it appears to LlamaIndex and to tracers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import Field, SecretStr, field_validator

from stepplan.endpoint import resolve
from stepplan.integration.fields import SharedFields
from stepplan.integration.options import call_options, hide_headers, merged_options, output_limit
from stepplan.models import DEFAULT_MODEL, context_window


class StepPlanFields(SharedFields, FunctionCallingLLM):
    """The fields of an LLM of the Step Plan, beside those that both frameworks' models have."""

    ADVICE: ClassVar[Mapping[str, str]] = {
        "tools": "Give tools to an agent or to chat_with_tools(), or to every call in additional_kwargs.",
        "tool_choice": "Give it to a call, or to every call in additional_kwargs.",
        "response_format": "Use structured_predict() or as_structured_llm(), or give it to a call.",
        "system": "Use system_prompt.",
    }
    LIVE_FIELDS: ClassVar[tuple[str, ...]] = ("http_client", "async_http_client")

    # LlamaIndex stores models as plain JSON, in which a key has no place.
    api_key: SecretStr | str | None = Field(default=None, union_mode="left_to_right", exclude=True, repr=False)
    """The API key. A `Bearer ` prefix, quotes and white space around it are removed. Default: the environment variable
    `STEP_API_KEY`, or else `STEPFUN_API_KEY`, read when a request needs it."""

    # LlamaIndex's agents and memories leave calls without results behind, where nobody can reach them.
    repair_history: bool = True
    """Repair tool calls without a result and results without a call, instead of raising an error."""

    return_thinking: bool = Field(default=True, strict=True)
    """Whether answers hold the model's thinking. DocumentContextExtractor takes an answer's first block for its text,
    so it needs False. Default: True."""

    is_function_calling_model: bool = Field(default=True, strict=True)
    """Whether agents may offer tools to the model. Default: True."""

    strict: bool | None = Field(default=None, strict=True)
    """Ask the server to follow schemas strictly. Chat Completions only; sent only when set."""

    context_window: int | None = Field(default=None, gt=0, strict=True)
    """Tokens of input and output together. Default: what is known of the model, else 256,000."""

    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Options for every call; those of one call win over them. StepFun's own tools among `tools` are offered beside the
    functions of an agent, or of `chat_with_tools()`. Default: none."""

    async_http_client: Any = Field(default=None, exclude=True, repr=False)
    """An async httpx client to send requests with. It is not closed for you."""

    @field_validator("additional_kwargs")
    @classmethod
    def _hide_standing_headers(cls, options: dict[str, Any]) -> dict[str, Any]:
        hide_headers(options)
        return options

    @classmethod
    def class_name(cls) -> str:
        """The stable id for serialization; tracers show it as the provider."""
        return "stepplan"

    @property
    def metadata(self) -> LLMMetadata:
        """Facts about the model that calls will use, from what is set for every call and from what is known of it."""
        options = merged_options(self.__dict__, call_options(self.additional_kwargs, type(self).model_fields))
        limit = output_limit(options, self.protocol)
        model: str = options.get("model", DEFAULT_MODEL)
        return LLMMetadata(
            context_window=self.context_window or context_window(model),
            num_output=-1 if limit is None else limit,
            is_chat_model=True,
            is_function_calling_model=self.is_function_calling_model,
            model_name=model,
        )

    def to_payload(self) -> dict[str, Any]:
        """What callbacks and tracers are told about this model; no secret is in it."""
        names = ("model", "protocol", "temperature", "max_tokens", "reasoning_effort")
        options = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {**super().to_payload(), "base_url": resolve(self.base_url, self.region).root, **options}
