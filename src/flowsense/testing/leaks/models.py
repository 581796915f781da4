"""Models: no forecast may change with what comes after it, and no fit with what it may not read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Forecast
from flowsense.labels import Labels, join
from flowsense.labels.stages import Stages
from flowsense.model import Budget, Model
from flowsense.schema import NEVER, Chunk, Instrument
from flowsense.tape import FeatureSpec, Tape
from flowsense.testing.leaks.findings import Finding, found
from flowsense.testing.leaks.future import AGAIN, CUT, FURTHEST, GARBAGE, SHIFTED
from flowsense.testing.models import Place, cut, decided, places, poisoned, told
from flowsense.testing.streams import tape_of

INVALID, LATER = "fit: labels", "fit: rows"
BUDGET = Budget(steps=20)
LEARNED = 0.6  # of the rows, whose labels are known before the rest begins
STOPPED = 0.8  # of these, from which on a fit only learns when to stop
SIZED = ("proba", "value", "ready")


@dataclass(frozen=True, slots=True)
class Learning:
    """A Reader of one tape, with its labels."""

    spec: FeatureSpec
    instruments: tuple[Instrument, ...]
    tape: Tape
    labels: Labels  # valid before row `now` only
    now: int

    def __iter__(self) -> Iterator[Tape]:
        return iter((self.tape,))


def learning(
    spec: FeatureSpec, instruments: tuple[Instrument, ...], stream: Chunk, stage: Stages
) -> Learning:
    """The first rows are to be learned, as far as their labels are known before the others."""
    tape = tape_of(spec, instruments, stream)
    state, done = stage.fold(stage.init(), tape)
    labels, ts = join([done, stage.close(state)]), tape.rows[0].ts
    edges = tape.rows[0].instants()
    now = int(edges[np.searchsorted(edges, LEARNED * len(ts))])
    early = int(ts[int(STOPPED * now)])
    known = labels.known_at < ts[now]
    stop = known & (ts >= early)[:, None]
    return Learning(
        spec, instruments, tape, labels.to_fit(known & (labels.known_at < early), stop), now
    )


def check_model_future(
    name: str, model: Model[Any], tape: Tape, points: int, seed: int = 0
) -> list[Finding]:
    """Forecasts of a fitted model before each of some points, with another tape after it."""
    rng, m = np.random.default_rng(seed), len(tape.events)
    _, whole = model.predict(model.init(tape.instruments), tape)
    some = np.sort(rng.choice(np.arange(1, m), min(points, m - 1), replace=False))
    at = places(tape, some, rng)

    def law(others: Callable[[Place], tuple[Tape, ...]]) -> str:
        for place in at:
            for other in others(place):
                _, now = model.predict(model.init(tape.instruments), other)
                assert_same(whole, now, tape, place[1])
        return f"{len(whole.ready)} rows, {len(at)} points"

    laws: dict[str, Callable[[Place], tuple[Tape, ...]]] = {
        CUT: lambda place: (cut(tape, (0, 0), place),),
        GARBAGE: lambda place: (poisoned(tape, place, rng),),
        SHIFTED: lambda place: shifted(tape, place, rng),
        AGAIN: lambda place: (tape,) if place == at[-1] else (),
    }
    return [found(check, name, partial(law, of)) for check, of in laws.items()]


def check_fit(name: str, model: Model[Any], data: Learning, seed: int = 0) -> list[Finding]:
    """A fit repeats; other labels where they are not valid, or other rows after them, change none.

    Forecasts of the rows before `now` are compared.
    """
    rng = np.random.default_rng(seed)

    def said(of: Learning) -> Forecast:
        fitted = model.fit(of, of.labels, seed=seed, budget=BUDGET)
        return fitted.predict(fitted.init(data.instruments), data.tape)[1]

    whole = said(data)
    events = int(data.tape.rows[0].event[data.now])
    others = {
        "fit again": data,
        INVALID: replace(data, labels=spoiled(data.labels, rng)),
        LATER: replace(data, tape=poisoned(data.tape, (events, data.now), rng)),
    }
    words = {
        "fit again": "after a second fit: it draws or remembers elsewhere",
        INVALID: "with other labels on rows that are not valid: the fit reads them",
        LATER: f"with other rows from row {data.now} on, none of them learned: the fit reads them",
    }

    def law(check: str) -> str:
        assert_same(whole, said(others[check]), data.tape, data.now, words[check])
        return f"{data.now} rows"

    return [found(check, name, partial(law, check)) for check in others]


def spoiled(labels: Labels, rng: np.random.Generator) -> Labels:
    """Other labels wherever they are not valid."""
    out = ~labels.valid
    y, move, weight = (x.copy() for x in (labels.y, labels.move, labels.weight))
    y[out] = rng.integers(0, 3, out.sum())
    move[out] = rng.normal(0, 1e3, out.sum())
    weight[out] = rng.uniform(0, 1e3, out.sum())
    return labels._replace(y=y, move=move, weight=weight)


def shifted(tape: Tape, place: Place, rng: np.random.Generator) -> tuple[Tape, ...]:
    """What comes after the place comes as soon as it can, or some time later."""
    p, r = place
    after = [told(tape, place), int(tape.rows[0].ts[r:].min(initial=NEVER))]
    last = max(int(tape.events["ts_recv"][p - 1]), int(tape.rows[0].ts[:r].max(initial=0)))
    slow = decided(tape, place)
    after += [int(rows.ts[rows.ts > slow].min(initial=NEVER)) for rows in tape.rows[1:]]
    sooner, later = min(min(after) - last - 1, FURTHEST), int(rng.integers(1, FURTHEST))
    return tuple(at_other_times(tape, place, by) for by in (-sooner, later) if by != 0)


def at_other_times(tape: Tape, place: Place, by: int) -> Tape:
    p, r = place
    start, slow = told(tape, place), decided(tape, place)

    def moved(records: NDArray[Any], late: NDArray[np.bool_], *names: str) -> NDArray[Any]:
        out = records.copy()
        for name in names:
            out[name][late] += by
        return out

    first, *slower = tape.rows
    ts = [np.where(np.arange(len(first.ts)) >= r, first.ts + by, first.ts)]
    ts += [np.where(rows.ts > slow, rows.ts + by, rows.ts) for rows in slower]
    rows = tuple(x._replace(ts=t) for x, t in zip(tape.rows, ts, strict=True))
    bars, told_of = (moved(x, x["ts_recv"] >= start, "ts_recv") for x in tape[1:3])
    events = moved(tape.events, np.arange(len(tape.events)) >= p, "ts_recv", "ts_event")
    quotes = moved(tape.quotes, tape.quotes["ts"] >= start, "ts")
    return Tape(events, bars, told_of, quotes, rows, tape.instruments)


def assert_same(ours: Forecast, theirs: Forecast, tape: Tape, n: int, words: str = "") -> None:
    """The first n forecasts, bit for bit. Raises AssertionError naming row, time and values."""
    rows = tape.rows[0]
    columns = {name: (getattr(ours, name), getattr(theirs, name)) for name in SIZED}
    columns |= {name: (ours.aux[name], theirs.aux[name]) for name in ours.aux}
    for name, (a, b) in columns.items():
        x, y = a[:n], b[:n]
        assert x.shape == y.shape, f"{name}: {len(y)} forecasts of {len(x)} rows"
        where = np.argwhere((x != y) & ~((x != x) & (y != y)))
        if not len(where):
            continue
        first = tuple(where[0].tolist())
        target = f", {ours.targets[first[1]]}" if name in SIZED else ""
        at = f"row {first[0]}, {rows.ts[first[0]]} of instrument {rows.instrument[first[0]]}"
        after = words or f"with another future after row {n - 1}"
        raise AssertionError(f"{name} at {at}{target}: {x[first]} and {y[first]}, {after}")
