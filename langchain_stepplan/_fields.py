"""The fields of `ChatStepPlan`, and how it appears in dumps, traces and caches."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from pydantic import Field, model_validator
from typing_extensions import override

from langchain_stepplan._errors import langchain_errors
from langchain_stepplan._profile import PROFILE_KEYS, profile_of
from langchain_stepplan._replay import PROVIDER
from stepplan import StepPlanError, __version__
from stepplan.failures import without_frames
from stepplan.integration.fields import SharedFields
from stepplan.integration.options import CALL_OPTIONS
from stepplan.integration.spelling import ALIASES

# What changes an answer.
_IDENTIFYING = ("protocol", "region", "base_url", *(name for name in SharedFields.model_fields if name in CALL_OPTIONS))


class StepPlanFields(SharedFields, BaseChatModel):
    """The fields of a chat model of the Step Plan, beside those that both frameworks' models have."""

    ADVICE: ClassVar[Mapping[str, str]] = {
        "tools": "Use bind_tools([...]).",
        "tool_choice": "Use bind_tools([...], tool_choice=...).",
        "response_format": "Use with_structured_output(...), or bind(response_format=...).",
        "strict": "Give it to bind_tools or with_structured_output.",
        "system_prompt": "Give a system message.",
    }
    LIVE_FIELDS: ClassVar[tuple[str, ...]] = ("http_client", "http_async_client")

    streaming: bool = False
    """Whether `invoke` streams, too. If you set it to False, `stream` does not stream either. Default: False."""

    http_async_client: Any = Field(default=None, exclude=True, repr=False)
    """An async httpx client to send requests with. It is not closed for you."""

    # ----------------------------------------------------------------------------------------------------- construction

    if not TYPE_CHECKING:  # checkers derive a signature from the fields

        def __init__(self, **given: Any) -> None:
            try:
                with langchain_errors():
                    super().__init__(**given)
            except StepPlanError as error:
                # Tools that report errors show the variables of every frame, and the key is among them.
                del self, given
                raise without_frames(error) from None

        def __getattr__(self, name: str) -> Any:
            """The profile, unless one was given: it follows from model and protocol as they are now."""
            if name != "profile":
                return super().__getattr__(name)
            basis = self.model, self.protocol
            derived = vars(self).get("_derived_profile")
            if derived is None or derived[0] != basis:
                derived = vars(self)["_derived_profile"] = basis, profile_of(*basis)
            return derived[1]

    @model_validator(mode="after")
    def _note_stepplan_version(self) -> Self:
        self._add_version("langchain-stepplan", __version__)
        return self

    @model_validator(mode="after")
    def _check_profile_keys(self) -> Self:
        """LangChain's check, for profiles that the caller gave."""
        given = vars(self).get("profile")
        if given is None:
            vars(self).pop("profile", None)  # so that it is looked for in `__getattr__`
        elif not given.keys() <= PROFILE_KEYS:
            cast("Callable[[], Self]", super()._check_profile_keys)()
        return self

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; LangChain's cache of the dump, which is a part of its LLM cache's keys, stays behind."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("_serialized", None)
        return copied

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        vars(self).pop("_serialized", None)

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return None  # because it is not kept: see `__getattr__`

    # --------------------------------------------------------------------------------------------------------- identity

    @property
    def model_name(self) -> str:
        """The model's name, as other integrations call it."""
        return self.model

    @model_name.setter
    def model_name(self, name: str) -> None:
        self.model = name

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
        return {name: getattr(self, name) for name in _IDENTIFYING}

    @override
    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The model's part of a cache's key, with the address as it is now: the environment can change it."""
        return f"{super()._get_llm_string(stop, **kwargs)}---{self._settings.root}"

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        named = {ALIASES.get(name, name): value for name, value in kwargs.items()}
        of_call = named.pop("stop", None)
        ends = stop or of_call or self.stop or []
        params = super()._get_ls_params(stop=[ends] if isinstance(ends, str) else ends, **named)
        params["ls_provider"] = PROVIDER
        return params
