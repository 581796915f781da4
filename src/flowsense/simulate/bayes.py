"""What a forecaster knows who knows the truth, and its chances where they can be computed.

Of pure flow the answer is exact: a Hawkes process with exponential kernels is affine, so that the
characteristic function of a signed count over a horizon is exp(A + B . excess), where A and B
solve ordinary differential equations (Errais, Giesecke & Goldberg 2010, prop. 2.2); the
probabilities are its inverse on the lattice. Of the mid there is no closed answer: `Known` is what
`train.ceiling` maps to chances.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, records
from flowsense.forecast import DOWN, FLAT, UP
from flowsense.schema import SECOND, Events
from flowsense.simulate.hawkes import KINDS, PUSH, Hawkes, points
from flowsense.simulate.latent import HINT
from flowsense.simulate.market import Truth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Complex = NDArray[np.complex128]
STEP = 0.3  # of Runge and Kutta, in mean lives of the quickest excitement
WIDE = 14  # standard deviations that the lattice spans
NOTHING = -35.0  # log of what no chance is changed by
PRUNE = 16  # steps after which frequencies that have come to nothing are dropped
BLOCK = 1 << 20  # entries of a block of rows


class Known(NamedTuple):
    """Of each row, as of the moment that it falls due."""

    price: Floats  # (n,) efficient, ticks
    state: Ints  # (n,) regime
    excess: Floats  # (n, 6) per second, what points so far still add to the intensities


def known(truth: Truth, events: Events, ts: Ints, instrument: Ints) -> Known:
    """ts (n,) ns of our clock, rising; instrument (n,). `events` are those of the simulation."""
    n, at = len(ts), ts - truth.market.wire_ns
    price, state, excess = np.zeros(n), np.zeros(n, np.int64), np.zeros((n, KINDS))
    when, who, kind = points_of(truth, events)
    for i in range(truth.market.instruments):
        rows, mine = np.flatnonzero(instrument == i), truth.latent[truth.latent["instrument"] == i]
        last = np.searchsorted(mine["ts"], at[rows]) - 1
        price[rows], state[rows] = mine["price"][last], mine["state"][last]
        excess[rows] = excited(truth.hawkes, when[who == i], kind[who == i], at[rows])
    return Known(price, state, excess)


def points_of(truth: Truth, events: Events) -> tuple[Ints, Ints, Ints]:
    """The Hawkes points among the events: what a script did excites nothing."""
    when, who, kind = points(events)
    own = ~np.isin(when, scripted(truth))
    return when[own], who[own].astype(np.int64), kind[own].astype(np.int64)


def scripted(truth: Truth) -> Ints:
    """ns at which plants acted at the venue."""
    found = [x for name, x in truth.planted.items() if name.endswith(".acts")]
    return np.concatenate([np.zeros(0, np.int64), *found])


def excited(hawkes: Hawkes, when: Ints, kind: Ints, at: Ints) -> Floats:
    """(n, 6) excess of each kind's intensity at these times (n,) ns, rising, before their points.

    when (p,) ns rising and kind (p,) of all points.
    """
    out = np.zeros((len(at), KINDS))
    jumps = np.ascontiguousarray(hawkes.alpha * hawkes.beta[:, None])
    excitation(when.astype(np.int64), kind.astype(np.int64), at, jumps, hawkes.beta.copy(), out)
    return out


@compiled(
    types.void(
        array(np.int64),
        array(np.int64),
        array(np.int64),
        array(np.float64, 2),
        array(np.float64),
        array(np.float64, 2),
    )
)
def excitation(when: Any, kind: Any, at: Any, jumps: Any, beta: Any, out: Any) -> None:
    """Writes out (n, 6)."""
    p, last = 0, 0
    now = np.zeros(len(beta))
    for i in range(len(at)):
        while p < len(when) and when[p] < at[i]:
            for j in range(len(beta)):
                now[j] = now[j] * np.exp(-beta[j] * (when[p] - last) * 1e-9) + jumps[j, kind[p]]
            last = when[p]
            p += 1
        for j in range(len(beta)):
            out[i, j] = now[j] * np.exp(-beta[j] * (at[i] - last) * 1e-9)


def pending(truth: Truth, ts: Ints, instrument: Ints, horizon_ns: int) -> Floats:
    """(n,) ticks that the efficient price is known to move within the horizon."""
    out = np.zeros(len(ts))
    hints = np.ascontiguousarray(truth.hints)
    first = np.searchsorted(hints["ts"] + truth.market.wire_ns, ts)
    span = np.array([horizon_ns, truth.market.wire_ns])
    foreseen(records(hints), ts.astype(np.int64), instrument.astype(np.int64), first, span, out)
    return out


@compiled(
    types.void(
        array(HINT),
        array(np.int64),
        array(np.int64),
        array(np.int64),
        array(np.int64),
        array(np.float64),
    )
)
def foreseen(hints: Record, ts: Any, instrument: Any, first: Any, span: Any, out: Any) -> None:
    """Writes out (n,): hints from line `first` (n,) on; span: horizon, wire, ns."""
    for i in range(len(ts)):
        h = first[i]
        while h < len(hints) and hints[h].ts + span[1] < ts[i] + span[0]:
            if hints[h].instrument == instrument[i] and hints[h].known_at < ts[i]:
                out[i] += hints[h].step
            h += 1


def flow_signs(
    hawkes: Hawkes, excess: Floats, horizon_ns: int, signs: NDArray[np.int64] = PUSH
) -> Floats:
    """(n, 3) chances that a signed count of points over the horizon is below, at, above 0.

    excess (n, 6) as of the row; signs (6,) of each kind, whole numbers: as they are, those of the
    order flow imbalance of the touch in lots, in `markets.flow`. Exact but for the steps of the
    solution and the width of the lattice, about 1e-6.
    """
    M = lattice(hawkes, horizon_ns, signs)
    which, A, B = affine(hawkes, 2 * np.pi * np.arange(M // 2 + 1) / M, horizon_ns, signs)
    weights, out = sums(M, which), np.zeros((len(excess), 3))
    for rows in np.array_split(np.arange(len(excess)), 1 + len(excess) * len(which) // BLOCK):
        phi = np.exp(A + excess[rows] @ B.T)
        out[rows] = (phi @ weights).real
    out = np.clip(out, 0, None)
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def lattice(hawkes: Hawkes, horizon_ns: int, signs: NDArray[np.int64]) -> int:
    """Points of it: a power of two that holds the count's long-run spread many times."""
    R = np.linalg.inv(np.eye(KINDS) - hawkes.alpha)
    spread = np.sqrt(horizon_ns / SECOND * (signs @ R) ** 2 @ hawkes.rates())
    return int(2 ** np.ceil(np.log2(WIDE * spread + 64)))


def sums(M: int, m: Ints) -> Complex:
    """(f, 3) of the characteristic function at frequencies 2 pi m / M: chances by sign.

    m (f,) from 0 to M / 2; the others are their conjugates.
    """
    k = np.arange(-M // 2, M // 2)
    twice = np.where((m == 0) | (m == M // 2), 1.0, 2.0) / M
    wave = np.exp(-2j * np.pi * np.outer(m, k) / M) * twice[:, None]
    out = np.zeros((len(m), 3), np.complex128)
    for column, which in ((DOWN, k < 0), (FLAT, k == 0), (UP, k > 0)):
        out[:, column] = wave[:, which].sum(axis=1)
    return out


def affine(
    hawkes: Hawkes, theta: Floats, horizon_ns: int, signs: NDArray[np.int64]
) -> tuple[Ints, Complex, Complex]:
    """which (f,), A (f,), B (f, 6): the log of E exp(i theta[which] D) is A + B . excess.

    Classical Runge-Kutta. The real part of A only falls and that of B is never above 0, so
    frequencies of no weight can go on the way.
    """
    seconds, which = horizon_ns / SECOND, np.arange(len(theta))
    steps = int(np.ceil(seconds * hawkes.beta.max() / STEP)) + 8
    dt, jumps = seconds / steps, hawkes.alpha * hawkes.beta[:, None]
    A, B = np.zeros(len(theta), np.complex128), np.zeros((len(theta), KINDS), np.complex128)
    for n in range(steps):
        turn = np.asarray(1j * np.outer(theta[which], signs), np.complex128)
        a1, b1 = slope(hawkes, jumps, turn, B)
        a2, b2 = slope(hawkes, jumps, turn, B + dt / 2 * b1)
        a3, b3 = slope(hawkes, jumps, turn, B + dt / 2 * b2)
        a4, b4 = slope(hawkes, jumps, turn, B + dt * b3)
        A, B = A + dt / 6 * (a1 + 2 * a2 + 2 * a3 + a4), B + dt / 6 * (b1 + 2 * b2 + 2 * b3 + b4)
        if n % PRUNE == 0:
            kept = A.real > NOTHING
            which, A, B = which[kept], A[kept], B[kept]
    return which, A, B


def slope(hawkes: Hawkes, jumps: Floats, turn: Complex, B: Complex) -> tuple[Complex, Complex]:
    """What A and B grow by, per second."""
    born: Complex = np.expm1(turn + B @ jumps)
    return np.asarray(born @ hawkes.mu), born - hawkes.beta * B
