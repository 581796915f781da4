"""Figures of a Result: what it earned, how surely, at what cost, and when."""

from typing import NamedTuple


class Period(NamedTuple):
    """A year, a month, an hour of the day or a regime."""

    name: str  # ``2018``, ``2018-03``, ``14`` (o'clock, UTC), ``crisis``
    net: float  # return, share of the equity at its start; hours and regimes: of the capital
    gross: float  # the same before all costs


class Sharpe(NamedTuple):
    """Of returns over equal periods. Lo 2002, "The Statistics of Sharpe Ratios"."""

    value: float  # mean / deviation * sqrt(periods a year)
    error: float  # its standard error, of dependent returns
    adjusted: float  # annualised by the autocorrelation of the returns, eq. 20
    periods: int  # returns
    per_year: float  # periods a year
    unit: str  # of a period: ``day``, ``hour`` or ``minute``


class Drawdown(NamedTuple):
    """The deepest fall of the equity from a peak."""

    depth: float  # share of the peak, 0 to 1; above 1 where more than all was lost
    peak: int  # ns
    bottom: int  # ns
    end: int | None  # ns, when the peak was reached again; None: not until the end
    longest_ns: int  # the longest time below a peak, of any fall


class Trips(NamedTuple):
    """Round trips: an instrument's executions from flat to flat (or through it)."""

    finished: int
    won: int  # net of fees
    mean: float  # currency, net
    best: float
    worst: float
    held_ns: int  # median


class Measures(NamedTuple):
    """Money in the currency of the account, returns as shares."""

    start: int  # ns
    end: int
    net: float  # return over the span, share of the capital
    gross: float  # before fees, funding and what was paid against the mid
    sharpe: Sharpe | None  # None: too few periods, or no return ever differs
    gross_sharpe: Sharpe | None
    drawdown: Drawdown
    trips: Trips | None  # None: none was finished
    win_rate: float | None  # of round trips
    turnover: float  # value executed, times the capital
    turnover_year: float | None  # the same a year; None where the span is no time
    fees: float
    slippage: float
    funding: float
    cost_bp: float | None  # gross less net, basis points of the value executed
    fill_ratio: float | None  # orders filled in whole, of those sent
    exposure: float  # mean value held, times the capital
    years: tuple[Period, ...]
    months: tuple[Period, ...]
    hours: tuple[Period, ...]  # of the day, UTC, that hold a mark
    regimes: tuple[Period, ...]  # none where nobody tells
