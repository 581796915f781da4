"""`flowsense run --dry-run`: what the run would take. Writes nothing."""

from typing import TYPE_CHECKING

from rich.table import Table

from flowsense.backtest.expected import trading
from flowsense.cli.terminal import console, watched
from flowsense.forecast import spell
from flowsense.models import ENSEMBLE, NULLS
from flowsense.schema import SECOND
from flowsense.train.combined import FEWEST
from flowsense.train.estimate import LOADED, Estimate, Hearing, estimate, hearing
from flowsense.train.run import models_of

if TYPE_CHECKING:
    from flowsense.train.config import RunConfig
    from flowsense.train.read import Recording

GB, SOON = 1e9, 120.0


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
    both = together(tuple(models), asked, found)
    if both is not None:
        to.print(f"Then hears them together: {took(both.seconds)}.")
    traded = tests or (learn,)
    each = zip(traded, found[-len(traded) :], strict=True)
    costs = [trading(one, asked.targets, estimate.events) for one, estimate in each]
    if costs := [cost for cost in costs if cost is not None]:
        to.print(f"Then trades the chosen: {took(sum(costs))}, besides what it takes to forecast.")
    memory = LOADED + sum(one.bytes for one in found) + (both.bytes if both else 0)
    to.print(f"Memory at the peak: about {memory / GB:.1f} GB.")
    to.print("Nothing was written.")


def together(models: tuple[str, ...], asked: "RunConfig", found: list[Estimate]) -> Hearing | None:
    """Of an ensemble; None where there is none of fewer models than two that learn."""
    learned = [name for name in models if name not in NULLS]
    if len(learned) < FEWEST or ENSEMBLE in models:
        return None
    rows, tests = found[0].rows, sum(one.rows for one in found[1:])
    return hearing(len(learned), asked.targets, rows, tests)


def took(seconds: float) -> str:
    """``about 40 s``, ``about 12 min``."""
    if seconds < 1:
        return "under 1 s"
    return f"about {seconds:.0f} s" if seconds < SOON else f"about {seconds / 60:.0f} min"


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
