"""Leaks of every kind, planted: columns, models, pipelines, labels, streams and a family."""

from dataclasses import dataclass, field, replace

import numpy as np
from toys import Ewma

from flowsense.forecast import Forecast
from flowsense.labels.stages import Stages
from flowsense.testing.leaks.pipeline import Forecasts
from flowsense.train.split import Split


def viterbi(x, spread=(0.5, 2.0), stay=0.98):
    """(n,) the most likely path of two states in which x (n,) is normal with these deviations,
    in units of its own: it reads x to the end before it says anything. Viterbi 1967."""
    spread = np.array(spread) * x.std()
    log = -0.5 * (x[:, None] / spread) ** 2 - np.log(spread)
    turn = np.log([[stay, 1 - stay], [1 - stay, stay]])
    best, came = log[0], np.zeros((len(x), 2), int)
    for i in range(1, len(x)):
        paths = best[:, None] + turn
        came[i], best = paths.argmax(axis=0), paths.max(axis=0) + log[i]
    out = np.zeros(len(x), int)
    out[-1] = best.argmax()
    for i in range(len(x) - 1, 0, -1):
        out[i - 1] = came[i, out[i]]
    return out.astype(float)


def filtered(x, spread=(0.5, 2.0), stay=0.98):
    """(n,) the chance of the second state given x up to each row: the honest twin of `viterbi`."""
    spread = np.array(spread)
    p, out, mean = np.array([0.5, 0.5]), np.zeros(len(x)), 1.0
    for i, value in enumerate(x):
        mean += (value**2 - mean) * 0.01  # a scale of the past
        s = spread * mean**0.5
        p = (p @ [[stay, 1 - stay], [1 - stay, stay]]) * np.exp(-0.5 * (value / s) ** 2) / s
        p /= p.sum()
        out[i] = p[1]
    return out


def smoothed(x, back, ahead):
    """(n,) mean of x from `back` rows before to `ahead` rows after."""
    total = np.r_[0.0, np.cumsum(np.nan_to_num(x))]
    i = np.arange(len(x))
    a, b = np.maximum(i - back, 0), np.minimum(i + ahead + 1, len(x))
    return (total[b] - total[a]) / (b - a)


def each(function, x, instrument):
    """A function of one series, for each instrument."""
    out = np.zeros(len(x))
    for who in np.unique(instrument):
        mine = instrument == who
        out[mine] = function(x[mine])
    return out


def later(x, k):
    """(n,) x of k rows later; the last k rows keep their own."""
    return np.r_[x[k:], x[-k:]]


def scaled(x):
    """By the mean and the deviation of the whole table."""
    return (x - np.nanmean(x)) / np.nanstd(x)


def on_unit(x):
    """By the range of the whole table."""
    return (x - np.nanmin(x)) / np.ptp(x[np.isfinite(x)])


@dataclass(frozen=True, slots=True)
class AllRows(Ewma):
    """Its scaler is fitted on all rows, those of the test span as well."""

    def fit(self, reader, labels, *, seed, budget):
        X = np.concatenate([tape.rows[0].X for tape in reader])
        return replace(self, slope=1.0 / (1e-9 + float(X[:, self.column].std())))


@dataclass(frozen=True, slots=True)
class EveryLabel(Ewma):
    """Learns from every label there is, valid or not."""

    def fit(self, reader, labels, *, seed, budget):
        every = labels._replace(valid=np.ones_like(labels.valid))
        return Ewma.fit(self, reader, every, seed=seed, budget=budget)


@dataclass(frozen=True, slots=True)
class NextRow(Ewma):
    """Forecasts from the row after the one that is asked for."""

    def predict(self, state, tape):
        rows = tape.rows[0]
        X = np.concatenate([rows.X[1:], rows.X[-1:]])
        return Ewma.predict(self, state, tape._replace(rows=(rows._replace(X=X), *tape.rows[1:])))


@dataclass(frozen=True, slots=True)
class Remembers(Ewma):
    """Divides by the largest number that it has seen in any call."""

    seen: list[float] = field(default_factory=lambda: [1e-9])

    def predict(self, state, tape):
        self.seen.append(float(np.abs(tape.rows[0].X[:, self.column]).max(initial=0)))
        return Ewma.predict(replace(self, slope=1 / max(self.seen)), state, tape)


@dataclass(frozen=True, slots=True)
class TooEarly(Stages):
    """Says that labels are known when half of their horizon has passed."""

    def early(self, done):
        half = np.array([t.horizon_ns // 2 for t in done.targets])
        return done._replace(known_at=done.known_at - half)

    def fold(self, state, tape):
        state, done = Stages.fold(self, state, tape)
        return state, self.early(done)

    def close(self, state):
        return self.early(Stages.close(self, state))


def random_rows(data, rng):
    """(n, T) a fifth of the rows at random: their labels overlap those of the others."""
    return np.repeat((rng.random(len(data)) < 0.2)[:, None], len(data.labels.targets), axis=1)


def certain(y):
    """(n, T, 3) of the class y; flat where it is none."""
    return np.eye(3, dtype=np.float32)[np.clip(y, 0, 2).astype(int)]


def said(data, y):
    shape = y.shape
    return Forecast(data.labels.targets, certain(y), y.astype(np.float32), np.ones(shape, np.bool_))


def nearest(data, seed):
    """Rows split at random, forecast by the label of the nearest row that is not tested."""
    test = random_rows(data, np.random.default_rng(seed))
    y = data.labels.y.copy()
    for who in np.unique(data.instrument):
        mine = np.flatnonzero(data.instrument == who)
        learned = mine[~test[mine, 0]]
        at = np.clip(np.searchsorted(learned, mine), 0, len(learned) - 1)
        y[mine] = data.labels.y[learned[at]]
    return Forecasts(said(data, y), test)


def label_as_column(data, seed):
    """Split in time and purged, but one of the columns is made of the labels."""
    test = np.repeat((np.arange(len(data)) > 0.8 * len(data))[:, None], data.labels.y.shape[1], 1)
    wrong = np.random.default_rng(seed).random(data.labels.y.shape) < 0.2
    return Forecasts(said(data, np.where(wrong, 1, data.labels.y)), test)


def unpurged(data):
    """Seven tenths, one and two of the rows, whatever their labels reach into."""
    n, t = data.labels.y.shape
    share = np.arange(n) / n
    parts = {"train": share < 0.7, "test": share >= 0.8}
    parts["validation"] = ~parts["train"] & ~parts["test"]
    wide = {name: np.repeat(rows[:, None], t, axis=1) for name, rows in parts.items()}
    none = dict.fromkeys(("fit", "stop", "calibrate", "choose"), np.zeros((n, t), np.bool_))
    return Split(**wide, **none)


def at_open(bars, opened=True):
    """Bars received when they open; `opened` False: and said to have opened a step before."""
    out = bars.copy()
    step = out["ts_recv"] - out["ts_open"]
    out["ts_recv"] -= step
    out["ts_open"] -= 0 if opened else step
    return out.view(bars.dtype)
