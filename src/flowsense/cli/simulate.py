"""`flowsense simulate`: a market whose truth is known, as a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.errors import InputError
from flowsense.registry import unknown

if TYPE_CHECKING:
    from flowsense.simulate.market import Market

MOST = 166_666  # minutes that one can be simulated


def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the recording.")],
    minutes: Annotated[float, typer.Option(metavar="N", help="Length of the recording.")] = 20.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Same seed, same bytes.", min=0)] = 0,
    plant: Annotated[
        str, typer.Option(metavar="NAME,...", help="What is planted in it.")
    ] = "leader",
    instruments: Annotated[
        int | None, typer.Option(metavar="N", help="How many, 1 to 100.")
    ] = None,
    day: Annotated[
        int, typer.Option(metavar="N", help="Days after 2 January 2024.", min=0, max=3650)
    ] = 0,
) -> None:
    """Write a simulated recording, which `run` reads, and its truth.

    Plants: leader, network, breaks, patterns, alternative, arbitrage, spoofed, trends, flow.
    """
    from flowsense.cli.terminal import console
    from flowsense.simulate import saved
    from flowsense.simulate.markets import MARKETS, composed

    if not 0 < minutes < MOST:
        raise InputError(f"--minutes {minutes:g}: give more than 0 and less than {MOST:,}")
    if wrong := [name for name in plant.split(",") if name not in MARKETS]:
        raise InputError(unknown("--plant", wrong[0], tuple(MARKETS)))
    saved.check_folder(out)
    market = composed(tuple(plant.split(",")), instruments)
    events = made(out, minutes, seed, market, day)
    say = console().print
    of = f"{events:,} events of {market.instruments} instruments in {minutes:g} minutes"
    say(f"{out}: {of}, with the truth that made them.", soft_wrap=True)
    say(f"Next: flowsense run {out} --out {out}-run", soft_wrap=True)


def made(folder: Path, minutes: float, seed: int, market: "Market", day: int = 0) -> int:
    """Writes it; -> events."""
    from dataclasses import replace

    from flowsense.cli.terminal import watched
    from flowsense.schema import DAY
    from flowsense.simulate import market as markets
    from flowsense.simulate import saved

    with watched() as tell:
        tell("simulating", 0, None)
        dated = replace(market, start=market.start + day * DAY)
        simulation = markets.simulate(dated, minutes * 60, seed)
        saved.save(simulation, folder)
    return len(simulation.events)
