"""How a result changes with what nobody knows exactly: costs, latency, size.

A strategy that earns only at the costs that were assumed has not been shown to earn.
"""

from typing import NamedTuple


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
