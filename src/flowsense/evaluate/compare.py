"""Two forecasts of the same rows: both scores, and how far their difference could be luck."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate import sequential, significance
from flowsense.evaluate.direction import judge
from flowsense.evaluate.magnitude import size
from flowsense.evaluate.results import Number
from flowsense.evaluate.sample import Ints, Sample
from flowsense.evaluate.scores import COVERAGES, Bools, Floats, number, surprise
from flowsense.evaluate.sequential import Answer
from flowsense.evaluate.significance import FEW, Interval, interval
from flowsense.evaluate.tally import Calls, Sums
from flowsense.forecast import Target

SHARES = tuple(f"coverage@{c}" for c in COVERAGES if c < 1)
SCORES = ("accuracy", *SHARES, "side_balanced", "log_loss")
SIZES = ("mae", "rmse")
LOWER = ("log_loss", "mae", "rmse")  # the less the better
LEVEL = 0.05  # of intervals that leave zero out where there is no difference


@dataclass(frozen=True, slots=True)
class Rows:
    """What came of m rows of one target, in order of time."""

    target: Target
    ts: Ints  # (m,) ns
    path: Ints  # (m,) how often it was forecast before, by folds that test it again
    y: NDArray[np.float32]  # (m,)
    move: NDArray[np.float32]  # (m,)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one side said of them."""

    p: Floats  # (m, 3)
    value: Floats  # (m,)


@dataclass(frozen=True, slots=True)
class Cell:
    """One score of both. `difference` is a - b; `better` names a side only outside of luck."""

    a: Number
    b: Number
    difference: Number
    ci95: Interval | None
    p: Number  # two-sided: how often a resample of no difference is as far from zero
    better: str | None  # "a", "b", or None where zero lies in the interval


@dataclass(frozen=True, slots=True)
class Compared:
    """One target."""

    n: int  # moved rows; all rows of a magnitude or a regime
    rows: int
    cells: Mapping[str, Cell]
    verdict: str
    warnings: tuple[str, ...]
    in_turn: Mapping[str, Answer]  # what one who looked at all times would have known

    @property
    def main(self) -> str:
        """The score that the verdict is about."""
        return next(iter(self.cells))


def compare(rows: Rows, a: Spoken, b: Spoken, *, seed: int = 0) -> Compared:
    """Both are resampled alike, so that what is common to them falls out of the difference."""
    of = sample(rows, seed)
    sized = rows.target.kind == "magnitude"
    (mine, mine_drawn), (other, other_drawn) = (scored(of, said, sized) for said in (a, b))
    cells = {}
    for name in SIZES if sized else SCORES:
        gap = number(mine[name] - other[name])
        draws = mine_drawn[name] - other_drawn[name] if mine_drawn and other_drawn else None
        found = interval(draws) if draws is not None and gap is not None else None
        side, p = better(name, found), chance(draws) if draws is not None and found else None
        cells[name] = Cell(number(mine[name]), number(other[name]), gap, found, p, side)
    warnings = tuple(doubts(of))
    first = next(iter(cells))
    said = sentence(first, cells[first])
    return Compared(of.counted, int(of.once.sum()), cells, said, warnings, in_turn(of, a, b))


def in_turn(of: Sample, a: Spoken, b: Spoken) -> dict[str, Answer]:
    """By score: both heard row by row, each row once."""
    mine, other = (losses(of, said) for said in (a, b))
    found = {}
    for name, (rows, loss) in mine.items():
        here = rows & of.once
        gap = (loss - other[name][1])[here]
        found[name] = sequential.compared(of.ts[here], gap, of.target.horizon_ns, level=LEVEL)
    return found


def losses(of: Sample, said: Spoken) -> dict[str, tuple[Bools, Floats]]:
    """By score: which rows count (m,), and the loss of each (m,)."""
    every = np.ones(len(of.rows), np.bool_)
    if of.target.kind == "magnitude":
        return {"mae": (every, np.abs(said.value - of.y))}
    calls = Calls.of(of.target.kind, said.p, of.classes)
    wrong = np.where(calls.counts, 1 - calls.right, 0.0)
    return {"accuracy": (calls.counts, wrong), "log_loss": (every, surprise(said.p, of.classes))}


def chance(draws: Floats) -> float:
    """p of no difference, from resamples (R,) of it: twice the share on the rarer side of zero."""
    kept = draws[np.isfinite(draws)]
    rarer = min((kept <= 0).sum(), (kept >= 0).sum())
    return float(min(1.0, 2 * max(rarer, 1) / len(kept)))


def sample(rows: Rows, seed: int) -> Sample:
    """The rows as those of one test block, without anything that trained."""
    none = np.zeros(0, np.int64)
    zeros = np.zeros(len(rows.ts), np.int64)
    drawn = significance.blocks(rows.ts, rows.target.horizon_ns, seed=seed)
    return Sample(
        target=rows.target,
        column=0,
        rows=np.arange(len(rows.ts)),
        fold=zeros,
        path=rows.path,
        chosen=(),
        trained=(),
        ts=rows.ts,
        instrument=zeros,
        y=rows.y,
        move=rows.move,
        blocks=drawn,
        symbols=("",),
        regime=none,
        regimes=(),
    )


def scored(of: Sample, said: Spoken, sized: bool) -> tuple[Sums, Sums | None]:
    """Scores, and those of every resample."""
    if sized:
        found = size(of, said.value)
        return found.found, found.draws
    judged = judge(of, said.p, said.value)
    return judged.found, judged.draws


def better(name: str, found: Interval | None) -> str | None:
    if found is None or found[0] <= 0 <= found[1]:
        return None
    return "a" if (found[0] > 0) != (name in LOWER) else "b"


def sentence(name: str, cell: Cell) -> str:
    """What may be said of one score: no difference that is shown is not the same as none."""
    if cell.ci95 is None:
        return "no interval: the common rows span too little time"
    if cell.better is None:
        return "no difference shown"
    low, high = sorted(abs(end) for end in cell.ci95)
    unit = "nats" if name == "log_loss" else "ticks" if name in SIZES else "points"
    times = 100 if unit == "points" else 1
    digits = 1 if unit == "points" else 4
    span = f"{low * times:.{digits}f} to {high * times:.{digits}f} {unit}"
    return f"{cell.better.upper()} is better by {span}"


def doubts(of: Sample) -> Iterator[str]:
    if of.blocks is not None and of.blocks.expected < FEW:
        yield f"{of.target}: intervals from {of.blocks.expected:.0f} blocks are too narrow"


def luck(found: Sequence[Compared]) -> str:
    """How many of all intervals leave zero out, and how many would by luck alone."""
    cells = [cell for one in found for cell in one.cells.values() if cell.ci95 is not None]
    out = sum(cell.better is not None for cell in cells)
    return (
        f"{len(cells)} intervals were looked at: {LEVEL * len(cells):.1f} of them would leave zero "
        f"out by luck if there were no difference at all; {out} did."
    )
