"""`flowsense record`: what live venues say, into a lake."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli.leaving import Left, leaving
from flowsense.cli.serve import LIVE, VENUES, places
from flowsense.cli.shared import takes
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.live.recorder import Kept, Recorder

EVERY = 10.0  # seconds between two lines of what has been heard


@takes({"at": LIVE["at"]})
def record(
    ctx: typer.Context,
    symbols: Annotated[list[str], typer.Argument(metavar="VENUE:SYMBOL...", help=VENUES)],
    lake: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the lake.")],
    length: Annotated[
        str | None, typer.Option("--for", metavar="10m", help="How long. Default: until Ctrl-C.")
    ] = None,
) -> None:
    """Keep what live venues say in a lake, which run and query read.

    Lost connections are made again, and holes are kept as holes. Ctrl-C ends it; what a killed one
    had heard is put in order by the next that writes there.
    """
    with leaving("ended") as left:
        from asyncio import run

        from flowsense.live.recorder import Recorder
        from flowsense.live.tables import wanted
        from flowsense.serve.logs import configure

        configure()
        for_s, found = seconds(length), wanted(symbols)
        recorder = Recorder(found, lake, addresses=places(ctx.params["at"] or (), found))
        kept = run(recorded(recorder, for_s, left, symbols))
    heard = f"{kept.events:,} events{bars(kept)} of {kept.seconds:,.0f} s are in {lake}"
    say(
        f"{heard}: {counts(kept)}"
        if kept.events or kept.bars
        else f"nothing was heard: {', '.join(kept.states)}"
    )


def seconds(length: str | None) -> float | None:
    """Raises InputError."""
    from flowsense.forecast import duration

    if length is None:
        return None
    try:
        return duration(length) / 1e9
    except InputError as error:
        raise InputError(f"--for: {error}") from None


async def recorded(
    recorder: "Recorder", for_s: float | None, left: Left, symbols: list[str]
) -> "Kept":
    """Until the time is over, or somebody ends it."""
    seen, trouble = 0.0, ""

    def began() -> None:
        left.gently = True
        if recorder.recovered:
            say(f"{recorder.recovered:,} events of a killed process are put in order")
        say(f"Recording {', '.join(symbols)} into {recorder.lake}; Ctrl-C ends it")

    def look(kept: "Kept") -> None:
        nonlocal seen, trouble
        if kept.trouble != trouble:
            trouble = kept.trouble
            typer.echo(trouble or f"{recorder.lake}: is written again", err=True)
        if kept.seconds - seen >= EVERY and sys.stderr.isatty():
            seen = kept.seconds
            line = f"{kept.seconds:6,.0f} s  {kept.events:,} events{bars(kept)}, {counts(kept)}"
            typer.echo(f"{line}; {', '.join(kept.states)}", err=True)

    def ended() -> bool:
        return left.asked or (for_s is not None and recorder.kept().seconds >= for_s)

    return await recorder.run(ended, began=began, look=look)


def bars(kept: "Kept") -> str:
    return f" and {several(kept.bars, 'bar')}" if kept.bars else ""


def counts(kept: "Kept") -> str:
    """``1 gap, 0 reconnects, 37 s without okx``."""
    parts = [several(kept.gaps, "gap"), several(kept.reconnects, "reconnect")]
    return ", ".join(parts + [f"{lost:,.0f} s without {venue}" for venue, lost in kept.lost])


def several(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def say(sentence: str) -> None:
    from flowsense.cli.terminal import console

    console().print(sentence, soft_wrap=True, markup=False, highlight=False)
