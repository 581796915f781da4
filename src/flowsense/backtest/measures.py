"""Figures of a Result: what it earned, how surely, at what cost, and when."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import Result
from flowsense.errors import InputError
from flowsense.exchange.contracts import contract, worth
from flowsense.schema import DAY, SECOND

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MINUTE, HOUR, YEAR = 60 * SECOND, 3600 * SECOND, 365.25 * DAY
UNITS = (("day", DAY), ("hour", HOUR), ("minute", MINUTE))  # of returns, the first with enough
FEWEST = 20  # returns for a Sharpe ratio


class Period(NamedTuple):
    """A year, a month, an hour of the day or a regime."""

    name: str  # ``2018``, ``2018-03``, ``14`` (o'clock, UTC), ``crisis``
    net: float  # return, share of the equity at its start; hours and regimes: of the capital
    gross: float  # the same before all costs


class Sharpe(NamedTuple):
    """Of returns over equal periods. Lo 2002, "The Statistics of Sharpe Ratios"."""

    value: float  # mean / deviation * sqrt(periods a year)
    error: float  # its standard error, of dependent returns
    adjusted: float  # by their long-run deviation, the limit of eq. 20 over many periods
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


def measure(result: Result) -> Measures:
    """All figures of a result. Raises InputError for one without a mark.

    Returns are of the equity; once that is not above 0, they are 0. Where marks are too few for
    daily returns hours are taken, then minutes; a year has as many as the marks' span had on
    average, so that a market closed at night is not taken for one that is not.
    """
    m, capital = result.marks, result.capital
    if not len(m):
        raise InputError(f"{result.name}: holds no mark: nothing was traded on any row")
    net, gross, last = level(m["equity"], capital), level(m["gross"], capital), m[-1]
    ts, years = m["ts"], float(m["ts"][-1] - m["ts"][0]) / YEAR
    trips, sent, turnover = round_trips(result), result.orders.get("sent", 0), last["turnover"]
    return Measures(
        start=int(ts[0]),
        end=int(ts[-1]),
        net=float(net[-1] / capital - 1),
        gross=float(gross[-1] / capital - 1),
        sharpe=sharpe(ts, net),
        gross_sharpe=sharpe(ts, gross),
        drawdown=drawdown(ts, net),
        trips=trips,
        win_rate=trips.won / trips.finished if trips else None,
        turnover=float(turnover / capital),
        turnover_year=float(turnover / capital / years) if years else None,
        fees=float(last["fees"]),
        slippage=float(last["slippage"]),
        funding=float(last["funding"]),
        cost_bp=float((gross[-1] - net[-1]) / turnover * 1e4) if turnover else None,
        fill_ratio=result.orders.get("filled", 0) / sent if sent else None,
        exposure=float(m["exposure"].mean() / capital),
        years=by_date(ts, net, gross, "Y"),
        months=by_date(ts, net, gross, "M"),
        hours=parts([f"{h:02}" for h in range(24)], (ts - 1) % DAY // HOUR, net, gross),
        regimes=by_regime(result, net, gross),
    )


def level(money: Floats, capital: float) -> Floats:
    """(m + 1,) from the capital on."""
    out: Floats = np.r_[capital, money]
    return out


def returns(before: Floats, after: Floats) -> Floats:
    """Shares of what was there before; 0 where that is nothing."""
    out = np.zeros(len(after))
    np.divide(after - before, before, out=out, where=before > 0)
    return out


def ends(key: Ints) -> Ints:
    """Last row of each run of equal keys."""
    return np.append(np.flatnonzero(np.diff(key)), len(key) - 1)


def by_date(ts: Ints, net: Floats, gross: Floats, unit: str) -> tuple[Period, ...]:
    """Calendar years or months (UTC) that hold a mark; one at midnight is of the day before."""
    dates = (ts - 1).astype("M8[ns]").astype(f"M8[{unit}]")
    last = ends(dates.astype(np.int64))
    first = np.r_[0, last[:-1] + 1]
    shares = [returns(x[first], x[last + 1]).tolist() for x in (net, gross)]
    return tuple(map(Period, map(str, dates[last]), *shares))


def parts(names: list[str], key: Ints, net: Floats, gross: Floats) -> tuple[Period, ...]:
    """What was gained between marks of each key; keys below 0 are left out."""
    kept = key >= 0
    gains = [np.bincount(key[kept], np.diff(x)[kept], len(names)) / x[0] for x in (net, gross)]
    found = np.bincount(key[kept], minlength=len(names)) > 0
    return tuple(
        Period(n, float(a), float(b)) for n, a, b, f in zip(names, *gains, found, strict=True) if f
    )


def by_regime(result: Result, net: Floats, gross: Floats) -> tuple[Period, ...]:
    """Gains by the regime that was known as each of them began."""
    known = np.r_[-1, result.marks["regime"][:-1]]
    names = list(result.regimes)
    names += [str(k) for k in range(len(names), int(known.max()) + 1)]
    return parts(names, known, net, gross)


def sharpe(ts: Ints, money: Floats) -> Sharpe | None:
    """Of the equity (m + 1,) at marks (m,); None for too few returns, or all alike."""
    for unit, length in UNITS:
        key = (ts - 1) // length
        last = ends(key)
        if len(last) >= FEWEST:
            first = np.r_[0, last[:-1] + 1]
            per_year = len(last) / float(key[-1] - key[0] + 1) * YEAR / length
            return of_returns(returns(money[first], money[last + 1]), per_year, unit)
    return None


def of_returns(r: Floats, per_year: float, unit: str) -> Sharpe | None:
    """Lo 2002: the error by the delta method, with Newey & West's (1987) long-run variance."""
    n, mean, deviation = len(r), float(r.mean()), float(r.std())
    if deviation <= 1e-12 * max(abs(mean), 1e-12):
        return None
    each, z = mean / deviation, (r - mean) / deviation
    error = (long_run(z - each / 2 * (z**2 - 1)) / n) ** 0.5
    spread = long_run(z) ** 0.5
    year = per_year**0.5
    adjusted = each / spread if spread > 1e-6 else each
    return Sharpe(each * year, error * year, adjusted * year, n, per_year, unit)


def long_run(x: Floats) -> float:
    """Variance of the mean of x (n,), times n: weights fall over 4 (n / 100)^(2/9) lags."""
    n = len(x)
    x, lags = x - x.mean(), int(4 * (n / 100) ** (2 / 9))
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    products = np.array([x[k:] @ x[:-k] for k in range(1, lags + 1)])
    return max(float(x @ x + 2 * weights @ products) / n, 0.0)


def drawdown(ts: Ints, money: Floats) -> Drawdown:
    """Of the equity (m + 1,), the first being the capital at the first mark."""
    at, peak = np.r_[ts[:1], ts], np.maximum.accumulate(money)
    bottom = int(np.argmax((peak - money) / peak))
    top = int(np.argmax(money[: bottom + 1]))
    back = np.flatnonzero(money[bottom:] >= peak[bottom])
    depth = float((peak[bottom] - money[bottom]) / peak[bottom])
    end = int(at[bottom + back[0]]) if len(back) else None
    high = np.flatnonzero(money == peak)
    falls = np.diff(np.append(high, len(money))) > 1
    longest = np.diff(np.append(at[high], at[-1]))[falls].max(initial=0)
    return Drawdown(depth, int(at[top]), int(at[bottom]), end, int(longest))


def round_trips(result: Result) -> Trips | None:
    """Of all instruments; None where none was finished."""
    found = [trips_of(result, k) for k in range(len(result.instruments))]
    money = np.concatenate([f[0] for f in found]) if found else np.zeros(0)
    held = np.concatenate([f[1] for f in found]) if found else np.zeros(0, np.int64)
    if not len(money):
        return None
    won = int((money > 0).sum())
    figures = (float(money.mean()), float(money.max()), float(money.min()))
    return Trips(len(money), won, *figures, int(np.median(held)))


def trips_of(result: Result, k: int) -> tuple[Floats, Ints]:
    """Gains (currency, net of fees) and times (ns) of the round trips in one instrument."""
    fills: NDArray[Any] = result.fills[result.fills["instrument"] == k]
    signed = fills["side"] * fills["lots"]
    after = np.cumsum(signed)
    before = after - signed
    through = before * after < 0  # closes one trip and opens the next
    twice = np.repeat(np.arange(len(fills)), 1 + through)
    second = np.r_[False, twice[1:] == twice[:-1]]
    lots = np.where(through[twice], np.where(second, after[twice], -before[twice]), signed[twice])
    c, f = contract(result.instruments[k]), fills[twice]
    flow = -lots * worth(c, f["price"]) - f["fee"] * (np.abs(lots) / f["lots"])
    closed = np.flatnonzero(np.cumsum(lots) == 0)
    if not len(closed):
        return np.zeros(0), np.zeros(0, np.int64)
    opened = np.r_[0, closed[:-1] + 1]
    total = np.add.reduceat(flow[: closed[-1] + 1], opened)
    return total, f["ts"][closed] - f["ts"][opened]
