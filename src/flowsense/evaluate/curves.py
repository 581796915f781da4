"""What a report draws and `metrics.json` does not hold: curves, time, price with calls.

Made of the same rows, nulls and terms as the scores; plain lists that JSON can hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate import calibration, nulls, scores, significance
from flowsense.evaluate.classes import NAMES
from flowsense.evaluate.results import SCHEMA
from flowsense.evaluate.sample import Index, Masks, Sample, said, sample
from flowsense.evaluate.scores import Bools, Classes, Floats
from flowsense.evaluate.significance import Ints
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Kind, Target
from flowsense.labels import Labels
from flowsense.schema import MILLISECOND, SECOND

SHARES = (0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, *(k / 20 for k in range(3, 21)))
PERIODS = (6, 24)  # of the test span: at least, at most; else none below a bootstrap block
RESAMPLES = 200  # a band in a plot, not a verdict
POINTS, CALLS, PRICED = 1_500, 150, 8  # of a price; calls on it; instruments, at most
STRONGEST = 0.1  # of the rows of a stretch, by conviction, may be drawn as calls
PAUSE = 600 * SECOND  # parts two stretches
TYPICAL = 500 * MILLISECOND
Forecasts = Mapping[str, Sequence[Forecast]]  # of each model one forecast per fold


def curves(
    labels: Labels,
    index: Index,
    folds: Sequence[Masks],
    models: Forecasts,
    rules: Forecasts,
    mid: NDArray[np.float64],
    ticks: Mapping[str, float],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything the report draws of directions, from what `evaluate` is given.

    `mid` (n,) ticks of each row, `ticks` the size of a tick by symbol; a symbol without one is
    drawn in ticks. A target without a moved test row is left out. Raises InputError as
    `evaluate` does.
    """
    drawn = {}
    for t, target in enumerate(labels.targets):
        if not target.directed:
            continue
        of = sample(labels, index, folds, t, seed)
        if of.counted:
            drawn[str(target)] = _target(of, models, rules, seed)
    shown = headline(labels.targets)
    t = labels.targets.index(shown)
    return {
        "schema": SCHEMA,
        "shares": list(SHARES),
        "targets": drawn,
        "folds": [_layout(index.ts, fold, t) for fold in folds],
        "prices": _prices(labels, index, folds, models, t, mid, ticks),
    }


def headline(targets: Iterable[Target]) -> Target:
    """The target a report leads with: the mid whose horizon is nearest 500 ms, else the like."""
    kinds = get_args(Kind)
    return min(targets, key=lambda t: (kinds.index(t.kind), abs(log(t.horizon_ns / TYPICAL))))


def covered(strength: Floats, right: Floats, shares: Sequence[float] = SHARES) -> list[float]:
    """Accuracy over each share of rows (m,) with the most strength; ties share their places.

    Between two ends of ties the sum of what was right is a straight line: `scores.most`, for
    all shares after one sort.
    """
    order = np.argsort(-strength, kind="stable")
    ends = np.flatnonzero(np.diff(strength[order], append=-1.0))
    total = np.r_[0, np.cumsum(right[order])[ends]]
    places = np.minimum(len(order), np.ceil(np.asarray(shares) * len(order) - 1e-9))
    return _short(np.interp(places, np.r_[0, ends + 1], total) / places)


def one_against_rest(p: Floats, came: Bools) -> list[list[float]]:
    """[mean forecast, frequency, rows] of each bin of one class's probability (m,)."""
    pair = np.stack([1 - p, np.zeros(len(p)), p], axis=1)
    return _points(pair, np.where(came, UP, DOWN))


def periods(ts: Ints, horizon_ns: int) -> Ints:
    """(m,) which of `PERIODS` equal parts of stream time each row lies in."""
    mean = significance.mean_block(horizon_ns)
    at = significance.stream_time(ts, mean)
    count = int(np.clip(at[-1] // mean, *PERIODS))
    return np.asarray(at * count // (at[-1] + 1))


def _target(of: Sample, models: Forecasts, rules: Forecasts, seed: int) -> dict[str, Any]:
    y, moved = of.classes, of.classes != FLAT
    spoken = {name: said(name, each, of).p for name, each in models.items()}
    blind = {"majority": nulls.majority(of)}
    blind |= {"always_up": nulls.always(of, UP), "always_down": nulls.always(of, DOWN)}
    blind |= {name: said(name, each, of).p for name, each in rules.items()}
    right = [scores.hits(p, y)[moved] for p in (*spoken.values(), *blind.values())]
    part, over_time = _in_time(of.ts[moved], of.target.horizon_ns, np.stack(right, axis=1), seed)
    in_time = dict(zip((*spoken, *blind), over_time, strict=True))
    null_right = {name: scores.hits(p, y)[moved] for name, p in blind.items()}
    found: dict[str, Any] = {"time": part, "models": {}, "nulls": {}}
    for name, p in spoken.items():
        strength = scores.conviction(p)[moved]
        found["models"][name] = {
            "coverage": covered(strength, scores.hits(p, y)[moved]),
            "same_rows": {null: covered(strength, hit) for null, hit in null_right.items()},
            "sides": _points(p, y),
            "classes": {c: one_against_rest(p[:, k], y == k) for k, c in enumerate(NAMES)},
            "time": in_time[name],
        }
    for name, p in blind.items():
        own = covered(scores.conviction(p)[moved], null_right[name])
        found["nulls"][name] = {"coverage": own, "time": in_time[name]}
    return found


def _in_time(
    ts: Ints, horizon_ns: int, right: Floats, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Accuracy of S forecasts, right (m, S), in each period and up to its end, with intervals."""
    place = periods(ts, horizon_ns)
    first = np.r_[0, np.flatnonzero(np.diff(place)) + 1]
    end = np.r_[first[1:], len(ts)]
    part = {"start": ts[first].tolist(), "end": ts[end - 1].tolist(), "n": (end - first).tolist()}
    own = np.add.reduceat(right, first, axis=0) / (end - first)[:, None]
    so_far = np.cumsum(right, axis=0)[end - 1] / end[:, None]
    bands = [_band(ts[:e], horizon_ns, right[:e], seed) for e in end]
    columns = zip(own.T, so_far.T, zip(*bands, strict=True), strict=True)
    return part, [
        {"accuracy": _short(a), "cumulative": _short(b), "interval": list(c)} for a, b, c in columns
    ]


def _band(ts: Ints, horizon_ns: int, right: Floats, seed: int) -> list[list[float] | None]:
    """Of each column of right (m, S), its 95 % interval; None where the span is too short."""
    drawn = significance.blocks(ts, horizon_ns, seed=seed, resamples=RESAMPLES)
    if drawn is None:
        return [None] * right.shape[1]
    sums = drawn.sums(np.c_[right, np.ones(len(right))])
    found = (significance.interval(scores.ratio(x, sums[:, -1])) for x in sums[:, :-1].T)
    return [_short(np.array(x)) if x else None for x in found]


def _layout(ts: Ints, fold: Masks, t: int) -> dict[str, list[int] | None]:
    """First and last ts of each stretch that trains, validates and tests, one after the other.

    Validation begins where training ends: what comes before `choose` calibrates.
    """
    blocks = {"train": fold.train, "validation": fold.choose, "test": fold.test}
    masks = {name: mask[:, t] for name, mask in blocks.items()}
    used = np.flatnonzero(np.any([*masks.values()], axis=0))
    spans: dict[str, list[int] | None] = {}
    for name, mask in masks.items():
        at, ends = np.flatnonzero(mask[used]), list[int]()
        for run in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if len(at) else ():
            times = ts[used[run]]
            before = used[run[0] - 1] if run[0] else used[0]
            calibrates = name == "validation" and masks["train"][before]
            ends += [int(ts[before] if calibrates else times.min()), int(times.max())]
        spans[name] = ends or None
    return spans


def _prices(
    labels: Labels,
    index: Index,
    folds: Sequence[Masks],
    models: Forecasts,
    t: int,
    mid: NDArray[np.float64],
    ticks: Mapping[str, float],
) -> list[dict[str, Any]]:
    """The longest unbroken stretch of the middle test block: chosen by time, never by result."""
    k = len(folds) // 2
    said = {name: each[k] for name, each in models.items()}
    tested = folds[k].test[:, t] & np.isfinite(mid)
    busiest = np.argsort(-np.bincount(index.instrument[tested], minlength=len(index.symbols)))
    drawn = []
    for who in busiest[:PRICED]:
        rows = stretch(np.flatnonzero(tested & (index.instrument == who)), index.ts)
        if len(rows) < 2:
            continue
        symbol = index.symbols[who]
        line = Line(index.ts, mid * ticks.get(symbol, 1.0), int(index.ts[rows[0]]))
        about = {"symbol": symbol, "in_ticks": symbol not in ticks, "start": line.start}
        about |= {"target": str(labels.targets[t]), "calls": _calls(said, rows, t, labels, line)}
        drawn.append(about | line.at(rows[_spread(len(rows))]))
    return drawn


class Line(NamedTuple):
    """The price of one instrument."""

    ts: Ints  # (n,)
    price: Floats  # (n,)
    start: int

    def at(self, rows: Ints) -> dict[str, Any]:
        seconds = (self.ts[rows] - self.start) / SECOND
        return {"seconds": _short(seconds, 3), "price": _short(self.price[rows], 9)}


def _spread(n: int) -> Ints:
    """At most `POINTS` of n places, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, POINTS).astype(np.int64))


def stretch(rows: Ints, ts: Ints) -> Ints:
    """The longest in time of the runs of `rows` that no pause parts."""
    if len(rows) == 0:
        return rows
    runs = np.split(rows, np.flatnonzero(np.diff(ts[rows]) > PAUSE) + 1)
    return max(runs, key=lambda run: int(ts[run[-1]] - ts[run[0]]))


def _calls(
    models: Mapping[str, Forecast], rows: Ints, t: int, labels: Labels, line: Line
) -> dict[str, dict[str, Any]]:
    """Of each model of a direction where, to which side and how its strongest calls ended."""
    if not labels.targets[t].directed:
        return {}
    known = rows[labels.valid[rows, t]]
    found = {}
    for name, forecast in models.items():
        at = strongest(forecast, known[forecast.ready[known, t]], t, line.ts)
        side = scores.side(forecast.proba[at, t].astype(float))
        ended = side * (labels.y[at, t].astype(np.int64) - FLAT)
        found[name] = line.at(at) | {"side": side.tolist(), "ended": ended.tolist()}
    return found


def strongest(forecast: Forecast, rows: Ints, t: int, ts: Ints) -> Ints:
    """Of the most convinced rows the best in each of `CALLS` equal spans of time.

    Spans keep one burst from being all that is seen.
    """
    p = forecast.proba[rows, t].astype(float)
    kept = np.flatnonzero(scores.taken(p, scores.threshold(p, STRONGEST)))
    if len(kept) == 0:
        return rows[:0]
    at = ts[rows] - ts[rows[0]]
    place = at[kept] * CALLS // (at[-1] + 1)
    order = np.lexsort((-scores.conviction(p)[kept], place))
    return rows[kept[order[np.unique(place[order], return_index=True)[1]]]]


def _points(p: Floats, y: Classes) -> list[list[float]]:
    return [[*_short(np.array(x[:2])), x.n] for x in calibration.reliability(p, y)]


def _short(x: NDArray[np.floating], digits: int = 5) -> list[float]:
    """Rounded: a plot needs no more, and a file of them stays small."""
    return [float(v) for v in np.round(x, digits)]
