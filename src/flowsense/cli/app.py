"""The table of commands, and what becomes of errors."""

import sys
from typing import Annotated

import typer

from flowsense import __version__
from flowsense.cli import (
    backtest,
    bench,
    compare,
    config,
    demo,
    doctor,
    evaluate,
    explain,
    fetch,
    fi2010,
    ingest,
    listing,
    paper,
    prepare,
    query,
    record,
    replay,
    report,
    run,
    serve,
    simulate,
    trade,
    train,
)
from flowsense.cli.spread import Spread
from flowsense.errors import InputError

app = typer.Typer(
    help="From a recorded order book to an honest short-horizon forecast.",
    epilog="`flowsense COMMAND --help` says more. Start with `flowsense demo`.",
    rich_markup_mode=None,  # rich help takes twice as long to come up
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(name="demo")(demo.demo)
app.command(name="run", cls=Spread)(run.run)
app.command(name="simulate")(simulate.simulate)
app.command(name="fetch")(fetch.fetch)
app.command(name="ingest")(ingest.ingest)
app.command(name="query")(query.query)
app.command(name="prepare")(prepare.prepare)
app.command(name="train", cls=Spread)(train.train)
app.command(name="evaluate", cls=Spread)(evaluate.evaluate)
app.command(name="backtest", cls=Spread)(backtest.backtest)
app.command(name="paper", cls=Spread)(paper.paper)
app.command(name="serve")(serve.serve)
app.command(name="trade")(trade.trade)
app.command(name="explain")(explain.explain)
app.command(name="record")(record.record)
app.command(name="compare", cls=Spread)(compare.compare)
app.command(name="replay")(replay.replay)
app.command(name="report")(report.report)
app.command(name="list")(listing.listing)
app.add_typer(doctor.app, name="doctor")
app.command(name="bench")(bench.bench)
app.command(name="fi2010")(fi2010.fi2010)
app.add_typer(config.app, name="config")


def version(asked: bool) -> None:
    if asked:
        typer.echo(f"flowsense {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an internal error.")
    ] = False,
) -> None:
    """What every command shares; its text is that of `app`."""


def main() -> None:
    """Exit code 0; 1: our fault; 2: the user's input, told in one sentence; 130: interrupted."""
    try:
        app(prog_name="flowsense")
    except InputError as error:
        typer.echo(f"flowsense: {error}", err=True)
        sys.exit(2)
    except Exception as error:
        if "--debug" in sys.argv[1:2]:
            raise
        again = " ".join(["flowsense --debug", *sys.argv[1:]])
        typer.echo(f"flowsense: internal error, {type(error).__name__}: {error}", err=True)
        typer.echo(f"This is a fault of flowsense. `{again}` shows where it is.", err=True)
        sys.exit(1)
