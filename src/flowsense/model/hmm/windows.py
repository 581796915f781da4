"""What a chain observes of rows: of each window of an instrument the return, its volatility and
how returns follow each other. Everything is of the past, and nothing crosses a gap.

A window ends with the first row that is at least `step` after the one before ended: on a slow
clock every row ends one. A window more than four times as long as the step and as the one before
is a hole: nothing is observed, and what was known of the state fades as the chain says.
"""

from math import log
from typing import Any, NamedTuple

import numpy as np

from flowsense._jit import array, compiled
from flowsense.model.hmm.chain import Floats, Ints
from flowsense.model.hmm.kernels import advance, fade
from flowsense.tape import Rows

STEP, START, OPEN, MID, BREAKS, LENGTH = range(6)  # of Windows.whole
SQUARES, LAST, PRODUCTS, POWER = range(4)  # of Windows.number
TS, INSTRUMENT, MID2, BROKEN = range(4)  # of what is read of a row
HOLE = 4  # a window so many times as long as usual says nothing
MEMORY = 0.95  # of the autocorrelation, per window: 20 windows
SMALL = 0.3  # deviations: below, a volatility is that of a market at rest, which is no regime
FAR = 10.0  # deviations: no return is seen as larger

F2, F1, I2, I1 = (array(t, n) for t in (np.float64, np.int64) for n in (2, 1))
R1, R2, R3 = (array(np.float64, n, readonly=True) for n in (1, 2, 3))
W1, W2 = (array(np.int64, n, readonly=True) for n in (1, 2))


class Windows(NamedTuple):
    """The open window of each instrument, and what is known of its state."""

    whole: Ints  # (instruments, 6) ns, mid2 at its start, mid2 now, breaks; length of the last one
    number: Floats  # (instruments, 4) squared returns in it; decayed over windows
    belief: Floats  # (instruments, K) P(state | observations so far)
    place: Ints  # (instruments,) in the table of the fit

    @classmethod
    def of(cls, step_ns: int, place: Ints, belief: Floats) -> "Windows":
        """Before the first row."""
        whole = np.zeros((len(place), 6), np.int64)
        whole[:, STEP] = step_ns
        return cls(whole, np.zeros((len(place), 4)), np.tile(belief, (len(place), 1)), place)

    def copy(self) -> "Windows":
        whole, number, belief, place = self
        return Windows(whole.copy(), number.copy(), belief.copy(), place)


@compiled((W2, I2, F2, I1, F2), brief=True)
def watch(rows: Any, whole: Any, number: Any, what: Any, raw: Any) -> None:
    """Fold rows (n, 4); what (n,): 1 where a window ends, -steps where a hole does, else 0.

    raw (n, 2 or 3): return, sum of squared returns from row to row, decayed autocorrelation.
    """
    for t in range(len(rows)):
        i, m = rows[t, INSTRUMENT], rows[t, MID2]
        what[t] = 0
        if m <= 0 or whole[i, START] == 0 or rows[t, BROKEN] != whole[i, BREAKS]:
            what[t] = -1 if whole[i, START] != 0 else 0
            whole[i, START] = rows[t, TS] if m > 0 else 0
            whole[i, OPEN], whole[i, MID], whole[i, BREAKS] = m, m, rows[t, BROKEN]
            number[i, SQUARES], number[i, LAST] = 0.0, 0.0
            continue
        if m != whole[i, MID]:
            x = log(m / whole[i, MID])
            number[i, SQUARES] += x * x
            whole[i, MID] = m
        length, usual = rows[t, TS] - whole[i, START], max(whole[i, STEP], whole[i, LENGTH])
        if length < whole[i, STEP]:
            continue
        r = log(m / whole[i, OPEN])
        if length > HOLE * usual:
            what[t] = -(length // usual)
            r = 0.0
        else:
            what[t] = 1
            number[i, PRODUCTS] = MEMORY * number[i, PRODUCTS] + r * number[i, LAST]
            number[i, POWER] = MEMORY * number[i, POWER] + r * r
            raw[t, 0], raw[t, 1] = r, number[i, SQUARES]
            if raw.shape[1] > 2:
                power = number[i, POWER]
                raw[t, 2] = number[i, PRODUCTS] / power if power > 0.0 else 0.0
        number[i, SQUARES], number[i, LAST] = 0.0, r
        whole[i, START], whole[i, OPEN], whole[i, LENGTH] = rows[t, TS], m, length


@compiled((F2, W1, R1), brief=True)
def standardise(x: Any, what: Any, scale: Any) -> None:
    """Raw numbers to observations, in place: returns in deviations `scale` (n,), volatility as
    the log of deviations."""
    for t in range(len(x)):
        if what[t] == 1:
            volatility = log(x[t, 1] / (scale[t] * scale[t]) + SMALL * SMALL) / 2
            x[t, 1] = min(volatility, log(FAR))
            x[t, 0] = min(max(x[t, 0] / scale[t], -FAR), FAR)


@compiled((R2, W2, R3, R2, F2, F2, F2), brief=True)
def follow(x: Any, what: Any, table: Any, chain: Any, belief: Any, work: Any, out: Any) -> None:
    """Filter the windows that end; what (n, 2): as `watch` says, instrument. out (n, K) P(state)
    at each row; belief (instruments, K) in place; work (2, K)."""
    for t in range(len(x)):
        i = what[t, 1]
        if what[t, 0] == 1:
            advance(x, t, table, chain, belief, i, work)
        elif what[t, 0] < 0:
            fade(chain, belief, i, -what[t, 0], work)
        for k in range(belief.shape[1]):
            out[t, k] = belief[i, k]


def read(rows: Rows) -> Ints:
    """(n, 4) what windows are made of."""
    quote = rows.quote
    return np.stack([rows.ts, rows.instrument, quote["mid2"], quote["breaks"]], axis=1)


class Ended(NamedTuple):
    """What one run of rows told: nothing at rows where no window ended."""

    what: Ints  # (n,) 1: a window ended; -steps: a hole
    raw: Floats  # (n, D)


def watched(state: Windows, rows: Rows, numbers: int) -> Ended:
    """The windows that end in these rows; `state` is changed."""
    n = len(rows.ts)
    what, raw = np.zeros(n, np.int64), np.zeros((n, numbers))
    watch(read(rows), state.whole, state.number, what, raw)
    return Ended(what, raw)


class Following(NamedTuple):
    """What following windows takes of a fit."""

    table: Floats  # of the chain
    jump: Floats  # of the chain
    scale: Floats  # (places,) deviation of a window's return


def followed(state: Windows, rows: Rows, by: Following) -> tuple[Windows, Floats, Ended]:
    """The next state, (n, K) P(state) at each row, and the windows that ended, standardised."""
    state, states = state.copy(), by.jump.shape[1]
    numbers = int(np.sqrt(by.table.shape[2]))  # D of 1 + D + D D
    ended = watched(state, rows, numbers)
    standardise(ended.raw, ended.what, by.scale[state.place[rows.instrument]])
    out, work = np.zeros((len(rows.ts), states)), np.zeros((2, states))
    what = np.stack([ended.what, rows.instrument], axis=1)
    follow(ended.raw, what, by.table, by.jump, state.belief, work, out)
    return state, out, ended
