"""`flowsense prepare`: a recording folded once into rows on disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli import reading
from flowsense.cli.asking import FOLDING
from flowsense.cli.shared import takes

if TYPE_CHECKING:
    from flowsense.train.config import RunConfig
    from flowsense.train.prepared import Prepared
    from flowsense.train.read import Recording

ASKED = ("families", "clock", "targets", "start", "end")  # of the settings


@takes(FOLDING, reading.READING)
def prepare(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    out: Annotated[Path, typer.Option(metavar="ROWS", help="Folder for the rows.")],
    events: Annotated[
        bool, typer.Option("--events", help="Keep events too, which some models read.")
    ] = False,
) -> None:
    """Make rows and labels of recordings, once.

    `train` and `run` take them. In flat memory; a prepare that was killed goes on.
    """
    from flowsense.cli.run import settled
    from flowsense.cli.settings import settings
    from flowsense.cli.terminal import console, watched
    from flowsense.train.read import read

    asked = settings({key: ctx.params[key] for key in ASKED}, ctx.params["config"])
    how = reading.options(ctx.params)
    with watched() as tell:
        tell("opening", 0, None)
        recording = read(sources, **how, families=asked.families, clocks=asked.clocks)
        asked = settled(asked, recording)
    found = rows(recording, out, asked, events=events)
    console().print(
        f"{out}  {len(found):,} rows of {len(found.spec.columns)} columns from "
        f"{found.events:,} events",
        soft_wrap=True,
    )


def rows(recording: "Recording", out: Path, asked: "RunConfig", *, events: bool) -> "Prepared":
    """The rows of a recording at `out`, from now or before."""
    from flowsense.cli.terminal import watched
    from flowsense.train.preparing import prepare_rows

    with watched(recording.files) as tell, reading.named(recording.files):
        return prepare_rows(
            recording,
            asked.targets,
            out,
            start=asked.start,
            end=asked.end,
            events=events,
            progress=tell,
        )
