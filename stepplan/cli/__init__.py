"""The command line: `stepplan ask`, `chat`, `doctor`, `models`, `batch` and `sandbox`."""

import sys


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        from stepplan.cli.app import app  # noqa: PLC0415 - typer is an extra
        from stepplan.cli.console import prepare  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("The command line needs two more packages: pip install 'stepplan[cli]'")
    prepare()
    app()
