"""What became of forecasts, told while the stream goes on: hits, calibration, drift of the error.

A fold over tapes and their forecasts: outcomes are those of `ensemble.settle`, from later rows'
own quotes. The latest count most, those that overlap count for one together. The expected
calibration error is that of `evaluate.calibration` with bins of equal width, which a stream can
keep.
"""

from dataclasses import dataclass, field
from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import array, compiled, kernel
from flowsense.ensemble.settle import Ints, Settled, Waiting, settle
from flowsense.errors import InputError
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target
from flowsense.online.drift import PageHinkley
from flowsense.schema import Instrument
from flowsense.tape import Rows, Tape

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SETTLED = ("mid", "ofi")  # kinds with a side whose outcome rows tell
TENTHS = 10
OUTCOMES, WEIGHT, BRIER, MOVES, HITS, LAST, MAJORITY, ROSE = range(8)  # columns of `State.score`
SURELY = 3.0  # standard deviations


class State(NamedTuple):
    """All that later answers depend on; the first five are `Waiting`."""

    ts: Ints
    instrument: Ints
    quote: NDArray[Any]
    open: Bools
    last: Ints
    proba: Floats  # (k, T, 3) what was said of the rows that wait
    ready: Bools  # (k, T)
    before: Ints  # (k, T) the last side that was known then
    side: Ints  # (instruments, T) the last that is known now: -1, 0 for none, 1
    due: Ints  # (instruments, T) ns, from when on a row is a sample for drift
    score: Floats  # (T, 8) sums
    bins: Floats  # (T, 4, TENTHS, 4) of down, flat, up and of P(up | it moves): `BIN`
    drift: Floats  # (T, 4) of `PageHinkley`


BIN = 4  # weight; sums of forecasts, of what came, of the variances of the latter


class Standing(NamedTuple):
    """Of one target, as of the last outcome; nothing is known where there is no weight."""

    outcomes: int
    weight: float  # how many of them count now, overlapping ones for one together
    hit_rate: float  # of moves; a side that was not named is half a hit
    last_side: float  # of who says that the last move goes on
    majority: float  # of who says what came more often so far
    brier: float  # sum over down, flat, up
    brier_null: float  # of who says, each time, how often each of the three came
    ece: float
    ece_limit: float  # that of the calibrated, hardly ever passed
    reliability: tuple[tuple[float, float], ...]  # P(up | it moves), how often it rose: by tenth
    drifts: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """``state = outcomes.push(state, tape, forecast)`` for each tape, in order."""

    targets: tuple[Target, ...]
    memory: float = 5_000.0  # of weight, until an outcome counts 1 / e
    detector: PageHinkley = field(default_factory=PageHinkley)

    def __post_init__(self) -> None:
        if not self.memory > 1:
            raise InputError(f"outcomes: memory {self.memory} has to be above 1")

    @property
    def judged(self) -> tuple[int, ...]:
        """Places of the targets with a side that rows tell."""
        return tuple(k for k, target in enumerate(self.targets) if target.kind in SETTLED)

    def init(self, instruments: tuple[Instrument, ...]) -> State:
        T, none = len(self.judged), np.zeros((len(instruments), len(self.judged)), np.int64)
        return State(
            *Waiting.none(len(instruments), T),
            proba=np.zeros((0, T, 3)),
            ready=np.zeros((0, T), np.bool_),
            before=np.zeros((0, T), np.int64),
            side=none,
            due=none.copy(),
            score=np.zeros((T, 8)),
            bins=np.zeros((T, 4, TENTHS, BIN)),
            drift=self.detector.init(T),
        )

    def push(self, state: State, tape: Tape, forecast: Forecast) -> State:
        """What is not finite in a forecast counts as not ready."""
        rows, judged = tape.rows[0], np.array(self.judged, np.int64)
        if len(rows.ts) == 0 or len(judged) == 0:
            return state
        targets = tuple(self.targets[k] for k in judged)
        waiting, settled, kept = settle(targets, Waiting(*state[:5]), rows)
        both = joined(state, rows, forecast.proba[:, judged], forecast.ready[:, judged])
        who = both.instrument[settled.origin]
        place = np.stack([settled.at, who, settled.target], axis=1)
        side, here = state.side.copy(), both.before[len(state.ts) :]
        recall(place, settled.y.astype(np.int64) - FLAT, rows.instrument, side, here)
        heard = both.ready[settled.origin, settled.target]
        columns: list[Any] = [column[heard] for column in settled]
        settled = Settled(*columns)
        both = both._replace(side=side)
        score, bins, due, drift = self._judged(both, settled, place[heard])
        said = (both.proba[kept], both.ready[kept], both.before[kept])
        return State(*waiting, *said, side, due, score, bins, drift)

    def _judged(
        self, both: State, settled: Settled, place: Ints
    ) -> tuple[Floats, Floats, Ints, Floats]:
        """Scores, bins, when samples are due and the detector, after these outcomes."""
        found = judgements(both.proba[settled.origin, settled.target], settled, both.before)
        score, bins = both.score.copy(), both.bins.copy()
        tally(settled.target, found, self.memory, score, bins)
        due, fresh = both.due.copy(), np.zeros(len(place), np.bool_)
        horizon = np.array([self.targets[k].horizon_ns for k in self.judged], np.int64)
        ts = np.where(settled.y != FLAT, both.ts[settled.origin], -1)
        sample(place, ts, horizon, due, fresh)
        error = 1.0 - found[fresh, HIT]
        return score, bins, due, self.detector.push(both.drift, settled.target[fresh], error)[0]

    def tenths(self, state: State) -> dict[str, tuple[tuple[float, float, float], ...]]:
        """By target: P(up | it moves) as it was said, how often it rose, and of what weight."""
        found = dict[str, tuple[tuple[float, float, float], ...]]()
        for t, k in enumerate(self.judged):
            bins = state.bins[t, 3]
            rows = bins[bins[:, 0] > 0].tolist()
            found[str(self.targets[k])] = tuple((p / w, came / w, w) for w, p, came, _ in rows)
        return found

    def standing(self, state: State) -> dict[str, Standing]:
        """By target."""
        names = [str(self.targets[k]) for k in self.judged]
        return {name: standing(state, t) for t, name in enumerate(names)}


def joined(state: State, rows: Rows, proba: NDArray[np.float32], ready: Bools) -> State:
    """What waits and what is said now, rows (n, T) behind those that waited."""
    said = proba.astype(np.float64)
    sound = ready & np.isfinite(said).all(axis=2)
    return state._replace(
        ts=np.concatenate([state.ts, rows.ts]),
        instrument=np.concatenate([state.instrument, rows.instrument]),
        proba=np.concatenate([state.proba, np.where(sound[..., None], said, 0.0)]),
        ready=np.concatenate([state.ready, sound]),
        before=np.concatenate([state.before, np.zeros(sound.shape, np.int64)]),
    )


def standing(state: State, t: int) -> Standing:
    s, bins = state.score[t].tolist(), state.bins[t]
    gap = np.abs(bins[:3, :, 1] - bins[:3, :, 2]).sum()
    wide = np.sqrt(bins[:3, :, 3])
    luck = sqrt(2 / pi) * wide.sum() + SURELY * sqrt((1 - 2 / pi) * float((wide**2).sum()))
    weight, moves, full = max(s[WEIGHT], 1e-300), max(s[MOVES], 1e-300), bins[3]
    points = full[full[:, 0] > 0]
    came = bins[:3, :, 2].sum(axis=1) / weight
    return Standing(
        outcomes=int(s[OUTCOMES]),
        weight=s[WEIGHT],
        hit_rate=s[HITS] / moves,
        last_side=s[LAST] / moves,
        majority=s[MAJORITY] / moves,
        brier=s[BRIER] / weight,
        brier_null=1.0 - float((came**2).sum()) if s[WEIGHT] > 0 else 0.0,
        ece=float(gap) / (3 * weight),
        ece_limit=float(luck) / (3 * weight),
        reliability=tuple((float(p[1] / p[0]), float(p[2] / p[0])) for p in points),
        drifts=int(state.drift[t, 3]),
    )


Y, WORTH, RISE, HIT, SAME = range(3, 8)  # columns of `judgements`, behind P(down, flat, up)


def judgements(proba: Floats, settled: Settled, before: Ints) -> Floats:
    """(m, 8) what was said, what came, its weight, P(up | it moves), hits of both sides."""
    up, both = proba[:, UP], proba[:, UP] + proba[:, DOWN]
    rise = np.where(both > 0, up / np.where(both > 0, both, 1.0), 0.5)
    side, last = settled.y - FLAT, before[settled.origin, settled.target]
    hits = (1 + np.sign(rise - 0.5) * side) / 2, (1 + last * side) / 2
    return np.ascontiguousarray(np.column_stack([proba, settled.y, settled.weight, rise, *hits]))


INTS, PLACES = array(np.int64), array(np.int64, 2)


@kernel
def enter(table: Floats, p: float, came: float, worth: float) -> None:
    """Into the bin of its forecast, of (TENTHS, BIN)."""
    row = table[min(int(p * TENTHS), TENTHS - 1)]
    row[0] += worth
    row[1] += worth * p
    row[2] += worth * came
    row[3] += worth * p * (1.0 - p)


@compiled((PLACES, INTS, array(np.int64, readonly=True), PLACES, PLACES))
def recall(place: Ints, sign: Ints, instrument: Ints, side: Ints, here: Ints) -> None:
    """here (n, T): the last side known as of each row; place (m, 3) of row, instrument, target."""
    p = 0
    for i in range(len(here)):
        while p < len(place) and place[p, 0] <= i:
            if sign[p] != 0:
                side[place[p, 1], place[p, 2]] = sign[p]
            p += 1
        for t in range(here.shape[1]):
            here[i, t] = side[instrument[i], t]


@compiled((PLACES, INTS, INTS, PLACES, array(np.bool_)))
def sample(place: Ints, ts: Ints, horizon: Ints, due: Ints, fresh: Bools) -> None:
    """fresh (m,): outcomes of rows that are a horizon apart, none of those with ts < 0."""
    for i in range(len(place)):
        w, t = place[i, 1], place[i, 2]
        if ts[i] >= due[w, t]:
            fresh[i] = True
            due[w, t] = ts[i] + horizon[t]


@compiled((INTS, array(np.float64, 2), types.float64, array(np.float64, 2), array(np.float64, 4)))
def tally(target: Ints, x: Floats, memory: float, score: Floats, bins: Floats) -> None:
    """x (m, 8) of `judgements`, in order."""
    for i in range(len(x)):
        s, table, worth, y = score[target[i]], bins[target[i]], x[i, WORTH], int(x[i, Y])
        keep = 1.0 - worth / memory
        ups, moves = s[ROSE], s[MOVES]
        for c in range(WEIGHT, len(s)):
            s[c] *= keep
        for k in range(4):
            for b in range(TENTHS):
                for c in range(BIN):
                    table[k, b, c] *= keep * keep if c == BIN - 1 else keep
        s[OUTCOMES] += 1.0
        s[WEIGHT] += worth
        for k in range(3):
            came = 1.0 if k == y else 0.0
            s[BRIER] += worth * (x[i, k] - came) ** 2
            enter(table[k], x[i, k], came, worth)
        if y != FLAT:
            rose = 1.0 if y == UP else 0.0
            enter(table[3], x[i, RISE], rose, worth)
            s[MOVES] += worth
            s[HITS] += worth * x[i, HIT]
            s[LAST] += worth * x[i, SAME]
            most = 0.5 if 2.0 * ups == moves else (1.0 if (2.0 * ups > moves) == (y == UP) else 0.0)
            s[MAJORITY] += worth * most
            s[ROSE] += worth * rose
