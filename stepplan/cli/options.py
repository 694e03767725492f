"""Options that several commands have."""

from typing import TYPE_CHECKING, Annotated, cast

import typer

from stepplan.protocols import ProtocolName
from stepplan.settings import Settings

if TYPE_CHECKING:
    from stepplan.endpoint import Region

Model = Annotated[str, typer.Option("--model", "-m", metavar="NAME", help="The model to use.")]
Effort = Annotated[
    str | None,
    typer.Option(
        "--effort",
        "-e",
        metavar="LEVEL",
        help="How long to reason: `low`, `medium` or `high`. Not every model accepts all three.",
    ),
]
Protocol = Annotated[
    str, typer.Option("--protocol", "-p", metavar="NAME", help="`openai` (Chat Completions) or `anthropic` (Messages).")
]
RegionName = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="`global` (api.stepfun.ai) or `china` (api.stepfun.com).")
]
BaseURL = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="The server's URL. Default: STEP_BASE_URL, or else StepFun's for the region."
    ),
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Limit on the tokens of reasoning and answer together.")
]
System = Annotated[
    str | None, typer.Option("--system", "-s", metavar="TEXT", help="The system prompt: instructions for the model.")
]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON instead, for scripts.")]


def settings(region: str | None, base_url: str | None) -> Settings:
    """The settings that the options ask for.

    Raises:
        InvalidRequestError: A value is wrong.
    """
    return Settings(region=cast("Region | None", region), base_url=base_url)


def protocol_name(protocol: str) -> ProtocolName:
    """The protocol that the option names; the client refuses one that does not exist."""
    return cast("ProtocolName", protocol)
