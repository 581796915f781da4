"""Rows of noise in which pulses tell the side of moves some seconds later: the answer is known.

Of one instrument, every 100 ms. Each pattern has a column of its own, with a pulse of half a second
to either side now and then. While a row is `lag_s` behind where one began, give or take half of
`wide_s`, it adds to the log-odds of up. All rows move, so that these log-odds are all there is to
know.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.features.catalogue import described, spec
from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import sigmoid
from flowsense.schema import BOOK, EVENT, MILLISECOND, QUOTE, Decimal, Instrument, zeros
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.tape import Rows, Tape

SPEC = spec(("flow",))
TABLE = (Instrument("A", "pulses", Decimal(1, -2), Decimal(1, 0)),)
TARGETS = (Target.parse("mid@100ms"),)
STEP = 100 * MILLISECOND
NOISE, PULSE, LASTS = 0.3, 3.0, 5  # rows
CHUNK = 1_000


class Pattern(NamedTuple):
    lag_s: float
    wide_s: float
    every_s: float = 10.0  # mean time between pulses
    odds: float = 2.5  # that a pulse adds


@dataclass(frozen=True)
class Pulses:
    """A Reader of tapes of 1,000 rows."""

    rows: Rows
    labels: Labels  # the last 15 % say when to stop
    odds: NDArray[np.float64]  # (n,) of up

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return TABLE

    @property
    def spec(self) -> Any:
        return SPEC

    def __iter__(self) -> Any:
        for a, b in pairwise([*range(0, len(self.odds), CHUNK), len(self.odds)]):
            yield self.tape(slice(a, b))

    def tape(self, which: slice) -> Tape:
        """Of some rows."""
        rows = self.rows.take(which)
        return Tape(zeros(EVENT), NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (rows,), TABLE)


def pulses(patterns: tuple[Pattern, ...], n: int, seed: int) -> Pulses:
    """n rows with these patterns in as many columns, each its own negative in the mirror."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0, NOISE, (n, len(SPEC.columns))).astype(np.float32)
    signed = [j for j, column in enumerate(described(SPEC)) if column.mirror == "-"]
    odds = np.zeros(n)
    for column, of in zip(signed, patterns, strict=False):
        fires = rng.random(n) < STEP / 1e9 / of.every_s
        signs = fires * rng.choice([-1.0, 1.0], n)
        total = np.cumsum(signs)
        X[:, column] += PULSE * (total - shifted(total, LASTS))
        near, far = (round((of.lag_s + half * of.wide_s) * 1e9 / STEP) for half in (-0.5, 0.5))
        odds += of.odds * (shifted(total, near) - shifted(total, far))
    y = np.where(rng.random(n) < sigmoid(odds), UP, DOWN).astype(np.float32)[:, None]
    ts = (np.arange(n, dtype=np.int64) + 1) * STEP
    quote = zeros(QUOTE, n)
    quote["mid2"] = 20_000
    none = np.zeros(n, np.int64)
    rows = Rows(ts, none, X, np.ones(X.shape, np.bool_), none, zeros(BOOK, n), quote)
    stop = (np.arange(n) >= 0.85 * n)[:, None]
    ones = np.ones((n, 1))
    labels = Labels(TARGETS, y, y - 1, ts[:, None] + STEP, ones > 0, ones.astype(np.float32), stop)
    return Pulses(rows, labels, odds)


def shifted(x: NDArray[np.float64], later: int) -> NDArray[np.float64]:
    return np.asarray(np.r_[np.zeros(later), x][: len(x)])


def share_of_skill(said: Forecast, of: Pulses, first: int = 0) -> float:
    """Between knowing nothing, 0, and the exact chances, 1, in log-loss; rows from `first` on."""
    p = said.proba[first:, 0].astype(np.float64)
    up = of.labels.y[first:, 0] == UP
    told, truth = p[:, UP] / (p[:, UP] + p[:, DOWN]), sigmoid(of.odds[first:])
    model, best = (-np.where(up, np.log(q), np.log1p(-q)).mean() for q in (told, truth))
    return float((np.log(2) - model) / (np.log(2) - best))


def forecast(model: Any, of: Pulses) -> Forecast:
    """Of all rows."""
    said: Forecast = model.predict(model.init(TABLE), of.tape(slice(None)))[1]
    return said
