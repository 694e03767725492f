"""Options that several commands have."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from stepplan.protocols import ProtocolName
from stepplan.settings import Settings

if TYPE_CHECKING:
    from stepplan.endpoint import Region

Model = Annotated[str, typer.Option("--model", "-m", help="The model's name.")]
Effort = Annotated[
    str | None, typer.Option("--effort", "-e", help="Reasoning effort: low, medium or high, as the model accepts.")
]
Protocol = Annotated[
    str, typer.Option("--protocol", "-p", help="`openai` (Chat Completions) or `anthropic` (Messages).")
]
RegionName = Annotated[
    str | None, typer.Option("--region", help="`global` (api.stepfun.ai) or `china` (api.stepfun.com).")
]
BaseURL = Annotated[
    str | None, typer.Option("--base-url", help="Another server's URL; unset, STEP_BASE_URL, then the region's.")
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Limit on reasoning and answer together.")]
System = Annotated[str | None, typer.Option("--system", "-s", help="Instructions for the model.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def settings(region: str | None, base_url: str | None) -> Settings:
    """The settings that the options ask for.

    Raises:
        InvalidRequestError: A value is wrong.
    """
    return Settings(region=cast("Region | None", region), base_url=base_url)


def protocol_name(protocol: str) -> ProtocolName:
    """The protocol that the option names; the client refuses one that does not exist."""
    return cast("ProtocolName", protocol)
