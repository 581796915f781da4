"""`flowsense simulate`: a market whose truth is known, as a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flowsense.simulate.market import Market


def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the recording.")],
    minutes: Annotated[float, typer.Option(metavar="N", help="Length of the recording.")] = 20.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Same seed, same bytes.", min=0)] = 0,
    instruments: Annotated[int, typer.Option(metavar="N", help="How many, 1 to 26.")] = 3,
    day: Annotated[
        int, typer.Option(metavar="N", help="Days after 2 January 2024.", min=0, max=3650)
    ] = 0,
) -> None:
    """Write a simulated recording, which `run` reads, and its truth."""
    from flowsense.cli.terminal import console
    from flowsense.simulate import saved

    saved.check_folder(out)
    events = made(out, minutes, seed, instruments, day)
    say = console().print
    of = f"{events:,} events of {instruments} instruments in {minutes:g} minutes"
    say(f"{out}: {of}, with the truth that made them.", soft_wrap=True)
    say(f"Next: flowsense run {out} --out {out}-run", soft_wrap=True)


def made(folder: Path, minutes: float, seed: int, instruments: int, day: int) -> int:
    """Writes it; -> events."""
    from flowsense.cli.terminal import watched
    from flowsense.simulate import market, saved

    with watched() as tell:
        tell("simulating", 0, None)
        simulation = market.simulate(market_of(instruments, day), minutes * 60, seed)
        saved.save(simulation, folder)
    return len(simulation.events)


def market_of(instruments: int, day: int) -> "Market":
    """The default market, with as many of its leads as there are instruments for."""
    from flowsense.schema import DAY
    from flowsense.simulate.market import EPOCH, Market

    leads = (x for x in Market.leads if max(x.leader, x.follower) < instruments)
    return Market(instruments=instruments, leads=tuple(leads), start=EPOCH + day * DAY)
