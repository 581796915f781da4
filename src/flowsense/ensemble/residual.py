"""A net that is fitted to what another model leaves: its log-odds are added to those of the base.

The base's forecasts of the rows to learn from are out of fold, so that the net is not taught what
the base knows of them by heart (Wolpert 1992). Friedman 2001 is the same idea, step by step.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble.held import blocks, times
from flowsense.ensemble.states import joined, numbered, own, part, united
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.model.calibrated import Question, answered, change, losses, odds
from flowsense.model.gather import learned
from flowsense.model.sides import probabilities, sigmoid
from flowsense.nn.net import Net
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

Flags = NDArray[np.bool_]
SHARE = "share"  # its name among the parameters


class Said(NamedTuple):
    """Of all rows, by a base model."""

    side: NDArray[np.float32]  # (n, T) log-odds of up, given a move
    known: Flags  # (n, T) whether it said anything


@dataclass(frozen=True, slots=True)
class Residual:
    """`Residual(build("logistic"), Transformer())`: sides of both; moves and sizes of the base.

    The net stops on the first half of the rows to stop on. On the second half it has to lower the
    log-loss of the base; where it does not, it is not heard: `share` of that target is 0.
    """

    base: Model[Any]
    net: Net
    folds: int = 4
    share: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))  # (T,)

    @property
    def needs(self) -> Needs:
        return united((self.base, self.net))

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.base.targets

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Half of the seconds are the net's. Raises InputError for too few rows."""
        each = budget._replace(seconds=budget.seconds / (2 * (self.folds + 1)))
        blocks = out_of_fold(self.base, reader, labels, self.folds, seed=seed, budget=each)
        base = self.base.fit(reader, labels, seed=seed, budget=each)
        all_rows, learn = said(base, reader), learned(labels)
        side, known = (np.where(learn, a, b) for a, b in zip(blocks, all_rows, strict=True))
        early, late = halves(labels, times(reader))
        given = labels._replace(
            valid=known & (learn | early), stop=early, offset=side.astype(np.float32)
        )
        half = budget._replace(seconds=budget.seconds / 2)
        net = self.net.fit(reader, given, seed=seed, budget=half)
        found = replace(self, base=base, net=net, share=np.ones(len(labels.targets), np.float32))
        return replace(found, share=helps(found, reader, labels, late))

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        return joined([self.base.init(instruments), self.net.init(instruments)])

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        if not len(self.share):
            raise InputError("residual: fit or load it before it predicts")
        models = enumerate((self.base, self.net))
        (a, base), (b, net) = (m.predict(part(state, k), tape) for k, m in models)
        return joined([a, b]), added(base, net, self.share)

    def params(self) -> dict[str, NDArray[Any]]:
        return numbered([self.base.params(), self.net.params()]) | {SHARE: self.share}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        rest = {name: x for name, x in params.items() if name != SHARE}
        base, net = self.base.load(own(rest, 0)), self.net.load(own(rest, 1))
        return replace(self, base=base, net=net, share=params[SHARE])


def added(base: Forecast, net: Forecast, share: NDArray[np.float32]) -> Forecast:
    """The base, with the log-odds of up of a net added where the net is ready and has a share.

    A net's own log-odds are those beside an offset, so both are of the same row.
    """
    proba, value = base.proba.copy(), base.value.copy()
    for t, target in enumerate(base.targets):
        rows = base.ready[:, t] & net.ready[:, t]
        if target.directed and share[t]:
            up, move = odds(base.proba[rows, t])
            more = share[t] * odds(net.proba[rows, t])[0]
            proba[rows, t] = probabilities(sigmoid(move), sigmoid(up + more))
            value[rows, t] *= change(base.proba[rows, t], proba[rows, t])
    return Forecast(base.targets, proba, value, base.ready, base.aux)


def out_of_fold(
    base: Model[Any], reader: Reader, labels: Labels, folds: int, *, seed: int, budget: Budget
) -> Said:
    """What the base says of each block of the rows to learn from when fitted to the others.

    Rows whose labels reach into a block, and rows that the labels of the block reach into, are
    left out of its fit. Raises InputError for a recording too short for so many blocks.
    """
    shape = labels.valid.shape
    side, known = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    stop = np.zeros_like(known) if labels.stop is None else labels.stop
    for block, others in blocks(labels, times(reader), folds):
        fitted = base.fit(reader, labels.to_fit(others, stop), seed=seed, budget=budget)
        found = said(fitted, reader)
        side[block], known[block] = found.side[block], found.known[block]
    return Said(side, known)


def said(model: Model[Any], reader: Reader) -> Said:
    """Of all rows, in one pass."""
    found = whole(model, reader)
    side = [odds(found.proba[:, j])[0] for j in range(len(found.targets))]
    return Said(np.stack(side, axis=1).astype(np.float32), found.ready)


def halves(labels: Labels, ts: NDArray[np.int64]) -> tuple[Flags, Flags]:
    """(n, T) each: the rows to stop on, cut in the middle; no label reaches across the cut."""
    none = np.zeros_like(labels.valid)
    stop = none if labels.stop is None else labels.stop & labels.valid
    rows = np.flatnonzero(stop.any(axis=1))
    if not len(rows):
        return none, none
    middle = ts[rows[len(rows) // 2]]
    return stop & (labels.known_at <= middle), stop & (ts > middle)[:, None]


def helps(of: Residual, reader: Reader, labels: Labels, rows: Flags) -> NDArray[np.float32]:
    """(T,) 1 where the sum tells sides better than the base alone; without rows to tell by, 1."""
    share = of.share.copy()
    alone, both = (whole(m, reader) for m in (of.base, of))
    for t, target in enumerate(labels.targets):
        base, found = (question(f, labels, t, rows) for f in (alone, both))
        if target.directed and len(base.yes):
            share[t] = float(cost(found) < cost(base))
    return share


def cost(of: Question) -> float:
    """Sum of weighted log-losses."""
    return float(of.weight @ losses(of, of.odds))


def question(forecast: Forecast, labels: Labels, t: int, rows: Flags) -> Question:
    """The side of moved rows."""
    return answered(forecast, labels, t, rows)[0]


def whole(model: Any, reader: Reader) -> Forecast:
    """Of all rows."""
    state, found = model.init(reader.instruments), list[Forecast]()
    for tape in reader:
        state, forecast = model.predict(state, tape)
        found.append(forecast)
    names = ("proba", "value", "ready")
    proba, value, ready = (np.concatenate([getattr(f, n) for f in found]) for n in names)
    return Forecast(model.targets, proba, value, ready)
