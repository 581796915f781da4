"""What members say, as log-odds side by side, and an answer made of such.

Sums run over members one after the other, never over rows, so that an answer is the same to the
bit however its rows are cut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import DOWN, UP, Forecast
from flowsense.labels import COLUMNS, Labels
from flowsense.model.calibrated import Question, odds
from flowsense.model.sides import THIRD, Floats, moved, probabilities, sigmoid

Bools = NDArray[np.bool_]
REGIME, AGREEMENT, MEMBERS = "regime", "agreement", "members"  # of Forecast.aux
SCALE = "position_scale"  # likewise, (n,)


class Silent(NamedTuple):
    """The state of what remembers nothing."""


class Opinions(NamedTuple):
    """Of N members, n rows and T targets; 0 where a member is silent."""

    side: Floats  # (N, n, T) log-odds of up, given a move
    move: Floats  # (N, n, T) log-odds of a move
    edge: Floats  # (N, n, T) |P(up) - P(down)|
    value: Floats  # (N, n, T)
    ready: Bools  # (N, n, T)

    @classmethod
    def of(cls, said: Sequence[Forecast]) -> Self:
        """A member that says what is not finite is silent."""
        proba = np.stack([one.proba for one in said])
        value, told = np.stack([one.value for one in said]), np.stack([one.ready for one in said])
        ready = told & np.isfinite(proba).all(axis=3) & np.isfinite(value)
        p = np.where(ready[..., None], proba, THIRD)
        side, move = (x.reshape(ready.shape) for x in odds(p.reshape(-1, 3)))
        edge = np.abs(p[..., UP] - p[..., DOWN]).astype(np.float64)
        sized = np.where(ready, value, np.float32(0)).astype(np.float64)
        return cls(side * ready, move * ready, edge * ready, sized, ready)

    @property
    def any_ready(self) -> Bools:
        """(n, T) whether any member is."""
        return np.asarray(self.ready.any(axis=0))


def total(parts: Iterable[Floats]) -> Floats:
    """The sum of at least one array, in their order."""
    first, *rest = parts
    out = first.astype(np.float64, copy=True)
    for part in rest:
        out += part
    return out


def heeded(weight: Floats, ready: Bools) -> Floats:
    """(N, n, T) weights of the ready, scaled to what all would weigh; alike where they are 0."""
    whole = total(weight)
    heard = total(weight * ready)
    count = np.maximum(total(ready.astype(np.float64)), 1.0)
    scaled = weight * ready * np.divide(whole, heard, out=np.zeros_like(whole), where=heard > 0)
    return np.asarray(np.where(heard > 0, scaled, ready * (whole / count)))


def even(of: Opinions) -> Floats:
    """(N, n, T) the same weight for each member that is ready, together 1."""
    return heeded(np.full(of.side.shape, 1.0 / len(of.side)), of.ready)


def mean(of: Opinions) -> tuple[Floats, Floats]:
    """(n, T) of both log-odds, over the ready."""
    weight = even(of)
    return total(weight * of.side), total(weight * of.move)


def answer(
    said: Sequence[Forecast],
    of: Opinions,
    odds: tuple[Floats, Floats],
    weight: Floats,
    ready: Bools,
) -> Forecast:
    """Log-odds of side and move (n, T) as a forecast; sizes are those that the members expect.

    With what it carries along: see `tied`.

    weight (N, n, T), for magnitudes, is made to add up to 1 over the ready.
    """
    (side, move), targets = odds, said[0].targets
    heard = weight * of.ready
    whole = total(heard)
    sized = total(heard * of.value) / np.where(whole > 0, whole, 1.0)
    edges = total(of.edge)
    size = total(np.abs(of.value)) / np.where(edges > 0, edges, 1.0)
    proba = probabilities(sigmoid(move), sigmoid(side))
    edge = proba[:, :, UP] - proba[:, :, DOWN]
    directed = np.array([t.directed for t in targets], np.bool_)
    proba[~(ready & directed)] = THIRD
    value = np.where(ready, np.where(directed, edge * size, sized), 0.0).astype(np.float32)
    return tied(said, of, Forecast(targets, proba, value, ready))


def tied(said: Sequence[Forecast], of: Opinions, found: Forecast) -> Forecast:
    """With what an answer carries along: who agrees, who was heard, the first told regime."""
    side = np.sign(found.proba[:, :, UP] - found.proba[:, :, DOWN]) * found.ready
    same = total((np.sign(of.side) == side) * of.ready * (side != 0))
    heard = total(of.ready.astype(np.float64))
    aux = {AGREEMENT: (same / np.maximum(heard, 1.0)).astype(np.float32)}
    aux[MEMBERS] = heard.astype(np.float32)
    regime = regime_of(said)
    aux |= {REGIME: regime} if regime.shape[1] else {}
    for scale in [one.aux[SCALE] for one in said if SCALE in one.aux][:1]:
        aux[SCALE] = np.where(np.isfinite(scale), scale, np.float32(1))
    return replace(found, aux=aux)


def regime_of(said: Sequence[Forecast]) -> NDArray[np.float32]:
    """(n, R) by the first member that tells, 0 in a row that tells none; (n, 0) where none does."""
    none = np.zeros((len(said[0].ready), 0), np.float32)
    return finite(next((one.aux[REGIME] for one in said if REGIME in one.aux), none))


def finite(regime: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, R) with 0 for all of a row in which any is no number."""
    return np.where(np.isfinite(regime).all(axis=1, keepdims=True), regime, np.float32(0))


class Asked(NamedTuple):
    """The rows of one target that a question is fitted on, (m,) places among n."""

    rows: NDArray[np.int64]
    yes: Bools  # (m,)
    weight: Floats  # (m,)

    def question(self, x: Floats) -> Question:
        """What log-odds (n,) say of them."""
        return Question(x[self.rows], self.yes, self.weight)


def sides(labels: Labels, t: int, where: Bools) -> Asked:
    """Up, on the rows (n,) that moved."""
    y = labels.y[:, t]
    rows = np.flatnonzero(where & labels.valid[:, t] & moved(y))
    return Asked(rows, y[rows] == UP, labels.weight[rows, t].astype(np.float64))


def moves(labels: Labels, t: int, where: Bools) -> Asked:
    """Whether it moves."""
    y = labels.y[:, t]
    rows = np.flatnonzero(where & labels.valid[:, t])
    return Asked(rows, moved(y[rows]), labels.weight[rows, t].astype(np.float64))


def taken(labels: Labels, rows: NDArray[np.int64]) -> Labels:
    """The labels of these rows."""
    return Labels(labels.targets, **{name: getattr(labels, name)[rows] for name in COLUMNS})


def cut(ts: NDArray[np.int64], labels: Labels, share: float) -> tuple[Bools, Bools]:
    """(n, T) each: valid labels of the first `share` of rows, and later ones; none reaches over."""
    used = np.flatnonzero(labels.valid.any(axis=1))
    if not len(used):
        return labels.valid & False, labels.valid & False
    edge = ts[used[min(int(share * len(used)), len(used) - 1)]]
    return labels.valid & (labels.known_at < edge), labels.valid & (ts >= edge)[:, None]
