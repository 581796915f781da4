"""What the market and a forecast say of one row, all that a signal is made of but the account.

A fold of its own, over whole tapes: volatility, and the reasons for which a breaker may open.
"""

from math import sqrt
from typing import Any, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel
from flowsense.forecast import DOWN, UP, Forecast
from flowsense.risk.anomaly import FIRST, examine, warmed
from flowsense.risk.breaker import FORECAST, INPUT, JUMP, NUMBER, PROBABILITY, STALE, VARIANCE
from flowsense.risk.settings import TERMS
from flowsense.schema import BOOK, LARGEST, WHOLE, zeros
from flowsense.tape import Rows

STILL = 1e-9  # ticks: a deviation below it is none
PATIENT = 3.5  # rows without a change that are not stale yet, however slow they are
SAID = 3  # numbers of a forecast that its anomaly is judged by
SURE = 1e-6  # a chance below it is rounding: none
ALL = np.ones(SAID, np.bool_)
MIXED = np.random.default_rng(0).integers(-(2**62), 2**62, BOOK.itemsize // 8) | 1

CASE = np.dtype(
    [
        ("ts", "i8"),
        ("instrument", "i8"),
        ("mid2", "i8"),
        ("state", "i8"),  # of the QUOTE
        ("age", "i8"),  # ns since the feed last changed what it shows of the book
        ("shown", "i8"),  # a checksum of that
        ("breaks", "i8"),  # of the QUOTE
        ("regime", "i8"),  # a row of the terms
        ("ready", "i8"),
        ("trips", "i8"),  # of `Trip`
        ("spread", "f8"),  # ticks; 0 where the feed shows none
        ("down", "f8"),
        ("up", "f8"),
        ("value", "f8"),  # ticks
        ("agreement", "f8"),  # 1 where nobody tells
        ("members", "f8"),  # infinite where nobody tells
        ("scale", "f8"),  # of a position, as the model has it; not finite where nobody tells
        ("sigma", "f8"),  # deviation of the mid over the horizon, ticks
        ("anomaly", "f8"),  # score / threshold of the row, above 1: an alarm; 0 while warming up
        ("strange", "f8"),  # the same of the forecast
    ]
)
SEEN = np.dtype(  # of an instrument
    [
        ("ts", "i8"),
        ("mid2", "i8"),
        ("breaks", "i8"),
        ("shown", "i8"),
        ("changed", "i8"),  # ns, when that last did
        ("rows", "i8"),  # with a whole book
        ("began", "i8"),  # ns, the first of them
        ("told", "i8"),  # forecasts that were ready
        ("spoke", "i8"),  # ns, the first of them
        ("squares", "f8"),  # of changes of the mid, ticks^2, forgotten at the same rate as
        ("seconds", "f8"),  # the time they took
        ("bar", "f8"),  # log threshold of rows
        ("bar_said", "f8"),  # and of forecasts
    ]
)
Cases: TypeAlias = NDArray[Any]  # (n,) CASE


def watching(instruments: int, columns: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """State before the first row: (K,) SEEN, (K, F + SAID, 2)."""
    seen = zeros(SEEN, instruments)
    seen["bar"] = seen["bar_said"] = FIRST
    return seen, np.zeros((instruments, columns + SAID, 2))


def assembled(rows: Rows, forecast: Forecast, t: int, regimes: int) -> Cases:
    """The cases of these rows, of target t, before the fold adds to them."""
    cases = zeros(CASE, len(rows.ts))
    quote, proba = rows.quote, forecast.proba[:, t].astype(np.float64)
    for name in ("mid2", "state", "breaks"):
        cases[name] = quote[name]
    cases["ts"], cases["instrument"], cases["age"] = rows.ts, rows.instrument, rows.ts - quote["ts"]
    cases["shown"] = np.ascontiguousarray(rows.book).view(np.int64).reshape(-1, len(MIXED)) @ MIXED
    shown = (rows.book["known"] > 0) & (quote["state"] == WHOLE)
    gap = rows.book["ask_px"][:, 0] - rows.book["bid_px"][:, 0]
    cases["spread"] = np.where(shown, gap, 0)
    known = np.where(proba < SURE, 0, proba)
    cases["down"], cases["up"] = known[:, DOWN], known[:, UP]
    cases["value"], cases["ready"] = forecast.value[:, t], forecast.ready[:, t]
    aux, never = forecast.aux, np.float32(np.inf)
    cases["agreement"] = aux["agreement"][:, t] if "agreement" in aux else 1.0
    cases["members"] = aux["members"][:, t] if "members" in aux else never
    cases["scale"] = aux.get("position_scale", never)
    cases["regime"] = regimes
    if regimes and "regime" in aux and len(cases):
        told = np.isfinite(aux["regime"]).all(axis=1)
        cases["regime"] = np.where(told, aux["regime"].argmax(axis=1), regimes)
    cases["trips"] = impossible(cases, proba, rows.X)
    return cases


def impossible(cases: Cases, proba: NDArray[np.float64], X: NDArray[np.float32]) -> Any:
    """(n,) of `Trip`: numbers that cannot be."""
    finite = np.isfinite(X).all(axis=1) & np.isfinite(cases["value"])
    mid2 = cases["mid2"]
    priced = (cases["state"] != WHOLE) | ((mid2 > 0) & (mid2 <= 2 * LARGEST))
    with np.errstate(invalid="ignore"):
        inside = ((proba >= -SURE) & (proba <= 1 + SURE)).all(axis=1)
        whole = np.abs(proba.sum(axis=1) - 1) <= 1e-3
    return NUMBER * ~(finite & priced) | PROBABILITY * ~(inside & whole)


def said(cases: Cases) -> NDArray[np.float64]:
    """(n, SAID) log-odds of up against down and of a move, and the value."""
    ok = cases["trips"] == 0
    up, down = (np.where(ok, np.clip(cases[side], SURE, 1), SURE) for side in ("up", "down"))
    move = np.clip(up + down, SURE, 1 - SURE)
    value = np.where(ok, cases["value"], 0)
    return np.stack([np.log(up / down), np.log(move / (1 - move)), value], axis=1)


@kernel
def spacing(s: Record, t: Record) -> float:
    """ns from row to row, as it has lately been; 0 where nobody knows."""
    if s.rows < 2:
        return 0.0
    count = (1.0 - (1.0 - t.forget_move) ** (s.rows - 1)) / t.forget_move
    return float(1e9 * s.seconds / count)


@kernel
def move(s: Record, c: Record, t: Record) -> None:
    """Volatility, and what is wrong with the mid."""
    if c.shown != s.shown:
        s.shown, s.changed = c.shown, c.ts
    c.age = min(c.age, c.ts - s.changed)
    if c.age > max(float(t.stale_ns), PATIENT * spacing(s, t)):
        c.trips |= STALE
    if s.rows > 0:
        minutes = 1e-9 / 60.0 * (c.ts - s.ts)
        if abs(c.mid2 - s.mid2) > t.jump * s.mid2 * sqrt(max(minutes, 1.0)):
            c.trips |= JUMP
        if s.breaks == c.breaks:
            keep, step = 1.0 - t.forget_move, 0.5 * (c.mid2 - s.mid2)
            s.squares = s.squares * keep + step * step
            s.seconds = s.seconds * keep + 1e-9 * (c.ts - s.ts)
    else:
        s.began = c.ts
    s.ts, s.mid2, s.breaks, s.rows = c.ts, c.mid2, c.breaks, s.rows + 1


@kernel
def deviation(s: Record, t: Record) -> float:
    """Of the mid over the horizon, ticks; 0 where it has not moved."""
    if not s.seconds > 0.0:
        return 0.0
    found = sqrt(s.squares / s.seconds * (1e-9 * t.horizon_ns))
    return found if found > STILL else 0.0


@kernel
def conclude(s: Record, c: Record, t: Record) -> None:
    c.sigma = deviation(s, t)
    warm = s.rows > 0 and warmed(s.rows - 1, s.ts - s.began, t)
    c.trips |= VARIANCE if warm and c.sigma == 0.0 else 0
    c.trips |= INPUT if c.anomaly > 1.0 else 0
    c.trips |= FORECAST if c.strange > 1.0 else 0
    c.ready = int(c.ready != 0 and warm)


@compiled(
    types.void(
        array(SEEN),
        array(np.float64, 3),
        array(TERMS),
        array(CASE),
        array(np.float32, 2, readonly=True),
        array(np.bool_, 2, readonly=True),
        array(np.float64, 2),
    ),
    brief=True,
)
def watch(
    seen: Record,
    level: Record,
    terms: Record,
    cases: Record,
    X: Record,
    valid: Record,
    told: Record,
) -> None:
    """X (n, F), valid (n, F), told (n, SAID); adds to cases (n,)."""
    t, columns = terms[len(terms) - 1], X.shape[1]
    for r in range(len(cases)):
        c = cases[r]
        s, own = seen[c.instrument], level[c.instrument]
        whole = c.state == WHOLE and c.trips & NUMBER == 0
        if whole:
            before = s.rows
            move(s, c, t)
            warm = warmed(before, c.ts - s.began, t)
            c.anomaly, s.bar = examine(own[:columns], X[r], valid[r], before, warm, s.bar, t)
        if whole and c.ready != 0 and c.trips & PROBABILITY == 0:
            s.spoke = c.ts if s.told == 0 else s.spoke
            warm, bar = warmed(s.told, c.ts - s.spoke, t), s.bar_said
            c.strange, s.bar_said = examine(own[columns:], told[r], ALL, s.told, warm, bar, t)
            s.told += 1
        conclude(s, c, t)
