"""Rules with no fitted side: what a forecast is measured against. Gould & Bonart 2016 (imbalance).

Each rule says a side and how sure it is in one number; what is fitted per instrument is only how
large that number is (its deviation), how often it is right (one slope, never negative) and how
often the market moves. So their log-loss can be compared with that of any model.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.gather import learned
from flowsense.model.instruments import Known, Places, arrays
from flowsense.model.sides import Floats, combine, moved, sigmoid
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Rows, Tape

SIGNALS = ("last_move_10s", "imb_l1", "ofi_l1_1s", "last_trade_1s", "lead_ret_1s")  # columns
MOVE, IMBALANCE, OFI, TRADE, LEAD = range(len(SIGNALS))
Ints = NDArray[np.int64]
FLATTEST = 1e-3
STEEPEST = 20.0  # of a slope per deviation: a rule that was never wrong is still not certain


class Fitted(NamedTuple):
    """Of K instruments in training, and in place K the mean over them, for all others."""

    known: Known
    columns: NDArray[np.int64]  # (5,) where the signals are, -1 for what the rows do not have
    deviation: Floats  # (K + 1, 5) of each signal
    slope: Floats  # (K + 1, T) log-odds of up per unit of the rule
    move: Floats  # (K + 1, T) share of moved rows
    size: Floats  # (K + 1, T) mean |move| of moved rows; of all rows for a magnitude


@dataclass(frozen=True, slots=True)
class Null(ABC):
    """Everything but the rule. All five fold the same signals."""

    fitted: Fitted | None = None

    @abstractmethod
    def rule(self, kind: str, signals: Floats) -> Floats:
        """(n,) the rule's number for one kind of target; signals (n, 5) in deviations."""

    @property
    def least(self) -> float:
        """Of the slope: a rule that was wrong in training loses its voice, not its side."""
        return FLATTEST

    @classmethod
    def tiny(cls) -> Self:
        return cls()

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.fitted.known.targets if self.fitted else ()

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Counting and one slope, nothing random. A rule without its column calls no side."""
        known, names = Known.of(labels, reader.instruments), reader.spec.columns
        columns = np.array([names.index(s) if s in names else -1 for s in SIGNALS], np.int64)
        learn = learned(labels)
        rows = np.flatnonzero(learn.any(axis=1))
        signals, instrument = signals_at(reader, rows, columns)
        k, t = len(reader.instruments), len(labels.targets)
        shapes = ((k + 1, len(SIGNALS)), (k + 1, t), (k + 1, t), (k + 1, t))
        fitted = Fitted(known, columns, *(np.zeros(shape) for shape in shapes))
        fitted.deviation[:] = 1.0
        for place in range(k):
            mine = instrument == place
            if mine.any():
                self._learn(fitted, place, signals[mine], labels, (learn, rows[mine]))
        seen = np.unique(instrument)
        for table in fitted[2:]:
            table[k] = table[seen].mean(axis=0) if len(seen) else table[k]
            table[np.setdiff1d(np.arange(k), seen)] = table[k]
        return replace(self, fitted=fitted)

    def _learn(
        self,
        fitted: Fitted,
        place: int,
        signals: NDArray[np.float32],
        labels: Labels,
        which: tuple[NDArray[np.bool_], Ints],
    ) -> None:
        """Write one instrument's numbers; `which` is learned (n, T), and rows of its own (m,)."""
        learned, rows = which
        scaled = signals.astype(np.float64)
        deviation = scaled.std(axis=0)
        fitted.deviation[place] = np.where(deviation > 0, deviation, 1.0)
        scaled /= fitted.deviation[place]
        for j, target in enumerate(labels.targets):
            used = np.flatnonzero(learned[rows, j])
            y, size = labels.y[rows[used], j], np.abs(labels.move[rows[used], j])
            sized = target.kind == "magnitude"
            counts = np.ones(len(used), np.bool_) if sized else moved(y)
            fitted.size[place, j] = size[counts].mean() if counts.any() else 0.0
            if not sized and len(used):
                fitted.move[place, j] = counts.sum() / len(used)
                x = self.rule(target.kind, scaled[used[counts]])
                fitted.slope[place, j] = slope(x, y[counts] == UP, self.least)

    def init(self, instruments: tuple[Instrument, ...]) -> Places:
        return Places.of(self.fitted.known if self.fitted else None, instruments)

    def predict(self, state: Places, tape: Tape) -> tuple[Places, Forecast]:
        rows, fitted = tape.rows[0], self.fitted
        if fitted is None:
            raise InputError(f"{type(self).__name__}: fit or load it before it predicts")
        signals, place = signals_of(rows, fitted.columns), state.place[rows.instrument]
        scaled = signals / fitted.deviation[place]
        x = np.stack([self.rule(t.kind, scaled) for t in self.targets], axis=1)
        up = sigmoid(fitted.slope[place] * x)
        return state, combine(self.targets, fitted.move[place], up, fitted.size[place])

    def params(self) -> dict[str, NDArray[Any]]:
        return arrays(self.fitted) if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        tables = (params[name] for name in Fitted._fields[1:])
        return replace(self, fitted=Fitted(Known.load(params), *tables))


@dataclass(frozen=True, slots=True)
class Majority(Null):
    """Class frequencies of the training rows."""

    def rule(self, kind: str, signals: Floats) -> Floats:
        return np.ones(len(signals))

    @property
    def least(self) -> float:
        return -STEEPEST


@dataclass(frozen=True, slots=True)
class Persistence(Null):
    """The side of the last move of the mid; of recent order flow imbalance for its own sign."""

    def rule(self, kind: str, signals: Floats) -> Floats:
        return np.sign(signals[:, OFI if kind == "ofi" else MOVE])


@dataclass(frozen=True, slots=True)
class Imbalance(Null):
    """The queue imbalance of the touch."""

    def rule(self, kind: str, signals: Floats) -> Floats:
        return signals[:, IMBALANCE]


@dataclass(frozen=True, slots=True)
class LastTrade(Null):
    """The side of the last trade, x exp(-age / 1 s)."""

    def rule(self, kind: str, signals: Floats) -> Floats:
        return signals[:, TRADE]


@dataclass(frozen=True, slots=True)
class Vote(Null):
    """Queue imbalance, OFI, the last trade, the busiest other instrument's return, added.

    Decayed over 1 s, each in its deviations; without another instrument the fourth is left out.
    """

    def rule(self, kind: str, signals: Floats) -> Floats:
        return np.asarray(signals[:, [IMBALANCE, OFI, TRADE, LEAD]].sum(axis=1), np.float64)


def signals_at(
    reader: Reader, rows: Ints, columns: Ints
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(m, 5) the signals of these rows (m,), and their instruments; one pass."""
    signals = np.zeros((len(rows), len(columns)), np.float32)
    instrument, first = np.zeros(len(rows), np.int64), 0
    for tape in reader:
        every = tape.rows[0]
        a, b = np.searchsorted(rows, (first, first + len(every.ts)))
        signals[a:b] = signals_of(every, columns)[rows[a:b] - first]
        instrument[a:b] = every.instrument[rows[a:b] - first]
        first += len(every.ts)
    return signals, instrument


def signals_of(rows: Rows, columns: NDArray[np.int64]) -> Floats:
    """(n, 5) of the rows, in SIGNALS order; 0 where missing."""
    return np.where(columns >= 0, rows.X[:, columns], 0.0).astype(np.float64)


def slope(x: Floats, up: NDArray[np.bool_], least: float) -> float:
    """Maximum likelihood of P(up) = sigmoid(slope x), by Newton's method, within its bounds."""
    b = 0.0
    for _ in range(30):
        p = sigmoid(b * x)
        gradient, curvature = float(x @ (up - p)), float((x * x) @ (p * (1 - p)))
        step = gradient / (curvature + 1e-9)
        before, b = b, float(np.clip(b + step, least, STEEPEST))
        if abs(b - before) < 1e-10:
            break
    return b
