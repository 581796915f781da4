"""Correlations that change: an alarm for every pair, at a stated rate of false ones.

Each row tells by how much it would move the correlation of a pair, its influence xy - r (xx + yy)
/ 2 of standardised returns (Devlin, Gnanadesikan & Kettenring 1975), and its deviations are summed
both ways from the slow correlation r on (Page 1954, cumulative sums). Two rows that were extreme
count as `CLIP` deviations at most. The height of the alarm comes from a simulation of pairs that
never change, so its rate holds for returns that are about normal; heavy tails make it somewhat
higher. Delay and false alarms belong together: `delays` gives the one for the other.
"""

from functools import cache
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, records
from flowsense.errors import InputError

Floats = NDArray[np.float64]
SLOW = 1_000  # rows that the correlation which is believed reaches back to
WARM = 500  # rows before a pair is judged, at first and after each alarm
CLIP = 4.0  # deviations
SLACK = 0.1  # deviations of influence a row that are taken for no change
RATES = (1_000, 10_000, 100_000)  # rows of one pair for each false alarm, for a table
BREAK = np.dtype(
    [
        ("seen", "i8"),  # rows since it began again
        ("xx", "f8"),  # means of squares and products, returns; the older the less
        ("yy", "f8"),
        ("xy", "f8"),
        ("spread", "f8"),  # variance of the influence
        ("up", "f8"),  # sums
        ("down", "f8"),
    ]
)


@compiled(
    types.void(array(BREAK), array("i8", 2), array("f8", 2, True), types.float64, array("i1", 2))
)
def step(state: Record, pairs: Record, moves: Record, height: float, alarm: Record) -> None:
    """alarm (n, P): +1 where a correlation rose, -1 where it fell."""
    for r in range(len(moves)):
        for k in range(len(pairs)):
            s, x, y = state[k], moves[r, pairs[k, 0]], moves[r, pairs[k, 1]]
            if x != x or y != y:
                continue
            s.seen += 1
            share = 1.0 / min(s.seen, SLOW)
            if s.seen > WARM // 2 and s.xx > 0.0 and s.yy > 0.0:
                zx = max(-CLIP, min(CLIP, x / sqrt(s.xx)))
                zy = max(-CLIP, min(CLIP, y / sqrt(s.yy)))
                u = zx * zy - s.xy / sqrt(s.xx * s.yy) * 0.5 * (zx * zx + zy * zy)
                if s.seen > WARM and s.spread > 0.0:
                    z = u / sqrt(s.spread)
                    s.up = max(0.0, s.up + z - SLACK)
                    s.down = max(0.0, s.down - z - SLACK)
                s.spread += min(1.0, 2.0 * share) * (u * u - s.spread)
            s.xx += share * (x * x - s.xx)
            s.yy += share * (y * y - s.yy)
            s.xy += share * (x * y - s.xy)
            if max(s.up, s.down) > height:
                alarm[r, k] = 1 if s.up > s.down else -1
                s.seen, s.up, s.down, s.spread = 0, 0.0, 0.0, 0.0


class Watch(NamedTuple):
    """P pairs of K instruments that are watched, and the height of their alarms."""

    pairs: NDArray[np.int64]  # (P, 2)
    height: float
    state: NDArray[Any]  # (P,) BREAK

    @classmethod
    def of(cls, k: int, every: int = 10_000) -> "Watch":
        """All pairs of K instruments, one false alarm of each in `every` of its rows."""
        pairs = np.stack(np.triu_indices(k, 1), axis=1)
        return cls(np.ascontiguousarray(pairs), height(every), np.zeros(len(pairs), BREAK))

    def push(self, moves: Floats) -> tuple["Watch", NDArray[np.int8]]:
        """Rows of returns (n, K), NaN where unknown -> what is remembered after, alarms (n, P)."""
        state, alarm = self.state.copy().view(BREAK), np.zeros((len(moves), len(self.pairs)), "i1")
        moves = np.ascontiguousarray(moves, np.float64)
        step(records(state), self.pairs, moves, self.height, alarm)
        return self._replace(state=state), alarm


@cache
def height(every: int, seed: int = 0, rows: int = 20_000, pairs: int = 60) -> float:
    """At which pairs that never change raise one alarm in `every` rows each. Raises InputError.

    By halving, on simulated normal pairs; a reset after each alarm and its warming count as rows.
    """
    if every < 2 * WARM:
        raise InputError(f"a false alarm every {every} rows: give {2 * WARM} or more, to warm up")
    moves = np.random.default_rng(seed).standard_normal((rows, 2 * pairs))
    low, high, both = 1.0, 200.0, np.arange(2 * pairs).reshape(pairs, 2)
    while high - low > 0.05:
        middle = 0.5 * (low + high)
        _, alarm = Watch(both, middle, np.zeros(pairs, BREAK)).push(moves)
        many = np.count_nonzero(alarm) > rows * pairs / every
        low, high = (middle, high) if many else (low, middle)
    return high


def delays(
    height: float, before: float, after: float, *, seed: int = 0, pairs: int = 200
) -> Floats:
    """(pairs,) rows from a change of correlation to the alarm; infinite where none came in 5,000.

    2,000 rows before it, without the alarms that were false then.
    """
    rng, rows = np.random.default_rng(seed), 7_000
    x, e = rng.standard_normal((2, rows, pairs))
    r = np.where(np.arange(rows) < 2_000, before, after)[:, None]
    moves = np.stack([x, r * x + np.sqrt(1 - r * r) * e], axis=-1).reshape(rows, 2 * pairs)
    both = np.arange(2 * pairs).reshape(pairs, 2)
    watch, _ = Watch(both, np.inf, np.zeros(pairs, BREAK)).push(moves[:2_000])
    watch.state["up"] = watch.state["down"] = 0.0
    _, alarm = watch._replace(height=height).push(moves[2_000:])
    first = (alarm != 0).argmax(axis=0) + 1.0
    return np.where((alarm != 0).any(axis=0), first, np.inf)
