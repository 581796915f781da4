"""`flowsense serve`: a fitted model on live venues, and the API that tells what it says."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowsense.cli.shared import Shared, takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from logging import LogRecord

    from flowsense.live.feed import Address
    from flowsense.risk.settings import Settings as Risk

WEBHOOK = "FLOWSENSE_WEBHOOK"  # alerts are posted there
SHOWN = """\
Simulating a market, without fees, in which bursts of trades foretell moves; fitting a model to it.
After a minute a few of a hundred predictions are to be acted on."""
VENUES = "Of a venue: binance-usdm:BTCUSDT. `flowsense list venues` names them."


THRESHOLDS: Shared = {
    "confidence": (
        Annotated[
            float | None,
            typer.Option(metavar="P", help="Below it nothing is recommended.", min=0, max=1),
        ],
        None,
    ),
    "agreement": (
        Annotated[
            float | None,
            typer.Option(metavar="SHARE", help="Of an ensemble's members, likewise.", min=0, max=1),
        ],
        None,
    ),
    "target": (
        Annotated[
            str,
            typer.Option(metavar="TARGET", help="That is acted on. Default: the run's first mid."),
        ],
        "",
    ),
}
LIVE: Shared = {
    "at": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="VENUE=WS,HTTP",
                help="Addresses of a venue that is elsewhere, as of `replay`.",
            ),
        ],
        None,
    ),
    "record": (
        Annotated[
            Path | None,
            typer.Option(metavar="LAKE", help="Keep all that is heard in this lake."),
        ],
        None,
    ),
    "runs": (
        Annotated[
            Path | None,
            typer.Option(
                metavar="DIR",
                help="Finished runs of this folder are shown. Default: of RUN's, if it has more.",
                exists=True,
                file_okay=False,
            ),
        ],
        None,
    ),
    "models": (
        Annotated[
            Path | None,
            typer.Option(
                metavar="DIR",
                help="Models of this folder may be reloaded.",
                exists=True,
                file_okay=False,
            ),
        ],
        None,
    ),
}


@takes(LIVE, THRESHOLDS)
def serve(
    ctx: typer.Context,
    model: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Of `run`, or one of its models.")
    ] = None,
    symbols: Annotated[
        list[str] | None, typer.Argument(metavar="VENUE:SYMBOL", help=VENUES)
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="A simulated market and a model of it: needs nothing.")
    ] = False,
    host: Annotated[str, typer.Option(help="Other than loopback: needs keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="0: one that is free.")] = 8000,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the simulated market.", min=0)] = 0,
) -> None:
    """Forecast live markets, and serve what is forecast.

    The API's description is at /docs of the address it prints. Ctrl-C ends it.
    """
    with ExitStack() as stack:
        if demo:
            if model is not None or symbols or ctx.params["at"]:
                raise InputError("--demo brings market and model: leave out the others")
            free(host, port)
            model, found, at = shown(stack, seed)
        elif model is None or not symbols:
            raise InputError("name a run and what it shall forecast, or give --demo")
        else:
            compiling()
            from flowsense.live.tables import wanted

            found = tuple(symbols)
            at = places(ctx.params["at"] or (), wanted(found))
        mode = "SIMULATED" if demo else "REPLAY" if at else "PAPER"
        served(model, found, at, ctx.params | {"mode": mode}, (host, port))


def shown(stack: ExitStack, seed: int) -> "tuple[Path, tuple[str, ...], dict[str, Address]]":
    """A model of a simulated market, its symbols, and where it is told until the stack ends."""
    from tempfile import TemporaryDirectory

    typer.echo(SHOWN)
    compiling()
    from flowsense.serve import showing

    folder = Path(stack.enter_context(TemporaryDirectory()))
    model = showing.model(folder, seed)
    names, address = stack.enter_context(showing.market(folder, seed))
    return model, tuple(f"{showing.VENUE}:{s}" for s in names), {showing.VENUE: address}


def exists(model: Path) -> None:
    """Raises InputError, before what would look into it is loaded."""
    if not model.is_dir():
        raise InputError(f"{model}: is neither a run nor one of its checkpoints: name one")


def compiling() -> None:
    """Tells of it once, should anything have to be compiled from here on."""
    import logging

    log = logging.getLogger("flowsense.compiling")
    log.setLevel(logging.INFO)
    if echoed not in log.filters:
        log.addFilter(echoed)


def echoed(record: "LogRecord") -> bool:
    """Said here, and by no handler besides."""
    typer.echo(record.getMessage())
    return False


def free(host: str, port: int) -> None:
    """Raises InputError where this cannot be listened on, before anything is begun."""
    from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket

    with socket(AF_INET6 if ":" in host else AF_INET) as trial:
        trial.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen()
        except OSError as error:
            why = f"cannot be listened on: {error.strerror}: give another, or 0"
            raise InputError(f"{host} port {port}: {why}") from None


def places(texts: Iterable[str], wanted: Iterable[str]) -> "dict[str, Address]":
    """By venue, each of which has to be wanted and known, its key set. Raises InputError."""
    from flowsense.sources.secret import secret
    from flowsense.sources.venues import venue

    found = dict(map(placed, texts))
    for name in (*wanted, *found):
        if variable := venue(name).secret:
            secret(variable)  # looked for before anything is begun
    if extra := set(found) - set(wanted):
        raise InputError(
            f"--at {min(extra)}: no symbol is of that venue: name one, or leave it out"
        )
    return found


def acting(target: str) -> "Risk":
    """The usual settings, on the target that is named, if one is. Raises InputError."""
    from flowsense.forecast import Target
    from flowsense.risk.settings import Settings

    return Settings(target=Target.parse(target) if target else None)


def placed(text: str) -> tuple[str, "Address"]:
    """binance-spot=ws://127.0.0.1:9000,http://127.0.0.1:9000. Raises InputError."""
    from flowsense.live.feed import Address

    name, _, both = text.partition("=")
    stream, _, rest = both.partition(",")
    if not (name and stream.startswith(("ws://", "wss://")) and rest.startswith("http")):
        raise InputError(f"--at {text!r}: write VENUE=ws://HOST:PORT,http://HOST:PORT")
    return name, Address(stream, rest)


def served(
    model: Path,
    symbols: tuple[str, ...],
    at: "dict[str, Address]",
    asked: Mapping[str, Any],
    where: tuple[str, int],
) -> None:
    """Until somebody ends it. What can be refused is so before what takes long is loaded."""
    exists(model)
    import atexit
    import gc
    from dataclasses import replace

    atexit.register(gc.freeze)  # else the process looks for garbage for seconds before it is gone
    from flowsense.serve.keys import Keys
    from flowsense.serve.settings import Settings

    settings = Settings(*where, Keys.from_environment(), models=asked["models"])
    from flowsense.train.shelf import chosen

    place = chosen(model)
    from flowsense.serve.app import ROUTES
    from flowsense.serve.board.board import Board
    from flowsense.serve.config import PipelineConfig
    from flowsense.serve.monitor import Monitor
    from flowsense.serve.pipeline import InferencePipeline
    from flowsense.serve.run import serve_app
    from flowsense.serve.runs import beside

    config = PipelineConfig(
        place,
        symbols,
        risk=acting(asked["target"]),
        confidence_threshold=asked["confidence"],
        min_agreement=asked["agreement"],
        addresses=at,
        record=asked["record"],
    )
    pipeline = InferencePipeline(config)
    monitor = Monitor(pipeline, routes=ROUTES, webhook=os.environ.get(WEBHOOK, ""))
    told, board = monitor.metrics, Board(pipeline, monitor, asked["mode"])
    settings = replace(
        settings,
        metrics=told.render,
        heard=told.asked,
        crowd=told.clients,
        runs=asked["runs"] or beside(model),
        board=board,
    )
    serve_app(
        *(pipeline, settings),
        ready=lambda port: said(where[0], port, symbols),
        beside=(("the monitor", monitor.run), ("the dashboard", board.run)),
    )


def said(host: str, port: int, symbols: tuple[str, ...]) -> None:
    """Where it is, and what to do there."""
    from flowsense.cli.terminal import console

    to, base = console(), f"http://{f'[{host}]' if ':' in host else host}:{port}"
    symbol = symbols[0].partition(":")[2]
    ask = f"curl -s {base}/api/v1/predict -H 'Content-Type: application/json' -d"
    lines = (
        f"Serving {', '.join(symbols)} at {base}",
        f'  {ask} \'{{"instrument": "{symbol}"}}\'',
        f"  python -m websockets ws://{base.removeprefix('http://')}/api/v1/predict/stream",
        "  For the first minute it warms up: no prediction is to be acted on (warming_up)",
        f"  In a browser: {base} shows it, {base}/docs describes everything; Ctrl-C ends it",
    )
    for line in lines:
        to.print(line, soft_wrap=True, markup=False, highlight=False)
