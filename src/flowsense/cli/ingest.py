"""`flowsense ingest`: recordings into a lake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli import reading
from flowsense.cli.shared import takes

if TYPE_CHECKING:
    from flowsense.sources.ingest import Ingested


@takes(reading.READING)
def ingest(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    lake: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the lake.")],
    quarantine: reading.Aside = None,
) -> None:
    """Keep recordings in a lake, which run and query read.

    That is Parquet by venue, instrument and day. What is in it already is known by its content and
    passed over; a killed ingest goes on. An address in it is a source: DIR/nasdaq/GOOG@2012-06-21.
    """
    from rich.table import Table

    from flowsense.cli.terminal import console, watched
    from flowsense.schema import Chunk
    from flowsense.sources.ingest import ingest as ingested

    count, how = 0, reading.options(ctx.params)

    def watch(chunk: Chunk) -> Chunk:
        nonlocal count
        count += len(chunk.events)
        tell("ingesting", count, None)
        return chunk

    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("source", "", "events", "bars", "observations", "days", "bytes"):
        table.add_column(name, justify="left" if name in ("source", "") else "right")
    with watched() as tell:
        tell("opening", 0, None)
        for one in ingested(sources, lake, watch=watch, **how):
            table.add_row(*row(one))
    console().print(table)
    reading.put_aside(how)
    console().print(f"Next: flowsense run {lake} --out {lake}-run", soft_wrap=True)


def row(one: "Ingested") -> tuple[str, ...]:
    from flowsense.store.lake import KINDS

    if one.recording is None:
        return one.name, one.state
    spans = one.recording.spans
    counts = (one.recording.rows(kind) for kind in KINDS)
    days = len({span.day for span in spans})
    size = sum(part.size for span in spans for part in span.parts)
    return one.name, one.state, *(f"{n:,}" for n in (*counts, days, size))
