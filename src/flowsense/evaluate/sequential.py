"""Two streams of losses compared as they come, at any time, without paying for every look.

Robbins 1970 (mixture of normal laws); Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", prop. 5, with the variance of de la Peña 1999
that needs no more than differences that are as likely to be +x as -x. Two forecasts that are
equally good have such differences; others with mean zero have them soon enough, as sums.
"""

from dataclasses import dataclass
from math import inf, log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.significance import mean_block

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WARM = 8  # blocks that settle the scale and count for nothing else
AIM = 100  # blocks at which the interval is narrowest for what it is


class State(NamedTuple):
    """Everything that later answers depend on."""

    at: Ints  # (2,) number of the open block, -1 before the first; blocks closed while warm
    open: Floats  # (2,) sum of differences and rows of the open block
    scale: Floats  # (2,) sum of squares while warm; weight of the mixture, 0 while warm
    sums: Floats  # (4,) since warm: blocks, their sum, their sum of squares, rows
    decided: Ints  # (2,) side that is better, 0 for none yet; ns when that was known


@dataclass(frozen=True, slots=True)
class Answer:
    """As of the last block that is closed; differences are a's loss less b's, per row."""

    better: str | None  # ``a``, ``b`` or None while nothing is decided
    at: int | None  # ns, end of the block that decided
    blocks: int  # that count
    mean: float | None
    interval: tuple[float, float] | None  # None: too few blocks to bound it


@dataclass(frozen=True, slots=True)
class Sequential:
    """A fold over differences of losses, in blocks of time that are nearly independent.

    Whoever looks after every block and stops when one side is called better is wrong in at most
    `level` of all comparisons of equals.
    """

    horizon_ns: int
    level: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or self.horizon_ns < 0:
            raise InputError(
                f"level {self.level}, horizon {self.horizon_ns} ns: give a level between 0 and 1 "
                "and a horizon of 0 or more"
            )

    def init(self) -> State:
        return State(
            np.array([-1, 0]), np.zeros(2), np.zeros(2), np.zeros(4), np.zeros(2, np.int64)
        )

    def push(self, state: State, ts: Ints, difference: Floats) -> State:
        """Rows (n,) in order of time: ns, and a's loss less b's. Raises InputError."""
        if len(ts) == 0:
            return state
        if not np.isfinite(difference).all():
            raise InputError(f"difference {difference[~np.isfinite(difference)][0]} of two losses")
        block = ts // mean_block(self.horizon_ns)
        if (np.diff(block, prepend=state.at[0]) < 0).any():
            raise InputError("losses are not in order of time: sort them by their rows' ts")
        state = copied(state)
        cuts = np.flatnonzero(np.diff(block)) + 1
        parts = zip(np.split(block, cuts), np.split(difference, cuts), strict=True)
        for numbers, part in parts:
            if numbers[0] != state.at[0]:
                self._close(state)
                state.at[0] = numbers[0]
            state.open[0] = np.add.accumulate(np.r_[state.open[0], part])[-1]  # cuts change nothing
            state.open[1] += len(part)
        return state

    def until(self, state: State, ts: int) -> State:
        """All rows before ts (ns) are there: a block that ends by then counts."""
        state, block = copied(state), ts // mean_block(self.horizon_ns)
        if block > state.at[0]:
            self._close(state)
            state.at[0] = block
        return state

    def _close(self, state: State) -> None:
        """Count the open block, if there is one."""
        total, rows = state.open.tolist()
        state.open[:] = 0
        if rows == 0:
            return
        if state.scale[1] == 0:
            self._warm(state, total)
            return
        state.sums[:] += (1, total, total * total, rows)
        _, sum_, squares, _ = state.sums.tolist()
        if state.decided[0] == 0 and abs(sum_) >= self.bound(squares, float(state.scale[1])):
            state.decided[:] = (-np.sign(sum_), (state.at[0] + 1) * mean_block(self.horizon_ns))

    def _warm(self, state: State, total: float) -> None:
        state.at[1] += 1
        state.scale[0] += total * total
        if state.at[1] >= WARM and state.scale[0] > 0:
            a = -2 * log(self.level)
            expected = float(state.scale[0]) / int(state.at[1]) * AIM
            state.scale[1] = expected / (a + log(a + 1))  # Howard et al., eq. 22, nearly

    def bound(self, squares: float, weight: float) -> float:
        """How far a sum of equals stays from zero at all times, all but `level` of them."""
        wide = squares + weight
        return sqrt(wide * (log(wide / weight) - 2 * log(self.level)))

    def answer(self, state: State) -> Answer:
        blocks, total, squares, rows = state.sums.tolist()
        side = {1: "a", -1: "b"}.get(int(state.decided[0]))
        at = int(state.decided[1]) if side else None
        if rows == 0:
            return Answer(side, at, 0, None, None)
        off = self._radius(blocks, squares - total * total / blocks, float(state.scale[1]))
        ends = None if off == inf else ((total - off) / rows, (total + off) / rows)
        return Answer(side, at, int(blocks), total / rows, ends)

    def _radius(self, blocks: float, spread: float, weight: float) -> float:
        """x with x = bound(spread about a mean that is x / blocks away)."""
        x = 0.0
        for _ in range(200):
            wider = self.bound(max(spread, 0.0) + x * x / blocks, weight)
            if wider <= x * (1 + 1e-12):
                return wider
            x = wider
        return inf


def copied(s: State) -> State:
    return State(s.at.copy(), s.open.copy(), s.scale.copy(), s.sums.copy(), s.decided.copy())


def compared(ts: Ints, difference: Floats, horizon_ns: int, *, level: float = 0.05) -> Answer:
    """Of rows that are all there: what was known after the last of their blocks."""
    fold = Sequential(horizon_ns, level)
    return fold.answer(fold.push(fold.init(), ts, difference))
