"""How a result changes with what nobody knows exactly: costs, latency, size.

A strategy that earns only at the costs that were assumed has not been shown to earn.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple, TypeAlias

from flowsense.backtest import Result
from flowsense.backtest.measures import measure
from flowsense.errors import InputError
from flowsense.exchange.client import Terms

Run: TypeAlias = Callable[[float], Result]  # the same backtest, but for the number it is given


class Point(NamedTuple):
    """One run."""

    at: float  # what was varied, in the unit of the `Sensitivity`
    net: float  # return over the whole span, share of the capital
    gross: float  # the same before fees, funding and what was paid against the mid
    sharpe: float | None  # net, annualised; None where there is too little to tell
    drawdown: float  # worst, share of the peak
    turnover: float  # value executed, times the capital
    fill_ratio: float | None  # orders filled in whole, of those sent; None where none was


class Sensitivity(NamedTuple):
    """Runs that differ in one thing alone, in order of it."""

    name: str  # like ``costs``
    unit: str  # of `Point.at`, like ``x`` or ``ms``
    points: tuple[Point, ...]


COSTS = (0.0, 0.5, 1.0, 2.0, 4.0)  # times what was assumed
LATENCIES = (0.0, 1.0, 10.0, 100.0)  # ms, from us to the venue
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # times what was traded


def vary(name: str, unit: str, run: Run, grid: Sequence[float]) -> Sensitivity:
    """One run for each of the grid. Raises InputError for a grid that cannot be."""
    steps = [b - a for a, b in pairwise(grid)]
    if not grid or not all(0 <= at < inf for at in grid) or not all(s > 0 for s in steps):
        given = ", ".join(f"{at:g}" for at in grid) or "none"
        raise InputError(f"{name}: {given} cannot be varied over: give numbers from 0 that rise")
    return Sensitivity(name, unit, tuple(point(at, run(at)) for at in grid))


def costs(run: Run, grid: Sequence[float] = COSTS) -> Sensitivity:
    """run(factor): with so many times fees, spread and slippage."""
    return vary("costs", "x", run, grid)


def latency(run: Run, grid: Sequence[float] = LATENCIES) -> Sensitivity:
    """run(ms): orders reach the venue so much later."""
    return vary("latency", "ms", run, grid)


def capacity(run: Run, grid: Sequence[float] = SIZES) -> Sensitivity:
    """run(factor): with so many times the size, of as many times the capital."""
    return vary("capacity", "x", run, grid)


def point(at: float, result: Result) -> Point:
    m = measure(result)
    ratio = m.sharpe.value if m.sharpe else None
    return Point(at, m.net, m.gross, ratio, m.drawdown.depth, m.turnover, m.fill_ratio)


def turns(s: Sensitivity) -> float | None:
    """Where the net return turns from above 0 to 0, on a line between points; None: nowhere."""
    for a, b in pairwise(s.points):
        if a.net > 0 >= b.net:
            return a.at + (b.at - a.at) * a.net / (a.net - b.net)
    return None


def dearer(terms: Sequence[Terms], factor: float) -> tuple[Terms, ...]:
    """The same with so many times the fees; rebates and funding stay."""
    return tuple(
        t._replace(maker=t.maker * factor, taker=t.taker * factor, per_lot=t.per_lot * factor)
        for t in terms
    )
