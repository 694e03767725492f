"""What ChatStepPlan and StepPlan have in common: their fields, how they are made, copied and pickled."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from stepplan.endpoint import Region
from stepplan.failures import without_frames
from stepplan.headers import Headers
from stepplan.integration.construction import model_arguments, refusal
from stepplan.integration.options import to_settings
from stepplan.integration.spelling import ALIASES
from stepplan.models import DEFAULT_MODEL
from stepplan.protocols import ProtocolName
from stepplan.settings import Settings


class SharedFields(BaseModel):
    """The fields that both models have. `None` means the default, for every argument.

    What the server decides, such as the temperature, is not sent unless it is set.
    """

    # Errors show no values: one may be a key in the wrong argument. A field with an alias, in a subclass, can be given
    # under its name, too: Pydantic would leave it out without a word, also where LangChain loads a model by its fields.
    model_config = ConfigDict(hide_input_in_errors=True, populate_by_name=True)

    ADVICE: ClassVar[Mapping[str, str]] = {}
    """What to do about names that are no arguments of the model."""

    LIVE_FIELDS: ClassVar[tuple[str, ...]] = ("http_client",)
    """Objects of the caller's, such as connections: copies share them, pickles leave them behind."""

    model: str = DEFAULT_MODEL
    """The model's name. Any name is accepted; the options of known models are checked. Default: `step-3.7-flash`."""

    protocol: ProtocolName = "openai"
    """`openai` (Chat Completions) or `anthropic` (Messages)."""

    api_key: SecretStr | str | None = Field(default=None, union_mode="left_to_right")
    """The API key. A `Bearer ` prefix, quotes and white space around it are removed. Default: the environment variable
    `STEP_API_KEY`, or else `STEPFUN_API_KEY`, read when a request needs it."""

    region: Region | None = None
    """`global` (api.stepfun.ai) or `china` (api.stepfun.com). A key works in one region only. Default: `global`, unless
    the environment variable `STEP_BASE_URL` is set."""

    base_url: str | None = None
    """The server's URL, instead of the region's. It may end with `/v1`, a slash or an endpoint's path, and quotes and
    white space around it are removed. On StepFun's hosts, `/v1` alone is the pay-as-you-go platform. `base_url` wins
    over `region`, and `region` over `STEP_BASE_URL`."""

    temperature: float | None = None
    """Randomness, 0 to 2."""

    top_p: float | None = None
    """Nucleus sampling, over 0 and at most 1."""

    top_k: int | None = None
    """Sample from this many of the likeliest tokens, 0 to 500. Messages only."""

    max_tokens: int | None = None
    """Limit on reasoning and answer together, over 0. Unset, Chat Completions has no limit and Messages 32,768."""

    stop: list[str] | str | None = None
    """Sequences that end the answer."""

    frequency_penalty: float | None = None
    """Penalty on repetition, -2 to 2. Chat Completions only."""

    reasoning_effort: str | None = None
    """How much the model reasons: `low`, `medium` or `high`. If a known model does not accept the value, an error is
    raised."""

    parallel_tool_calls: bool | None = None
    """False asks for at most one tool call per answer."""

    replay_reasoning: bool = True
    """Send the model's own earlier reasoning back in later requests."""

    repair_history: bool = False
    """Repair tool calls without a result and results without a call, instead of raising an error."""

    think_tags: bool = False
    """Read `<think>...</think>` at the beginning of the text as reasoning. If the opening tag is missing, a stream
    holds back the text until the closing tag arrives or the answer ends."""

    stream_usage: bool = True
    """Ask for token counts in a stream (`stream_options`). Chat Completions only."""

    raise_invalid_tool_calls: bool = Field(default=False, strict=True)
    """Raise an error if an answer has a tool call that was cut off or is not valid JSON, instead of listing it in
    `invalid_tool_calls`. Default: False."""

    extra_body: Mapping[str, Any] = {}
    """Fields to add to the request body unchanged. They override the options."""

    max_retries: int | None = 2
    """Retries after the first attempt; 0 turns retrying off. Default: 2."""

    connect_timeout: float | None = 10.0
    """Seconds to connect. Default: 10."""

    timeout: float | None = 600.0
    """Seconds for a whole (not streamed) answer. No wait before a retry is longer. Default: 600."""

    stream_timeout: float | None = 120.0
    """Seconds that may pass in a stream without an event. Pings do not count. Default: 120, or a lesser `timeout`."""

    max_concurrency: int | None = None
    """How many requests of the account may run at a time in this process. Further ones wait in line. Default: 8 if the
    base URL's path is `/step_plan`, else no limit."""

    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    """Headers to send with every request. They replace default headers of the same name. Default: none."""

    proxy: str | None = Field(default=None, exclude=True, repr=False)
    """A proxy's URL. Default: the environment's `HTTPS_PROXY` and the like."""

    verify: bool | str | os.PathLike[str] = True
    """Whether to check TLS certificates. A path names a file with the accepted authorities. Default: True."""

    http_client: Any = Field(default=None, exclude=True, repr=False)
    """An httpx client to send requests with. It is not closed for you."""

    # ---------------------------------------------------------------------------------------------------- construction

    if not TYPE_CHECKING:  # checkers derive a signature from the fields

        def __init__(self, **given: Any) -> None:
            try:
                super().__init__(**given)
                return
            except ValidationError as error:
                refused = refusal(error)
            # Tools that report errors show the variables of every frame, and the key is among them. Nor may Pydantic's
            # error be this one's context: its frames are the framework's, and hold the arguments, too.
            del self, given
            raise without_frames(refused)

    @model_validator(mode="before")
    @classmethod
    def _read_arguments(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        arguments = cast("dict[str, Any]", given)
        return model_arguments(cls, arguments, shared=SharedFields.model_fields, advice=cls.ADVICE)

    @field_validator("default_headers")
    @classmethod
    def _hide_headers(cls, headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
        return None if headers is None else Headers(headers)

    @field_validator("verify", mode="before")
    @classmethod
    def _keep_path_as_text(cls, verify: Any) -> Any:
        return os.fspath(cast("os.PathLike[str]", verify)) if isinstance(verify, os.PathLike) else verify

    @property
    def _settings(self) -> Settings:
        """How the plan is reached, when no call says otherwise."""
        return to_settings(self.__dict__)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _hidden(name, value))

    # --------------------------------------------------------------------------------------------------------- copies

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, with the fields in `update` set, under their names or aliases. Nothing is checked before the call."""
        own = {self._field(name): value for name, value in (update or {}).items()}
        return super().model_copy(update={name: _hidden(name, value) for name, value in own.items()}, deep=deep)

    @classmethod
    def _field(cls, name: str) -> str:
        return ALIASES[name] if name not in cls.model_fields and ALIASES.get(name) in cls.model_fields else name

    def __getstate__(self) -> dict[Any, Any]:
        bare = self.model_copy(update=dict.fromkeys(self.LIVE_FIELDS))
        return super(SharedFields, bare).__getstate__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        memo = {} if memo is None else memo
        # Both frameworks have a limiter of rates: a limit that was copied would be two.
        for name in (*self.LIVE_FIELDS, "rate_limiter"):
            live = getattr(self, name, None)
            memo[id(live)] = live
        return super().__deepcopy__(memo)


def _hidden(name: str, value: Any) -> Any:
    """A value that is set without validation: a key is held as a secret, here too."""
    return SecretStr(value) if name == "api_key" and isinstance(value, str) else value
