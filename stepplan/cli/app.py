"""The commands, put together."""

import typer

from stepplan.cli import ask, batch, chat, doctor, models, sandbox
from stepplan.version import __version__

app = typer.Typer(
    name="stepplan",
    help="Use StepFun's Step Plan from the command line.\n\n"
    "The key is read from STEP_API_KEY. No key yet? `stepplan sandbox` starts a local server to try everything on. "
    "If something does not work, run `stepplan doctor`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("ask")(ask.ask)
app.command("chat")(chat.chat)
app.command("doctor")(doctor.doctor)
app.command("models")(models.models)
app.command("batch")(batch.batch)
app.command("sandbox")(sandbox.sandbox)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stepplan {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass
