"""`flowsense config`: what is in force, and from where."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What a run is asked to do, and where that comes from.")


@app.callback(no_args_is_help=True)
def config() -> None:
    """The keys of [run] in TOML files are those of FLOWSENSE_RUN_KEY and of the flags."""


@app.command()
def show(
    file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="TOML; else ./flowsense.toml if it exists."),
    ] = None,
) -> None:
    """Print what is in force as TOML, and where each line comes from."""
    from flowsense.cli.settings import given, shown

    for line in shown(given({}, file)):
        typer.echo(line)
