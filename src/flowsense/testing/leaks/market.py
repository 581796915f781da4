"""What is checked on: a small simulated market with bars and observations, or a recording's start.

Of the simulated one everything is known: each bar holds the trades before its stamp, each
observation is told some time after it happened, and some are revised later still.
"""

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import (
    BAR,
    EVENT,
    EVERY,
    MILLISECOND,
    OBSERVATION,
    SECOND,
    TRADE,
    Bars,
    Chunk,
    Events,
    Observations,
    kind_of,
)
from flowsense.simulate.market import Market, simulate
from flowsense.sources import Told, chunks, kinds_of
from flowsense.testing.streams import Recording, cut

BAR_NS = 500 * MILLISECOND
KINDS = ("mood", "news_sentiment")  # one of the standard names
EVERY_NS = 300 * MILLISECOND  # between two observations of a kind, about
LATE_NS = 2 * SECOND  # at most, from what happened to our knowing
REVISED = 0.3  # of the observations, up to LATE_NS after we knew


def market(seconds: float = 300.0, seed: int = 0) -> Recording:
    """The same seed gives the same records."""
    made = simulate(Market.tiny(), seconds, seed)
    rng = np.random.default_rng(seed)
    span = made.events["ts_recv"][[0, -1]]
    told = observations_of(int(span[0]), int(span[1]), rng)
    bars = bars_of(made.events, BAR_NS)
    return Recording(
        made.instruments,
        made.events,
        name="simulated market",
        bars=bars,
        observations=told,
        kinds=KINDS,
    )


def bars_of(events: Events, step_ns: int) -> Bars:
    """A bar of each instrument for every step with a trade, stamped when it closed."""
    trades = events[events["action"] == TRADE]
    steps = trades["ts_recv"] // step_ns
    order = np.lexsort((np.arange(len(trades)), trades["instrument"], steps))
    mine, step = trades[order], steps[order]
    first = np.ones(len(mine), np.bool_)
    first[1:] = (np.diff(step) != 0) | (np.diff(mine["instrument"]) != 0)
    at = np.flatnonzero(first)
    out = np.zeros(len(at), BAR).view(BAR)
    if len(at) == 0:
        return out
    out["ts_open"], out["ts_recv"] = step[at] * step_ns, (step[at] + 1) * step_ns
    out["open"], out["close"] = mine["price"][at], mine["price"][np.r_[at[1:], len(mine)] - 1]
    out["high"] = np.maximum.reduceat(mine["price"], at)
    out["low"] = np.minimum.reduceat(mine["price"], at)
    out["lots"] = np.add.reduceat(mine["lots"], at)
    out["trades"], out["instrument"] = np.diff(np.r_[at, len(mine)]), mine["instrument"][at]
    known = out["ts_recv"] <= events["ts_recv"][-1]
    return np.asarray(out[known].view(BAR))


def observations_of(start: int, end: int, rng: np.random.Generator) -> Observations:
    """Of every kind a random walk, each value told late and some of them revised later."""
    parts = []
    for kind in KINDS:
        n = int((end - start) // EVERY_NS)
        out = np.zeros(n, OBSERVATION)
        out["ts_event"] = np.sort(rng.integers(start, end, n))
        out["ts_recv"] = out["ts_event"] + rng.integers(1, LATE_NS, n)
        out["value"], out["kind"] = rng.normal(size=n).cumsum(), kind_of(kind)
        again = out[rng.random(n) < REVISED]
        again["ts_recv"] += rng.integers(1, LATE_NS, len(again))
        again["value"] += rng.normal(size=len(again))
        parts += [out, again]
    every = np.concatenate(parts)
    every["instrument"] = EVERY
    every = every[every["ts_recv"] <= end]
    return np.asarray(every[np.argsort(every["ts_recv"], kind="stable")].view(OBSERVATION))


def start_of(source: Told, events: int) -> Recording:
    """The chunks of a recording until so many events are reached."""
    parts, seen = list[Chunk](), 0
    for chunk in chunks(source):
        parts.append(chunk)
        seen += len(chunk.events)
        if seen >= events:
            break
    if seen == 0:
        raise InputError(f"{source.name}: holds no event: name another recording")
    whole = (np.concatenate(records) for records in zip(*parts, strict=True))
    told, bars, observations = whole
    dense = told.view(EVENT), bars.view(BAR), observations.view(OBSERVATION)
    return Recording(
        source.instruments,
        dense[0],
        name=source.name,
        bars=dense[1],
        observations=dense[2],
        kinds=kinds_of(source),
    )


def chunk_of(recording: Recording, events: int) -> Chunk:
    """The first so many events, and what was known by then beside them."""
    whole = Chunk(recording.events, recording.bars, recording.observations)
    return next(cut(whole, (min(events, len(recording.events)),)))
