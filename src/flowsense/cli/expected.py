"""`flowsense run --dry-run`: what the run would take. Writes nothing."""

from typing import TYPE_CHECKING

from rich.table import Table

from flowsense.cli.terminal import console, watched
from flowsense.forecast import spell
from flowsense.schema import SECOND
from flowsense.train.estimate import LOADED, Estimate, estimate
from flowsense.train.run import models_of

if TYPE_CHECKING:
    from flowsense.train.config import RunConfig
    from flowsense.train.read import Recording

GB = 1e9


def show(asked: "RunConfig", learn: "Recording", tests: tuple["Recording", ...]) -> None:
    """A line per recording, then what the fits add."""
    with watched() as tell:
        tell("estimating", 0, None)
        found = [within(one, asked) for one in (learn, *tests)]
    to = console()
    to.print(table([symbols(one) for one in (learn, *tests)], found))
    to.print()
    models = models_of(asked)
    limit, most = (spell(round(asked.budget_s * k * SECOND)) for k in (1, len(models)))
    to.print(f"Then fits: {', '.join(models)}, at most {limit} for each, {most} in all.")
    memory = LOADED + sum(one.bytes for one in found)
    to.print(f"Memory at the peak: about {memory / GB:.1f} GB.")
    to.print("Nothing was written.")


def within(recording: "Recording", asked: "RunConfig") -> Estimate:
    """Between the start and the end that were asked for."""
    return estimate(recording, asked.targets, start=asked.start, end=asked.end)


def symbols(recording: "Recording") -> str:
    return ", ".join(i.symbol for i in recording.instruments)


def table(names: list[str], found: list[Estimate]) -> Table:
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    out.add_column("recording", overflow="ellipsis", no_wrap=True, max_width=32)
    for column in ("read", "events", "rows", "time"):
        out.add_column(column, justify="right", no_wrap=True)
    for k, (name, one) in enumerate(zip(names, found, strict=True)):
        role = "train" if k == 0 else "test"
        cells = (f"{one.share:.0%}", f"{one.events:,}", f"{one.rows:,}", f"{one.seconds:.0f} s")
        out.add_row(f"{role} {name}", *cells)
    return out
