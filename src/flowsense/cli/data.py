"""`flowsense doctor data`: how sound a recording is."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowsense.cli import reading
from flowsense.cli.shared import takes

if TYPE_CHECKING:
    from rich.table import Table

    from flowsense.train.health import Finding, Report, Stream

STYLES = {"fine": "green", "look": "yellow", "broken": "red"}
MOST = 20  # instruments printed; the file has all of them
JSON, PICTURE = "health.json", "health.png"


@takes(reading.READING)
def data(
    ctx: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SRC", help=reading.SOURCES)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="PLACE", help="Folder, or a .json: all numbers and a picture."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if something is broken.")
    ] = False,
    quarantine: reading.Aside = None,
) -> None:
    """Look through recordings for gaps, crossed books, repeats, wrong clocks and odd trades.

    One pass in flat memory. Each finding is fine, to be looked at, or broken, by its share of the
    time or of the records; the limits are printed below the table.
    """
    from flowsense.cli.terminal import watched
    from flowsense.sources.open import open_source
    from flowsense.sources.quarantine import Quarantine
    from flowsense.store.atomic import ensure_writable
    from flowsense.train.health import examined

    if out:
        ensure_writable(out.parent)
    how = reading.options(ctx.params)
    if quarantine:
        how["quarantine"] = Quarantine(quarantine)  # of rows alone: what they tell is looked at
    source = open_source(sources, **how)
    with watched(source.files) as tell:
        found = examined(source, tell)
    say(found)
    reading.put_aside(how)
    if out:
        leave(found, out)
    if strict and found.verdict == "broken":
        raise typer.Exit(1)


def say(report: "Report") -> None:
    """What was heard of each instrument, what is odd about it, and by which limits."""
    from flowsense.cli.terminal import console
    from flowsense.train.health import CLOCK, RULES

    to, shown = console(), sorted(report.streams, key=lambda s: -s.records - s.bars)[:MOST]
    to.print(heard(shown))
    if len(report.streams) > MOST:
        to.print(f"{len(report.streams) - MOST} more stand in the file that --out writes.")
    names = {s.about for s in shown}
    found = [f for f in report.findings if f.about in names or f.verdict != "fine"]
    if found:
        to.print()
        told = Counter(s.name for s in report.streams)
        to.print(odd(found, {s.about: s.name for s in report.streams if told[s.name] == 1}))
        to.print()
        for name in dict.fromkeys(f.name for f in found if f.name in RULES):
            to.print(limits(name), style="dim", soft_wrap=True)
        if any(f.name == "clock skew" for f in found):
            to.print(
                f"clock skew: median of received less exchange time; look below 0 s or above "
                f"{CLOCK[0] / 1e9:g} s, broken beyond {CLOCK[1] / 1e9:g} s.",
                style="dim",
                soft_wrap=True,
            )
    for name, counts in report.counts.items():
        met = ", ".join(f"{what} {n:,}" for what, n in counts.items())
        to.print(f"Met in {name}: {met}.", style="dim", soft_wrap=True)
    to.print()
    to.print(f"Verdict: {report.verdict}.", style=STYLES[report.verdict])


def heard(streams: list["Stream"]) -> "Table":
    from rich.table import Table

    out = Table(box=None, pad_edge=False, header_style="")
    for name in ("stream", "records", "trades", "bars", "from", "to", "per s", "spread", "lag"):
        out.add_column(name, justify="left" if name in ("stream", "from", "to") else "right")
    for s in streams:
        spread = "-" if s.spread is None else f"{s.spread:.2f}"
        lag = "-" if s.lag is None else f"{s.lag['50 %']:.3g} s"
        counts = (f"{n:,}" if n else "-" for n in (s.records, s.trades, s.bars))
        rate = f"{s.per_second:.3g}" if s.per_second else "-"
        out.add_row(s.about, *counts, moment(s.first), moment(s.last), rate, spread, lag)
    return out


def odd(findings: list["Finding"], symbols: Mapping[str, str]) -> "Table":
    """`symbols`: what to call an instrument, where that is shorter."""
    from rich.table import Table
    from rich.text import Text

    out = Table(box=None, pad_edge=False, header_style="")
    for name in ("stream", "finding", "count", "share", "worst", "first", "at", ""):
        left = name in ("stream", "finding", "")
        out.add_column(name, justify="left" if left else "right", no_wrap=name != "stream")
    before = ""
    for f in findings:
        worst = f"{f.worst:,.4g} {f.unit}" if f.unit else "-"
        first = moment(f.first) if f.first else "-"
        at = f"{f.sequence}" if f.sequence else "-"
        share = f"{100 * f.share:.3g} % {f.of}"
        mark = Text(f.verdict, style=STYLES[f.verdict])
        about, before = "" if f.about == before else f.about, f.about
        about = symbols.get(about, about)
        out.add_row(about, f.name, f"{f.count:,}", share, worst, first, at, mark)
    return out


def limits(name: str) -> str:
    from flowsense.train.health import RULES

    rule = RULES[name]
    said = [
        f"{verdict} above {share:g}"
        for verdict, share in (("look", rule.look), ("broken", rule.broken))
        if share <= 1
    ]
    of = f" of {rule.of}" if said else ""
    return f"{name}: {rule.what}; {', '.join(said) or 'always fine'}{of}."


def moment(ts: int) -> str:
    """UTC, to the second; a microsecond would say more than most clocks know."""
    return f"{datetime.fromtimestamp(ts // 10**9, UTC):%Y-%m-%d %H:%M:%S}"


def leave(report: "Report", out: Path) -> None:
    """health.json and health.png in a folder, or beside a .json that is named."""
    from flowsense.cli.saved import save_json
    from flowsense.cli.terminal import console
    from flowsense.evaluate.report.health import draw
    from flowsense.store.atomic import replacing

    folder = out.suffix != ".json"
    numbers = out / JSON if folder else out
    picture = out / PICTURE if folder else out.with_suffix(".png")
    told = report.json()
    save_json(numbers, told)
    with replacing(picture) as draft:
        draw(draft, told)
    for path, what in ((numbers, "all numbers"), (picture, "over time")):
        console().print(f"{path}  {what}", soft_wrap=True)
