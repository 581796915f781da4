"""When a stream says that it knew: bars when they closed, observations no sooner than told.

Whatever reads a stream believes `ts_recv`. A bar that is stamped with its open, or a revision that
is stamped with what it revises, leaks into honest code; here the stamps themselves are checked.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import TRADE, Bars, Chunk, Instrument, Observations
from flowsense.testing.leaks.findings import Finding, found

BARS, OBSERVED = "bars", "observations"
FEWEST = 20  # bars of one instrument that are compared with its trades
BETTER = 0.2  # of the bars, that must fit the trades after the stamp better than those before
Ints = NDArray[np.int64]


def check_stamps(instruments: tuple[Instrument, ...], stream: Chunk) -> list[Finding]:
    """Of the bars of each instrument, and of the observations together, where there are any."""
    out = list[Finding]()
    for who in np.unique(stream.bars["instrument"]).tolist():
        name, bars = instruments[who].symbol, stream.bars[stream.bars["instrument"] == who]
        out.append(found(BARS, name, partial(stamped, who, bars, stream)))
    if len(stream.observations):
        out.append(found(OBSERVED, "observations", lambda: revised(stream.observations)))
    return out


def stamped(who: int, bars: Bars, stream: Chunk) -> str:
    """No bar holds what came after its stamp. Raises AssertionError.

    A bar whose stamp is not after its open says so itself; else its close, volume and range are
    sought among the trades before the stamp and, one bar on, among those after it.
    """
    early = np.flatnonzero((bars["ts_recv"] <= bars["ts_open"]) & (bars["high"] > bars["low"]))
    if len(early):
        bar = bars[early[0]]
        raise AssertionError(
            f"bar {early[0]}, received {bar['ts_recv']}, is stamped when it opened, "
            f"and holds a range of {bar['low']} to {bar['high']} ticks"
        )
    mine = (stream.events["action"] == TRADE) & (stream.events["instrument"] == who)
    trades = stream.events[mine]
    inside = bars["ts_recv"] <= (trades["ts_recv"][-1] if len(trades) else 0)
    if len(trades) == 0 or inside.sum() < FEWEST:
        return f"{len(bars)} bars, not compared: too few of them have trades beside"
    some, step = bars[inside], period(bars)
    before = fits(some, some["ts_recv"] - step, trades)
    after = fits(some, some["ts_recv"], trades, step)
    if after.mean() > before.mean() + BETTER:
        k = int(np.flatnonzero(after & ~before)[0])
        raise AssertionError(
            f"bar {k}, received {some['ts_recv'][k]}, closes at {some['close'][k]} as the trades "
            f"of the {step} ns after its stamp do: so do {after.mean():.0%} of the bars, and "
            f"{before.mean():.0%} as those before it: stamp bars when they close"
        )
    return f"{len(some)} bars, {before.mean():.0%} close as the trades before their stamp"


def period(bars: Bars) -> int:
    """ns between two bars, most often."""
    steps, count = np.unique(np.diff(bars["ts_recv"]), return_counts=True)
    return int(steps[np.argmax(count)])


def fits(
    bars: Bars, start: Ints, trades: NDArray[np.void], step: int | None = None
) -> NDArray[np.bool_]:
    """(k,) whether a bar closes at the last price of its span, and has as many lots."""
    end = bars["ts_recv"] if step is None else start + step
    a, b = (np.searchsorted(trades["ts_recv"], edge) for edge in (start, end))
    total = np.r_[0, np.cumsum(trades["lots"])]
    last = trades["price"][np.maximum(b - 1, 0)]
    return np.asarray((b > a) & (last == bars["close"]) & (total[b] - total[a] == bars["lots"]))


def revised(told: Observations) -> str:
    """Nothing is known before it happened, nor a revision at the time of what it revises."""
    early = np.flatnonzero(told["ts_recv"] < told["ts_event"])
    if len(early):
        one = told[early[0]]
        raise AssertionError(
            f"observation {early[0]}, received {one['ts_recv']}, happened at {one['ts_event']}: "
            "known before it happened"
        )
    order = np.lexsort(
        (np.arange(len(told)), *(told[k] for k in ("ts_event", "instrument", "kind")))
    )
    a, b = told[order[:-1]], told[order[1:]]
    same = np.logical_and.reduce([a[k] == b[k] for k in ("ts_event", "instrument", "kind")])
    again = np.flatnonzero(same & (a["value"] != b["value"]))
    late = again[b["ts_recv"][again] <= a["ts_recv"][again]]
    if len(late):
        x, y = a[late[0]], b[late[0]]
        raise AssertionError(
            f"of what happened at {x['ts_event']} both {x['value']} and {y['value']} are "
            f"received at {y['ts_recv']}: a revision is stamped with what it revises"
        )
    at_once = told["ts_recv"] == told["ts_event"]
    return f"{len(told)} observations, {len(again)} revisions, {at_once.mean():.0%} known at once"
