"""What moves followed each regime: how often, to which side, how far, and how sure that is."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.forecast import FLAT, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.hmm.chain import Floats, Ints
from flowsense.model.sides import combine

F2, W1 = array(np.float64, 2), array(np.int64, readonly=True)
R2, R3 = (array(np.float64, n, readonly=True) for n in (2, 3))
SURE = 2.0  # standard errors that a drift has to be away from none
PRIOR = 20.0  # rows without overlap that say of a state what is so of all
ROWS, MOVED, SIDE, SIZE = range(4)  # of the sums


def count(
    sums: Floats, belief: Floats, instrument: Ints, labels: Labels, learned: NDArray[np.bool_]
) -> None:
    """Add labelled rows to sums (instruments, K, T, 4), each by P(state) and its uniqueness.

    belief (n, K); learned (n, T). A magnitude's size is that of all rows.
    """
    for j, target in enumerate(labels.targets):
        for i in np.unique(instrument[learned[:, j]]):
            mine = np.flatnonzero(learned[:, j] & (instrument == i))
            y, size = labels.y[mine, j].astype(np.float64), np.abs(labels.move[mine, j])
            sized = target.kind == "magnitude"
            moved = np.ones(len(y)) if sized else (y != FLAT).astype(np.float64)
            side = np.zeros(len(y)) if sized else y - FLAT
            weight = belief[mine] * labels.weight[mine, j, None]
            for column, values in enumerate((np.ones(len(y)), moved, side, moved * size)):
                sums[i, :, j, column] += (weight * values[:, None]).sum(axis=0)


@compiled((R2, W1, R3, F2), brief=True)
def weigh(share: Any, place: Any, table: Any, out: Any) -> None:
    """Add to out (n, T) the rates of a table (K + 1, R, T), weighted by share (n, R)."""
    for n in range(len(share)):
        for r in range(share.shape[1]):
            for j in range(out.shape[1]):
                out[n, j] += share[n, r] * table[place[n], r, j]


class Voice(NamedTuple):
    """By instrument (the last for others), state and target; (K + 1, R, T) each."""

    move: Floats  # P(move)
    drift: Floats  # P(up) - P(down), beyond that of moves in all states: a day's is no regime's
    variance: Floats  # of that drift, for what it was counted from
    size: Floats  # P(move) x mean size of a move

    @classmethod
    def of(cls, sums: Floats) -> "Voice":
        """Of sums (K, R, T, 4). A state that was rarely seen moves as all do, to no side."""
        every = np.concatenate([sums, sums.sum(axis=0, keepdims=True)])
        whole = every.sum(axis=1, keepdims=True)
        nothing = whole[..., ROWS] == 0  # an instrument without labels moves as all others do
        whole = np.where(nothing[..., None], whole[-1:], whole)
        usual = whole / np.maximum(whole[..., ROWS, None], 1e-12)
        table = (every + PRIOR * usual) / (every[..., ROWS, None] + PRIOR)
        common = whole[..., SIDE] / np.maximum(whole[..., MOVED], 1e-12)
        drift = (every[..., SIDE] - common * every[..., MOVED]) / (every[..., ROWS] + PRIOR)
        move = np.clip(table[..., MOVED], 0.0, 1.0)
        variance = move / (every[..., ROWS] + PRIOR)
        return cls(move, drift, variance, np.ascontiguousarray(table[..., SIZE]))

    def says(self, targets: tuple[Target, ...], belief: Floats, place: Ints) -> Forecast:
        """Of rows (n,) the state-weighted rates; no side where the drift is within its error."""
        move, drift, variance, size = (np.zeros((len(place), len(targets))) for _ in self)
        weigh(belief, place, self.move, move)
        weigh(belief, place, self.drift, drift)
        weigh(belief * belief, place, self.variance, variance)
        weigh(belief, place, self.size, size)
        drift[drift * drift <= SURE * SURE * variance] = 0.0
        at = np.maximum(move, 1e-12)
        up = np.clip((1 + drift / at) / 2, 0.0, 1.0)
        return combine(targets, np.clip(move, 0.0, 1.0), up, size / at)
