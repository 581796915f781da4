"""`flowsense replay`: a recording, served as its venue serves it, on the loopback address."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli import reading
from flowsense.cli.leaving import Left, leaving
from flowsense.cli.shared import Shared, takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.replay.binance_orders import Orders
    from flowsense.replay.faults import Step
    from flowsense.replay.server import Replay

OFTEN = 0.1  # s between two looks whether somebody wants an end


KEY = "replay"  # of who sends orders, and its secret
ORDERS: Shared = {
    "orders": (
        Annotated[
            bool, typer.Option("--orders", help="Take orders, too: Binance's spot and USD-M.")
        ],
        False,
    ),
}


@takes(reading.READING, ORDERS)
def replay(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    venue: Annotated[
        str | None, typer.Option("--as", metavar="VENUE", help="Default: the recording's own.")
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", help="0: the system's choice.")] = 0,
    speed: Annotated[
        float, typer.Option(metavar="X", help="Times its own pace; inf: as clients take it.")
    ] = 1.0,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Script of faults: docs/replay.md.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, for ever.")] = False,
    symbols: Annotated[
        str, typer.Option(metavar="A,B", help="Of the recording. Default: all.")
    ] = "",
) -> None:
    """Serve a recording as its venue does, with faults by script.

    It begins when the first client has subscribed. The addresses are of this machine alone. Ctrl-C
    ends it.
    """
    if not speed > 0:
        raise InputError(f"--speed {speed}: give a number above 0, or inf")
    if not 0 <= port < 2**16:
        raise InputError(f"--port {port}: give one below 65536, or 0")
    with leaving("ended") as left:
        from asyncio import run

        from flowsense.registry import names, unknown
        from flowsense.replay import ENTRIES, speaker
        from flowsense.replay.faults import read
        from flowsense.replay.feed import feed
        from flowsense.replay.server import Replay
        from flowsense.sources.open import open_source

        source = open_source(sources, **reading.options(ctx.params))
        name = venue or source.instruments[0].venue
        known = names("speaker", ENTRIES)
        if name not in known:
            own = "" if venue else f"{source.name}: give --as, one of {', '.join(known)}: "
            raise InputError(own + unknown("venue", name, known))
        told = feed(source, name, symbols=tuple(filter(None, symbols.split(","))), loop=loop)
        listed = [i.symbol for i in told.instruments]
        script = read(faults, listed) if faults else ()
        spoken = speaker(name)(told.instruments)
        place = Replay(told, spoken, speed=speed, faults=script, port=port, errs=erring)
        place.heeds = lambda here: heeding(place, here=here)
        if ctx.params["orders"]:
            place.orders = taking(spoken, name)
        left.gently = True
        run(serve(place, name, left))


def taking(spoken: object, name: str) -> "Orders":
    """The order side of this venue. Raises InputError where it has none here."""
    from flowsense.replay.binance import Binance
    from flowsense.replay.binance_orders import beside

    if not isinstance(spoken, Binance):
        raise InputError(f"--orders: {name} takes none here: give --as binance-spot, binance-usdm")
    return beside(spoken, KEY, KEY)


async def serve(place: "Replay", name: str, left: Left) -> None:
    """Until the recording has ended, or somebody ends it."""
    from flowsense.wall import pause

    async with place:
        said(place, name)
        while not left.asked and not place.playing.done():
            await pause(OFTEN)
        if not left.asked:
            await place.over()
    say(f"ended: {place.moments:,} messages of it, told to {place.served:,} connections")


def erring(step: "Step") -> None:
    """``fault silence for 10.0 s``."""
    say(f"fault {step.do} for {step.seconds} s" if step.seconds else f"fault {step.do}")


def heeding(place: "Replay", *, here: bool) -> None:
    """``a client has come: 1 connection``."""
    n = len(place.seats)
    came = "a client has come" if here else "a client is gone"
    say(f"{came}: {n} connection{'' if n == 1 else 's'}")


def said(place: "Replay", name: str) -> None:
    """Where it is, and what to say there."""
    from flowsense.sources.venues import venue

    spoken = venue(name)
    (listing, *_), path = spoken.listing(place.symbols), spoken.path(place.symbols)
    say(f"{name} of {', '.join(place.symbols)}, on this machine alone")
    say(f"  WebSocket  {place.stream}")
    say(f"  REST       {place.rest}")
    if place.orders is not None:
        say(f"  orders     with the key {KEY} and the secret {KEY}")
    say("It begins when somebody has subscribed, for instance:")
    say(f'  python -m websockets "{place.stream}{path}"')
    say(f'  curl -g "{place.rest}{listing}"')


def say(sentence: str) -> None:
    from flowsense.cli.terminal import console

    console().print(sentence, soft_wrap=True, markup=False, highlight=False)
