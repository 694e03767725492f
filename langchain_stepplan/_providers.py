"""Making the plan known to what picks models by a string. Both packages are optional, so neither is imported before."""

from importlib import import_module
from typing import Any


def register() -> None:
    """Make `init_chat_model("stepplan:step-3.7-flash")` work, and `create_agent` with that string.

    LangChain has no public way to add a provider, so this changes a private table of `langchain.chat_models`. An import
    never does it: call it once, at the start of your program.

    Raises:
        ImportError: `langchain` is not installed.
    """
    base = import_module("langchain.chat_models.base")
    base._BUILTIN_PROVIDERS["stepplan"] = ("langchain_stepplan", "ChatStepPlan", _make)  # noqa: SLF001 - see above


def _make(cls: type[Any], **arguments: Any) -> Any:
    return cls(**arguments)


def register_with_deepagents() -> None:
    """The entry point that `deepagents` calls: `create_deep_agent(model="stepplan:step-3.7-flash")` works."""
    deepagents = import_module("deepagents")
    deepagents.register_provider_profile("stepplan", deepagents.ProviderProfile(pre_init=_register_before))


def _register_before(_spec: str) -> None:
    register()
