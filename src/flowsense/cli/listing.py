"""`flowsense list`: what can be named on the command line."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer


class What(StrEnum):
    models = "models"
    features = "features"
    sources = "sources"
    venues = "venues"
    clocks = "clocks"


def listing(
    what: Annotated[
        What, typer.Argument(metavar="WHAT", help="models, features, sources, venues or clocks.")
    ],
) -> None:
    """Print the models, features, sources, venues or clocks there are."""
    from rich.table import Table

    from flowsense.cli.terminal import console

    table = Table.grid(padding=(0, 2, 0, 0))
    for row in ROWS[what]():
        table.add_row(*row)
    console().print(table)


def models() -> Iterator[tuple[str, ...]]:
    """Name, group, the extra that it is fitted with, what it reads, what it is and costs."""
    from flowsense.models import FAST, MODELS, NULLS, OVER, absent
    from flowsense.registry import Entry, names

    yield "name", "group", "needs", "reads", "cost", "what it is"
    known = MODELS | OVER
    for name in names("model", known):
        mark = "null" if name in NULLS else "fast" if name in FAST else "all"
        ours = known.get(name, Entry("", "of another package"))
        told, reads = (ours.line, absent(name)), ours.reads if name in known else read_by(name)
        group = "" if name in OVER else mark
        yield name, group, ours.needs, reads, ours.cost, "; ".join(filter(None, told))
    yield "", "", "", "", "", "cost: to fit and to forecast, in docs/results.md"


def read_by(name: str) -> str:
    """Of a stream, besides what has been so far of one instrument."""
    from flowsense.models import build

    needs = build(name).needs
    if needs.instruments == "all":
        return "all instruments"
    return "events" if needs.events else "rows"


def sources() -> Iterator[tuple[str, ...]]:
    from flowsense.registry import names
    from flowsense.sources.open import FORMATS

    for name in names("source", FORMATS):
        yield name, FORMATS[name].line if name in FORMATS else "of another package"


def venues() -> Iterator[tuple[str, ...]]:
    """Those heard live, with where; then names of fees, with what is charged, of what."""
    from flowsense.exchange.venues import STATED, VENUES, told
    from flowsense.registry import names
    from flowsense.sources.venues import ENTRIES

    yield "to hear live, with `serve` and `record`", "", ""
    for name in names("venue", ENTRIES):
        line = ENTRIES[name].line if name in ENTRIES else "of another package"
        yield f"  {name}", where(name), line
    yield "", "", ""
    yield "fees, for `backtest --venue`", "", ""
    for name, fees in VENUES.items():
        yield f"  {name}", told(fees), fees.line
    yield "", "", f"lowest tiers as stated in {STATED}: check them with the venue"


def where(name: str) -> str:
    """The host that a venue's stream is at."""
    from urllib.parse import urlsplit

    from flowsense.sources.venues import venue

    elsewhere = {"databento": "by the dataset", "ccxt": "by the exchange"}
    return elsewhere.get(name) or urlsplit(venue(name).stream).hostname or ""


def features() -> Iterator[tuple[str, ...]]:
    """Of each family what it is and where it is from, then its columns: name, unit, formula."""
    from flowsense.features.catalogue import DEFAULT, GROUPS, MORE, described, family, spec
    from flowsense.registry import names

    for name in (*DEFAULT, *MORE, *GROUPS, *names("feature", {})):
        module = family(name)
        yield name, "", " ".join((module.__doc__ or "").split())
        for column in module.COLUMNS:
            yield f"  {column.name}", column.unit, column.formula
        yield ("",)
    yield "observed:NAME", "", "The last known value of what the recordings observe, and its age."
    usual, full = (len(described(spec(f))) for f in (DEFAULT, DEFAULT + MORE))
    yield f"{usual} columns by default, {full} with --families full", "", ""


def clocks() -> Iterator[tuple[str, ...]]:
    yield "interval:100ms", "a row at every multiple of 100 ms, on a grid aligned to 1970"
    yield "events:50", "a row of an instrument after every 50 whole books of it"


ROWS = {
    What.models: models,
    What.features: features,
    What.sources: sources,
    What.venues: venues,
    What.clocks: clocks,
}
