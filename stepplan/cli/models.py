"""`stepplan models`: the models that the plan lists, with what is known of each."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from stepplan.cli import options
from stepplan.cli.console import friendly_errors, out, write_json
from stepplan.client import Client
from stepplan.models import MODELS


def models(
    *,
    region: options.RegionName = None,
    base_url: options.BaseURL = None,
    as_json: options.JSON = False,
) -> None:
    """List the models that your key can use."""
    with friendly_errors():
        listed = Client(options.settings(region, base_url)).models()
        if as_json:
            write_json([dict(model.details) for model in listed])
            return
        table = Table(box=None, pad_edge=False)
        for name in ("model", "input", "context", "reasoning effort"):
            table.add_column(name, no_wrap=name == "model", overflow="fold")  # a name that is cut cannot be copied
        for model in listed:
            table.add_row(model.id, *_facts(model.id, model.details))
        out.print(table)


def _facts(id: str, details: Mapping[str, Any]) -> tuple[str, str, str]:
    """Inputs, context window and efforts: what the server lists, else what the documentation says."""
    known = MODELS.get(id)
    window = details.get("max_input_tokens") or (known.context_window if known else None)
    efforts = details.get("reasoning_effort_support_list") or (known.reasoning_efforts if known else ())
    inputs = sorted(known.inputs, key=("text", "image", "video").index) if known else []
    return ", ".join(inputs) or "?", f"{window:,}" if window else "?", ", ".join(map(str, efforts)) or "-"
