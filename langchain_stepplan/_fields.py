"""What a `ChatStepPlan` is: its fields, and what is said of it in dumps and traces."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast

from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from pydantic import ConfigDict, Field, SecretStr, ValidationError, model_validator
from typing_extensions import override

from langchain_stepplan._errors import langchain_errors
from langchain_stepplan._profile import PROFILE_KEYS, profile_of
from langchain_stepplan._replay import PROVIDER
from langchain_stepplan._request import SIMPLE, named_arguments, to_stop
from stepplan import ProtocolName, Region, Settings, StepPlanError, __version__
from stepplan.failures import without_frames
from stepplan.models import DEFAULT_MODEL


class StepPlanFields(BaseChatModel):
    """The fields of a chat model of the Step Plan. What is `None` is not sent, so that the server's default holds."""

    # What is wrong with one argument is no reason to show the others, the key among them.
    model_config = ConfigDict(hide_input_in_errors=True)

    model: str = DEFAULT_MODEL
    """The model's name, also accepted as `model_name`. An unknown one is passed on."""

    protocol: ProtocolName = "openai"
    """`openai` (Chat Completions) or `anthropic` (Messages)."""

    region: Region | None = None
    """`global` (api.stepfun.ai, the default) or `china` (api.stepfun.com). A key works in one region only."""

    base_url: str | None = None
    """Instead of the region's URL: with or without `/v1`, a trailing slash or the endpoint's path."""

    api_key: SecretStr | str | None = Field(default=None, union_mode="left_to_right")
    """The key, kept as a `SecretStr`; unset, `STEP_API_KEY`, then `STEPFUN_API_KEY`, is read when first needed."""

    temperature: float | None = None
    """Randomness, 0 to 2."""

    top_p: float | None = None
    """Nucleus sampling, over 0 and at most 1."""

    top_k: int | None = None
    """How many tokens to choose from, 0 to 500. Messages only."""

    max_tokens: int | None = None
    """Limit on reasoning and answer together. Unset: none on Chat Completions, 32,768 on Messages."""

    stop: list[str] | str | None = None
    """Sequences that end the answer, also accepted as `stop_sequences`."""

    frequency_penalty: float | None = None
    """Against repetition, -2 to 2. Chat Completions only."""

    reasoning_effort: str | None = None
    """How much the model thinks: `low`, `medium` or `high`, where the model knows the word."""

    parallel_tool_calls: bool | None = None
    """False asks for one tool call at a time."""

    replay_reasoning: bool = True
    """Send the model's own earlier reasoning back, block for block; tool loops get worse without it."""

    repair_history: bool = False
    """Give tool calls without a result an error result, instead of raising an error that names them."""

    think_tags: bool = False
    """Take `<think>...</think>` before an answer's words for reasoning, for a server that leaves it there."""

    raise_invalid_tool_calls: bool = False
    """Raise an error, which retrying middleware heeds, where a call would be left in `invalid_tool_calls`."""

    stream_usage: bool = True
    """Ask for token counts in streams. Chat Completions only; Messages always sends them."""

    streaming: bool = False
    """Let `invoke` stream, too. Setting it to False keeps `stream` from streaming."""

    max_retries: int = 2
    """Further tries after a request failed in a way that may pass; 0 turns retrying off."""

    timeout: float = 600.0
    """Seconds for a whole (not streamed) answer."""

    stream_timeout: float = 120.0
    """Seconds a stream may go on without an event; pings do not count."""

    connect_timeout: float = 10.0
    """Seconds to connect."""

    max_concurrency: int | None = None
    """How many requests of the account may run at a time in this process; others wait in line. Unset, 8 if the base
    URL's path is `/step_plan`, and no limit elsewhere."""

    default_headers: Mapping[str, str] = Field(default={}, exclude=True, repr=False)
    """Sent with every request; they win over ours. May hold secrets, so they are in no dump."""

    extra_body: Mapping[str, Any] = {}
    """Fields to send as they are, also accepted as `model_kwargs`; they win over the fields above."""

    proxy: str | None = Field(default=None, exclude=True, repr=False)
    """A proxy's URL; unset, the environment's variables are followed."""

    verify: bool | str = True
    """False leaves TLS certificates unchecked; a path names a file of accepted authorities."""

    http_client: Any = Field(default=None, exclude=True, repr=False)
    """An httpx client of yours to send with; it is never closed here."""

    http_async_client: Any = Field(default=None, exclude=True, repr=False)
    """An async httpx client of yours to send with; it is never closed here."""

    # ------------------------------------------------------------------------------------------------- construction

    # The checkers make a signature of the fields, which knows their names and types.
    if not TYPE_CHECKING:

        def __init__(self, **arguments: Any) -> None:
            try:
                with langchain_errors():
                    super().__init__(**named_arguments(arguments, type(self).model_fields))
                    self._settings(warn_again=True)  # refuses a wrong address or key here, not at the first call
            except (StepPlanError, ValidationError) as error:
                # Tools that report errors show the variables of every frame, and the key is among them.
                del self, arguments
                raise without_frames(error) from None

    @model_validator(mode="after")
    def _note_stepplan_version(self) -> Self:
        self._add_version("langchain-stepplan", __version__)
        return self

    @model_validator(mode="after")
    def _check_profile_keys(self) -> Self:
        """Leave profiles that have no other keys than ours unchecked: the check would take most of construction."""
        if self.profile and not self.profile.keys() <= PROFILE_KEYS:
            cast("Callable[[], Self]", super()._check_profile_keys)()
        return self

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.model, self.protocol)

    # ---------------------------------------------------------------------------------------------------- identity

    @property
    def model_name(self) -> str:
        """The model's name, as other integrations call it."""
        return self.model

    @property
    @override
    def _llm_type(self) -> str:
        return "stepplan-chat"

    @property
    @override
    def lc_secrets(self) -> dict[str, str]:
        """The key is never dumped: what is loaded again reads it from the environment."""
        return {"api_key": "STEP_API_KEY"}

    @classmethod
    @override
    def is_lc_serializable(cls) -> bool:
        """It is, with its own namespace: `load(..., allowed_objects=[ChatStepPlan], ...)`."""
        return True

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        names = ("protocol", "region", "base_url", *SIMPLE, "stop", "extra_body")
        return {name: getattr(self, name) for name in names}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or list(to_stop(self.stop)), **kwargs)
        params["ls_provider"] = PROVIDER
        return params

    # ------------------------------------------------------------------------------------------------------- sending

    def _settings(self, *, warn_again: bool = False) -> Settings:
        return Settings(
            warn_again=warn_again,
            api_key=self.api_key,
            region=self.region,
            base_url=self.base_url,
            max_retries=self.max_retries,
            connect_timeout=self.connect_timeout,
            timeout=self.timeout,
            stream_timeout=self.stream_timeout,
            max_concurrency=self.max_concurrency,
            headers=self.default_headers,
            proxy=self.proxy,
            verify=self.verify,
        )
