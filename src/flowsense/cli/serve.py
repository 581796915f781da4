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
    from flowsense.live.feed import Address

WEBHOOK = "FLOWSENSE_WEBHOOK"  # alerts are posted there
VENUES = "Of a venue: binance-usdm:BTCUSDT. `flowsense list venues` names them."


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
    "models": (
        Annotated[
            Path | None,
            typer.Option(metavar="DIR", help="Models of this folder may be reloaded."),
        ],
        None,
    ),
    "confidence": (
        Annotated[
            float | None,
            typer.Option(metavar="P", help="Below it nothing is recommended."),
        ],
        None,
    ),
    "agreement": (
        Annotated[
            float | None,
            typer.Option(metavar="SHARE", help="Of an ensemble's members, likewise."),
        ],
        None,
    ),
}


@takes(LIVE)
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
    from tempfile import TemporaryDirectory

    from flowsense.live.tables import wanted

    with ExitStack() as stack:
        if demo:
            from flowsense.serve import showing

            if model is not None or symbols or ctx.params["at"]:
                raise InputError("--demo brings market and model: leave out the others")
            typer.echo("Simulating a market and fitting a model: seconds, the first time a minute.")
            folder = Path(stack.enter_context(TemporaryDirectory()))
            model = showing.model(folder, seed)
            names, address = stack.enter_context(showing.market(folder, seed))
            found, at = tuple(f"{showing.VENUE}:{s}" for s in names), {showing.VENUE: address}
        elif model is None or not symbols:
            raise InputError("name a run and what it shall forecast, or give --demo")
        else:
            found = tuple(symbols)
            at = places(ctx.params["at"] or (), wanted(found))
        served(model, found, at, ctx.params, (host, port))


def places(texts: Iterable[str], wanted: Iterable[str]) -> "dict[str, Address]":
    """By venue, each of which has to be wanted and known. Raises InputError."""
    from flowsense.sources.venues import venue

    found = dict(map(placed, texts))
    for name in (*wanted, *found):
        venue(name)
    if extra := set(found) - set(wanted):
        raise InputError(
            f"--at {min(extra)}: no symbol is of that venue: name one, or leave it out"
        )
    return found


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
    """Until somebody ends it."""
    from flowsense.serve.app import ROUTES
    from flowsense.serve.config import PipelineConfig
    from flowsense.serve.keys import Keys
    from flowsense.serve.monitor import Monitor
    from flowsense.serve.pipeline import InferencePipeline
    from flowsense.serve.run import serve_app
    from flowsense.serve.settings import Settings
    from flowsense.train.shelf import chosen

    config = PipelineConfig(
        chosen(model),
        symbols,
        confidence_threshold=asked["confidence"],
        min_agreement=asked["agreement"],
        addresses=at,
        record=asked["record"],
    )
    pipeline = InferencePipeline(config)
    monitor = Monitor(pipeline, routes=ROUTES, webhook=os.environ.get(WEBHOOK, ""))
    settings = Settings(
        *(where[0], where[1], Keys.from_environment()),
        models=asked["models"],
        metrics=monitor.metrics.render,
        heard=monitor.metrics.asked,
        crowd=monitor.metrics.clients,
    )
    serve_app(
        *(pipeline, settings),
        ready=lambda port: said(where[0], port, symbols),
        beside=(("the monitor", monitor.run),),
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
        f"  {base}/docs describes everything; Ctrl-C ends it",
    )
    for line in lines:
        to.print(line, soft_wrap=True, markup=False, highlight=False)
