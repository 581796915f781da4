"""Two arms of one stream: which earns more, by a test that may be looked at after every block.

Positions are marked at the mid, so that a block gains what prices did to what it held and pays what
it traded, whether or not a position is closed in it. Where prices cannot be foretold from block to
block, neither can the difference of two equals, however long they hold.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import Result
from flowsense.backtest.arms import Arm
from flowsense.errors import InputError
from flowsense.evaluate.report.markup import moment, span
from flowsense.evaluate.sequential import Answer, Sequential
from flowsense.evaluate.significance import FEW, Interval, blocks, interval, mean_block
from flowsense.schema import SECOND

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MINUTE = 60 * SECOND  # marks are kept once in each
ROUNDING = 1e-14  # share of the capital; gains of a minute that differ by less are equal
POINTS = 800  # of a curve
FEWEST = 10  # blocks for a correlation of neighbours
PARTS = ("gross", "slippage", "fees", "funding")


class Side(NamedTuple):
    """What one arm did while both ran, in the currency of its account."""

    name: str
    capital: float
    net: float
    gross: float  # before the three that follow
    slippage: float
    fees: float
    funding: float
    fills: int
    turnover: float  # value executed, times the capital


class Gap(NamedTuple):
    """Of a less b, as shares of their capital: net is the sum of the others."""

    net: float
    gross: float
    slippage: float  # below 0: a paid more
    fees: float
    funding: float


class Curves(NamedTuple):
    """Net gains since both ran, as shares of the capital, at POINTS times or fewer."""

    ts: Ints
    a: Floats
    b: Floats


class Compared(NamedTuple):
    """Two arms over the time in which both ran."""

    start: int  # ns
    end: int
    block_ns: int
    a: Side
    b: Side
    gap: Gap
    ci95: Interval | None  # of gap.net, by a block bootstrap; None: too short a time
    in_turn: Answer  # a test of blocks in turn; shares of the capital an hour
    sentence: str
    warnings: tuple[str, ...]
    targets: tuple[str, ...]  # that both forecast, by models of their own
    curves: Curves


def block_of(arms: Mapping[str, Arm]) -> int:
    """ns of whole minutes: ten of the longest horizon that any arm acts on, and no less than one.

    Raises InputError for a plan that acts on what its model does not forecast.
    """
    acted = (arm.plan.risk.acted_on(arm.model.targets) for arm in arms.values())
    return whole(mean_block(max(target.horizon_ns for target in acted)))


def whole(ns: int) -> int:
    """Up to whole minutes, of which marks know."""
    return -(-ns // MINUTE) * MINUTE


def compared(
    a: Result, b: Result, block_ns: int, *, targets: tuple[str, ...] = (), seed: int = 0
) -> Compared:
    """As far as they have come. What was decided earlier stays decided, whenever it is asked.

    Args:
        block_ns: whole minutes; see `block_of`.
        targets: that both forecast, by models of their own.
        seed: of the interval.

    Raises InputError for other blocks, and for arms that never ran at the same time.
    """
    if block_ns < MINUTE or block_ns % MINUTE:
        raise InputError(f"blocks of {span(block_ns / SECOND)}: give whole minutes, 1m or more")
    x, y = a.marks, b.marks
    sides, (i, j) = (a, b), seen_by_both(a, b)
    ts, shares = gained(sides, (i, j))
    gap = np.where(np.abs(shares[0] - shares[1]) < ROUNDING, 0.0, shares[0] - shares[1])
    ends = slice(int(i[0]), int(i[-1]) + 1), slice(int(j[0]), int(j[-1]) + 1)
    one, other = (side(r, r.marks[e]) for r, e in zip(sides, ends, strict=True))
    answer = in_turn(sides, block_ns)
    drawn = blocks(ts, block_ns // 10, seed=seed) if len(ts) else None
    draws = drawn.sums(np.c_[gap, np.ones(len(gap))]) if drawn else None
    begin = int(max(x["ts"][i[0]], y["ts"][j[0]]))
    level = (np.r_[0.0, np.cumsum(s)] for s in shares)
    if idle(sides, ends):
        said, warnings = "neither traded while both ran: there is nothing to compare", list[str]()
    else:
        said = sentence(answer, block_ns, alike=not gap.any())
        warnings = [*doubts(sides, ends, block_ns), *few(drawn and drawn.expected)]
        warnings += near(ts, gap, block_ns)
    return Compared(
        begin,
        int(max(x["ts"][i[-1]], y["ts"][j[-1]])),
        block_ns,
        one,
        other,
        gap_of(one, other),
        None if draws is None else interval(draws[:, 0] / draws[:, 1] * len(gap)),
        answer,
        said,
        tuple(warnings),
        targets,
        Curves(*thinned(np.r_[begin, ts], *level)),
    )


def seen_by_both(a: Result, b: Result) -> tuple[Ints, Ints]:
    """Marks of both, side by side: where both begin, each minute that both marked, where one ends.

    Raises InputError where they never ran at the same time.
    """
    x, y = a.marks["ts"], b.marks["ts"]
    if not len(x) or not len(y) or max(x[0], y[0]) > min(x[-1], y[-1]):
        raise InputError(f"{a.name} and {b.name} never ran at the same time: let both begin sooner")
    at = np.array([max(x[0], y[0]), min(x[-1], y[-1])])
    i, j = closed(a, b)
    (i0, i1), (j0, j1) = (np.searchsorted(t, at, "right") - 1 for t in (x, y))
    i, j = (np.maximum.accumulate(np.r_[k]) for k in ((i0, i, i1), (j0, j, j1)))
    moved = np.r_[True, (np.diff(i) > 0) | (np.diff(j) > 0)]
    return i[moved], j[moved]


def closed(a: Result, b: Result) -> tuple[Ints, Ints]:
    """Marks of both in each minute that both marked, but the last, which is not of a whole one."""
    x, y = (r.marks["ts"][:-1] // MINUTE for r in (a, b))
    _, i, j = np.intersect1d(x, y, return_indices=True)
    return i, j


def gained(sides: tuple[Result, Result], at: tuple[Ints, Ints]) -> tuple[Ints, list[Floats]]:
    """From each of these marks to the next: when it was known, and shares of the capital."""
    marks = [r.marks[k] for r, k in zip(sides, at, strict=True)]
    ts = np.maximum.accumulate(np.maximum(*(m["ts"] for m in marks)))
    shares = [np.diff(m["equity"]) / r.capital for m, r in zip(marks, sides, strict=True)]
    return ts[1:], shares


def in_turn(sides: tuple[Result, Result], block_ns: int) -> Answer:
    """What one who looked after every block knows by now; a gain is of the block it was known in.

    Means and bounds are of a less b, shares of the capital an hour.
    """
    ts, (a, b) = gained(sides, closed(*sides))
    fold = Sequential(block_ns // 10)
    gap = np.where(np.abs(b - a) < ROUNDING, 0.0, b - a)  # what a lost against b
    state = fold.push(fold.init(), ts - 1, gap)
    if len(ts):
        state = fold.until(state, int(ts[-1]))
    found = fold.answer(state)
    if found.mean is None:
        return found
    hour = 3600 * SECOND // MINUTE
    ends = found.interval and (-found.interval[1] * hour, -found.interval[0] * hour)
    return Answer(found.better, found.at, found.blocks, -found.mean * hour, ends)


def side(result: Result, marks: NDArray[Any]) -> Side:
    """From the first to the last of these marks."""
    first, last, ts = marks[0], marks[-1], result.fills["ts"]
    gross, slippage, fees, funding = (float(last[part] - first[part]) for part in PARTS)
    return Side(
        name=result.name,
        capital=result.capital,
        net=float(last["equity"] - first["equity"]),
        gross=gross,
        slippage=slippage,
        fees=fees,
        funding=funding,
        fills=int(((ts > first["ts"]) & (ts <= last["ts"])).sum()),
        turnover=float(last["turnover"] - first["turnover"]) / result.capital,
    )


def gap_of(a: Side, b: Side) -> Gap:
    """Costs count against the one that paid them."""
    net, gross, *paid = (
        getattr(a, n) / a.capital - getattr(b, n) / b.capital for n in ("net", *PARTS)
    )
    return Gap(net, gross, *(0.0 - x for x in paid))


def thinned(ts: Ints, *levels: Floats) -> Iterator[NDArray[Any]]:
    kept = np.unique(np.linspace(0, len(ts) - 1, min(POINTS, len(ts))).round().astype(np.int64))
    return (x[kept] for x in (ts, *levels))


def sentence(found: Answer, block_ns: int, *, alike: bool) -> str:
    """The finding of one who looks after every block."""
    if alike:
        return "A and B earned the same in every minute"
    if found.better and found.at is not None:
        return f"{found.better.upper()} earns more since {moment(found.at, 'm')} UTC"
    length = span(block_ns / SECOND)
    if not found.blocks:
        return f"too few blocks of {length} so far: the first eight settle the scale"
    return f"undecided after {found.blocks} blocks of {length}"


def doubts(sides: tuple[Result, Result], ends: tuple[slice, slice], block_ns: int) -> Iterator[str]:
    """What a reader should know of the two before believing a figure."""
    a, b = sides
    for letter, r, e in zip("AB", sides, ends, strict=True):
        m = r.marks[e]
        if not m["turnover"][-1] - m["turnover"][0]:
            yield f"{letter} traded nothing while both ran: the other stands against doing nothing"
        elif held(m) > block_ns:
            yield (
                f"{letter} holds for about {span(held(m) / SECOND)}, longer than a block: where "
                "prices drift, few positions decide; say block=TIME for longer ones"
            )
    if len({(int(r.marks["ts"][0]), int(r.marks["ts"][-1])) for r in sides}) > 1:
        yield "one ran longer than the other: only the time in which both did counts"
    if a.capital != b.capital:
        yield "the capitals differ: gains are compared as shares of each"


def idle(sides: tuple[Result, Result], ends: tuple[slice, slice]) -> bool:
    """Whether neither traded, or gained from what it held before."""
    marks = [r.marks[e] for r, e in zip(sides, ends, strict=True)]
    return not any(np.ptp(m["turnover"]) or np.ptp(m["equity"]) for m in marks)


def held(marks: NDArray[Any]) -> float:
    """ns that a unit of value is held on average: Little's law, what is held by what goes out."""
    time = float(marks["ts"][-1] - marks["ts"][0])
    executed = float(marks["turnover"][-1] - marks["turnover"][0])
    return 2 * float(marks["exposure"].mean()) * time / executed


def few(expected: float | None) -> Iterator[str]:
    if expected is not None and expected < FEW:
        yield f"the interval is from {expected:.0f} blocks: too narrow to trust"


def near(ts: Ints, gap: Floats, block_ns: int) -> Iterator[str]:
    """Whether neighbouring blocks gain alike, which the test takes them not to."""
    number = (ts - 1) // block_ns
    first = np.flatnonzero(np.diff(number, prepend=-1))
    sums = np.add.reduceat(gap, first) if len(first) else gap
    if len(sums) < FEWEST or sums.std() == 0:
        return
    z = (sums - sums.mean()) / sums.std()
    alike = float((z[1:] * z[:-1]).mean())
    if alike > 2 / np.sqrt(len(z)):
        yield (
            f"neighbouring blocks gain alike (correlation {alike:.2f}): the test takes them for "
            "independent; say block=TIME for longer ones"
        )
