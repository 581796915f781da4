"""A model that says nothing where it is not sure enough: of the sides it names, few are wrong.

Split conformal prediction (Vovk, Gammerman & Shafer 2005; Lei et al. 2018). The score of a row
that moved is 1 - P(side that came | it moves). At level a, the prediction set of a row holds each
side whose score is at most the ceil((n + 1)(1 - a))-th smallest of n rows kept for that: it misses
the side that comes with probability at most a. A side is named where it is the only one in the
set, so that all misses are among the named; the level is the largest at which, on the kept rows
and counted as by Benjamini & Hochberg, at most `error` of the named are wrong (Jin & Candes 2023).

With `rate` the level follows what comes of the named (adaptive conformal inference, Gibbs & Candes
2021): after each, the level grows by rate x (error - 1 where it was wrong); after a row that moved
and was not named by rate x error x IDLE, so that it is never stuck. Then for every sequence, drift
or not, with levels from `first` on, and at most `owed` named rows waiting at once, of the rows that
`settle` tells of (at most a hundred a horizon, none across a loss of the book, and no others),

    wrong <= error x (named + IDLE x unnamed) + first / rate + 1 + owed.
"""

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.ensemble.held import chained, times
from flowsense.ensemble.opinions import cut
from flowsense.ensemble.settle import KINDS, Ints, Settled, Waiting, latest, settle
from flowsense.ensemble.states import joined, own, part
from flowsense.errors import InputError
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.model.gather import learned
from flowsense.model.sides import THIRD, Floats
from flowsense.models import build
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

IDLE = 0.01  # of what a right answer earns, for a row that was not named
MOST = 0.5  # of a level: at it every side is named that is likelier than the other
LEVEL, ERROR, RATE = range(3)
ABSTAINED = "abstained"  # of Forecast.aux: 1 where the model spoke and is not heard


class Named(NamedTuple):
    """What was named of the rows that are `Waiting`, and how strict each target is."""

    side: Floats  # (k, T) P(up | it moves) - 1 / 2; 0 where the model was silent
    named: NDArray[np.int64]  # (k, T) 1 where a side was named
    level: Floats  # (T,)


class Kept(NamedTuple):
    """Of the rows kept: scores of all targets behind each other, each in rising order."""

    target: NDArray[np.str_]  # (T,)
    scores: Floats  # (sum of counts,)
    counts: Ints  # (T,)
    level: Floats  # (T,) where a stream begins
    until: Ints  # () ns: what came of rows due by then moves no level


@dataclass(frozen=True, slots=True)
class Abstain:
    """`Abstain(build("xgboost"), error=0.1)`; a combiner abstains inside an `Ensemble`. On the
    command line ``abstain(model='xgboost', error=0.1)``.

    A target whose error cannot be had on the kept rows is not answered, until outcomes move the
    level. `rate` 0 keeps the level: what is promised then holds where rows are exchangeable.
    """

    model: Model[Any] = field(default_factory=partial(build, "antisymmetric"))
    error: float = 0.1  # of the named that moved, how many may be wrong
    rate: float = 0.001
    held: float = 0.25  # of the rows to learn from, kept for the scores
    kept: Kept | None = None

    def __post_init__(self) -> None:
        if not (0 < self.error < 0.5 and 0 <= self.rate < 1 and 0 < self.held < 1):
            raise InputError(
                f"abstain: error {self.error}, rate {self.rate}, held {self.held}: give "
                "0 < error < 0.5, 0 <= rate < 1 and 0 < held < 1"
            )

    @classmethod
    def tiny(cls) -> Self:
        return cls(build("vote"), error=0.4)

    @property
    def needs(self) -> Needs:
        return self.model.needs

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.kept.target) if self.kept else ()

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """The model learns from the earlier rows; what it says of the later ones is kept.

        Raises InputError as `on` does, before anything is fitted.
        """
        self.ensure_settled(labels.targets)
        early, late = cut(times(reader), labels._replace(valid=learned(labels)), 1 - self.held)
        none = labels.valid & False
        stop = none if labels.stop is None else labels.stop
        model = self.model.fit(reader, labels.to_fit(early, stop), seed=seed, budget=budget)
        state, said = model.init(reader.instruments), list[Forecast]()
        for tape in reader:
            state, forecast = model.predict(state, tape)
            said.append(forecast)
        return replace(self, model=model).on(chained(said), labels._replace(valid=late))

    def on(self, said: Forecast, labels: Labels) -> Self:
        """The same for a fitted model, by what came of these rows, which it did not learn.

        Raises InputError for a level that is to follow outcomes which only labels tell.
        """
        self.ensure_settled(labels.targets)
        side, scores, levels = chance(said), list[Floats](), list[float]()
        for t, target in enumerate(labels.targets):
            y = labels.y[:, t]
            rows = labels.valid[:, t] & said.ready[:, t] & (y != FLAT) & target.directed
            right = np.where(y[rows] == UP, side[rows, t], -side[rows, t])
            order = np.argsort(0.5 - right, kind="stable")
            scores.append((0.5 - right)[order])
            weight = labels.weight[rows, t].astype(np.float64)[order]
            levels.append(level(scores[-1], weight, self.error))
        names = np.array([str(t) for t in labels.targets], np.str_)
        counts = np.array([len(s) for s in scores], np.int64)
        found = names, np.concatenate(scores), counts, np.array(levels), latest(labels)
        return replace(self, kept=Kept(*found))

    def ensure_settled(self, targets: tuple[Target, ...]) -> None:
        never = [str(t) for t in targets if t.directed and t.kind not in KINDS]
        if never and self.rate:
            raise InputError(
                f"abstain: what comes of {', '.join(never)} is told by labels alone, so that no "
                f"level can follow it: give rate 0 instead of {self.rate}, or leave it out"
            )

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        if self.kept is None:
            raise InputError("abstain: fit or load it before it predicts")
        T = len(self.kept.target)
        side, named = np.zeros((0, T)), np.zeros((0, T), np.int64)
        waiting = Waiting.none(len(instruments), T)
        own_state = Named(side, named, self.kept.level.copy())
        return joined([self.model.init(instruments), waiting, own_state])

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        inner, said = self.model.predict(part(state, 0), tape)
        *after, forecast = self.answer(part(state, 1), part(state, 2), tape, said)
        return joined([inner, *after]), forecast

    def answer(
        self, waiting: Waiting, state: Named, tape: Tape, said: Forecast
    ) -> tuple[Waiting, Named, Forecast]:
        """What of a forecast of these rows is said."""
        assert self.kept is not None
        since = int(self.kept.until)
        waiting, settled, rest = settle(said.targets, waiting, tape.rows[0], since)
        side = np.concatenate([state.side, chance(said)])
        named = np.concatenate([state.named, np.zeros(said.ready.shape, np.int64)])
        table = np.stack([state.level, state.level * 0 + self.error, state.level * 0 + self.rate])
        starts = np.concatenate([[0], np.cumsum(self.kept.counts)])
        edges = tape.rows[0].instants()
        instants = np.repeat(edges[:-1], np.diff(edges))
        name(outcomes(settled, side), instants, side, self.kept.scores, starts, table, named)
        here = named[len(state.named) :].astype(np.bool_)
        after = Named(side[rest], named[rest], table[LEVEL].copy())
        return waiting, after, heard(said, here)

    def params(self) -> dict[str, NDArray[Any]]:
        kept = self.kept._asdict() if self.kept else {}
        return {f"0/{name}": x for name, x in self.model.params().items()} | kept

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        kept = Kept(*(params[name] for name in Kept._fields))
        return replace(self, model=self.model.load(own(params, 0)), kept=kept)


def chance(said: Forecast) -> Floats:
    """(n, T) P(up | it moves) - 1 / 2; 0 where nothing is said."""
    down, up = (said.proba[:, :, k].astype(np.float64) for k in (DOWN, UP))
    moves = np.maximum(down + up, 1e-12)
    directed = np.array([t.directed for t in said.targets], np.bool_)
    return np.where(said.ready & directed, (up - down) / moves / 2, 0.0)


def outcomes(settled: Settled, side: Floats) -> Ints:
    """(m, 4) at, target, origin and whether the likelier side is not what came, of moved rows."""
    likelier = side[settled.origin, settled.target]
    came = settled.y - FLAT
    used = (came != 0) & (likelier != 0)
    wrong = (np.sign(likelier) != came).astype(np.int64)
    found = np.stack([settled.at, settled.target, settled.origin, wrong], axis=1)
    return np.asarray(found[used], np.int64)


def heard(said: Forecast, named: NDArray[np.bool_]) -> Forecast:
    """The forecast where a side is named, and of magnitudes; elsewhere it is not ready."""
    directed = np.array([t.directed for t in said.targets], np.bool_)
    ready = said.ready & (named | ~directed)
    proba = np.where(ready[:, :, None], said.proba, THIRD)
    value = np.where(ready, said.value, np.float32(0))
    abstained = (said.ready & ~ready).astype(np.float32)
    return Forecast(said.targets, proba, value, ready, dict(said.aux) | {ABSTAINED: abstained})


def level(scores: Floats, weight: Floats, error: float) -> float:
    """The largest level at which at most `error` of the named would be wrong; 0: none would do.

    Of n kept rows a side is named of those whose larger probability is above the threshold: the
    score of these is below 1 - threshold where it is right, and above threshold where it is wrong.
    One more is counted as wrong than there are, for the row to come; rows whose labels overlap
    count for one together, as they are wrong together.
    """
    n, above = len(scores), scores > 0.5
    wrong = scores[above]
    bars = np.unique(np.r_[0.5, wrong])  # thresholds: above each of these a side is named
    over = beyond(np.maximum(scores, 1 - scores), weight, bars)
    bad = 1 + beyond(wrong, weight[above], bars)
    good = np.flatnonzero((over > 0) & (bad <= error * over))
    if not len(good):
        return 0.0
    missed = 1 + np.count_nonzero(wrong > bars[good[0]])
    return min(missed / (n + 1), MOST)


def beyond(x: Floats, weight: Floats, bars: Floats) -> Floats:
    """(b,) the weight of what is above each bar."""
    order = np.argsort(x, kind="stable")
    left = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0)
    return np.asarray(left[np.searchsorted(x[order], bars, "right")])


@compiled(
    (
        array(np.int64, 2),
        array(np.int64),
        array(np.float64, 2),
        array(np.float64),
        array(np.int64),
        array(np.float64, 2),
        array(np.int64, 2),
    )
)
def name(
    outcomes: Ints,
    instants: Ints,
    side: Floats,
    scores: Floats,
    starts: Ints,
    table: Floats,
    named: Ints,
) -> None:
    """Whether a side is named of each of the last n rows (k + n, T), by the levels as they go.

    outcomes (m, 4) as `outcomes` gives them, in order; instants (n,) the first row of each row's
    instant; table (3, T): level, which it changes, error and rate.
    """
    p, base = 0, len(named) - len(instants)
    for i in range(len(instants)):
        while p < len(outcomes) and outcomes[p, 0] == instants[i]:
            t, origin = outcomes[p, 1], outcomes[p, 2]
            step = table[ERROR, t] * IDLE
            if named[origin, t]:
                step = table[ERROR, t] - outcomes[p, 3]
            table[LEVEL, t] = min(table[LEVEL, t] + table[RATE, t] * step, MOST)
            p += 1
        for t in range(side.shape[1]):
            a, n = starts[t], starts[t + 1] - starts[t]
            place = math.ceil((n + 1) * (1.0 - table[LEVEL, t]) - 1e-9)
            if n > 0 and place <= n:
                bar = max(scores[a + max(place, 1) - 1], 0.5)
                if abs(side[base + i, t]) + 0.5 > bar:
                    named[base + i, t] = 1
