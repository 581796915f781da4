"""The likelihood of a Hawkes process as sums over points (Ozaki 1979), as a design of columns.

Kernels are linear in their weights, so the log-likelihood of kind j is
``sum over its points of log(x . theta_j) - c . theta_j``: x holds the baseline and the decayed sum
of each kind and shape at the point, c their integrals over the time that was watched. With decays
fixed it is concave. Kinds that mirror each other share one theta and see mirrored columns.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from flowsense._jit import array, compiled, kernel
from flowsense.errors import InputError
from flowsense.model.hawkes.shapes import Terms
from flowsense.schema import DAY
from flowsense.simulate.points import NS, Floats, Ints, Points, Process, between

ON, OFF, RESET = -1, -2, -3  # codes of a sequence that are no points


class Sequence(NamedTuple):
    """What was watched, in order: points (codes from 0), and where learning begins and ends.

    Points outside ON .. OFF only excite. RESET: nothing before it is known to excite.
    """

    ts: Ints  # (n,) ns, never falling
    code: Ints  # (n,) kind, or ON, OFF, RESET


class Heads(NamedTuple):
    """Which kinds share their parameters, and how each sees the others."""

    of: Ints  # (K,) head of each kind
    turn: Ints  # (K, K) which column of its head kind j finds kind k in

    @property
    def number(self) -> int:
        return int(self.of.max()) + 1


class Design(NamedTuple):
    """D = B + K x Q columns of n points, by head; the integrals beside."""

    x: Floats  # (n, D)
    dx: Floats  # (n, K x Q) derivative of the last K x Q by the parameters of the shapes, or (n, 0)
    head: Ints  # (n,)
    c: Floats  # (H, D)
    dc: Floats  # (H, K x Q)
    shapes: int  # Q, or 0 without dx


class Slopes(NamedTuple):
    """The log-likelihood at some theta and shapes, and its derivatives."""

    value: float
    theta: Floats  # (H, D) gradient
    theta2: Floats  # (H, D, D) minus the Hessian
    shape: Floats  # (Q,) gradient
    cross: Floats  # (H, D, Q) sum of products of scores, for minus the Hessian (Ogata 1978)
    shape2: Floats  # (Q, Q) likewise
    c: Floats  # (H, D) integrals of the columns


def watched(points: Points) -> Sequence:
    """All of it is learned from, with nothing before its start."""
    ts = np.r_[points.start, points.ts, points.end]
    return Sequence(ts, np.r_[ON, points.kind, OFF].astype(np.int64))


def apart(kinds: int) -> Heads:
    """Each kind has parameters of its own."""
    return Heads(np.arange(kinds), np.tile(np.arange(kinds), (kinds, 1)))


def mirrored(mirror: tuple[int, ...]) -> Heads:
    """Kind j and kind mirror[j] share theirs: what one does to k, the other does to mirror[k].

    A kind that is its own mirror is excited alike by k and mirror[k].
    """
    first = np.minimum(np.arange(len(mirror)), mirror)
    _, of = np.unique(first, return_inverse=True)
    same = first == np.arange(len(mirror))
    turn = np.where(same[:, None], np.arange(len(mirror)), np.array(mirror))
    turn = np.where(np.equal(mirror, np.arange(len(mirror)))[:, None], first, turn)
    return Heads(of.astype(np.int64), turn.astype(np.int64))


def windows(seq: Sequence) -> Ints:
    """(w, 2) ns from each ON to its OFF; a sequence that ends while ON ends there."""
    edge = np.flatnonzero((seq.code == ON) | (seq.code == OFF))
    on = seq.code[edge] == ON
    new = on != np.r_[False, on[:-1]][: len(on)]
    ts = seq.ts[edge[new]]
    if len(ts) % 2:
        ts = np.r_[ts, seq.ts[-1]]
    return np.asarray(ts.reshape(-1, 2), np.int64)


def exposure(knots: Ints, spans: Ints) -> Floats:
    """(B,) seconds that each knot of a piecewise linear baseline counts for over the spans."""
    if len(knots) == 1:
        return np.array([(spans[:, 1] - spans[:, 0]).sum() * NS])
    edges = np.r_[0, knots, DAY]
    area = np.zeros((len(edges), len(knots)))  # of each hat, until each edge of the day
    full = np.diff(edges) * NS
    area[1:, 0] += np.cumsum(np.r_[full[0], np.zeros(len(full) - 1)])
    area[-1, -1] += full[-1]
    for j, length in enumerate(full[1:-1]):
        area[j + 2 :, j] += length / 2
        area[j + 2 :, j + 1] += length / 2
    total = np.zeros(len(knots))
    for sign, ts in ((-1, spans[:, 0]), (1, spans[:, 1])):
        day, at = ts // DAY, ts % DAY
        place = np.clip(np.searchsorted(edges, at, "right") - 1, 0, len(full) - 1)
        u = (at - edges[place]) / np.maximum(np.diff(edges)[place], 1)
        until = area[place] + (day[:, None] * area[-1])
        low, high = np.clip(place - 1, 0, len(knots) - 1), np.clip(place, 0, len(knots) - 1)
        inside = (place > 0) & (place < len(full) - 1)
        every = np.arange(len(ts))
        until[every, low] += np.where(inside, u - u * u / 2, u) * full[place]
        until[every, high] += np.where(inside, u * u / 2, 0.0) * full[place]
        total += sign * until.sum(axis=0)
    return total


READ_INTS = array(np.int64, 1, readonly=True)
READ_TABLE = array(np.float64, 2, readonly=True)
TABLE, TABLE3 = array(np.float64, 2), array(np.float64, 3)
HEADS = types.Tuple((READ_INTS, array(np.int64, 2, readonly=True)))
OUT = types.Tuple((TABLE, TABLE, array(np.int64)))
SUMS = types.UniTuple(TABLE3, 2)


@kernel
def integrate(sums: Any, beta: Any, sign: float, total: Any) -> None:
    """A decayed sum grows by beta at a point and falls by itself: its integral by the difference.

    sign: +1 where a window begins, -1 where it ends.
    """
    for k in range(sums.shape[1]):
        for p in range(sums.shape[2]):
            total[0, k, p] += sign * sums[0, k, p] / beta[p]
            total[1, k, p] -= sign * sums[1, k, p]


@kernel
def flush(sums: Any, beta: Any, code: Any, first: int, end: int) -> None:
    """What happened at one time begins to excite; points of one time do not excite each other."""
    for i in range(first, end):
        if code[i] >= 0:
            for p in range(len(beta)):
                sums[0, code[i], p] += beta[p]


@kernel
def decay(sums: Any, beta: Any, gap: float, both: bool) -> None:
    for p in range(len(beta)):
        fade = math.exp(-beta[p] * gap)
        for k in range(sums.shape[1]):
            if both:
                sums[1, k, p] = fade * (sums[1, k, p] + gap * sums[0, k, p])
            sums[0, k, p] *= fade


@kernel
def excited(n: int, x: Any, dx: Any, sums: Any, mixes: Any, turn: Any, kind: int) -> None:
    """The columns of one point that others excite."""
    _, shapes, terms = mixes.shape
    first = x.shape[1] - sums.shape[1] * shapes
    for d in range(first, x.shape[1]):
        x[n, d] = 0.0
    for d in range(dx.shape[1]):
        dx[n, d] = 0.0
    for k in range(sums.shape[1]):
        for q in range(shapes):
            place = turn[kind, k] * shapes + q
            for p in range(terms):
                x[n, first + place] += mixes[0, q, p] * sums[0, k, p]
            if dx.shape[1]:
                for p in range(terms):
                    moved = sums[0, k, p] - mixes[3, q, p] * sums[1, k, p]
                    dx[n, place] += mixes[1, q, p] * sums[0, k, p] + mixes[2, q, p] * moved


@kernel
def steady(n: int, x: Any, knots: Any, ts: int) -> None:
    """The columns of one point that make up the baseline."""
    if len(knots) == 1:
        x[n, 0] = 1.0
        return
    here, far = between(knots, ts)
    for b in range(len(knots)):
        x[n, b] = 0.0
    x[n, here] = 1.0 - far
    if far > 0.0:
        x[n, here + 1] = far


@compiled(types.int64(READ_INTS, READ_INTS, TABLE3, HEADS, READ_INTS, OUT, SUMS))
def fill(ts: Any, code: Any, mixes: Any, heads: Any, knots: Any, out: Any, state: Any) -> int:
    """Write the columns of every point that is learned from; -> how many.

    mixes (4, Q, P): mix, its slope, that of decays, beta. state: sums (2, K, P), of
    beta exp(-beta dt) without what happens at the same time, and of beta dt exp(-beta dt), which
    its slope needs; then the integrals of both, which are added to.
    """
    of, turn = heads
    x, dx, head = out
    sums, total = state
    beta = mixes[3, 0]
    n, on, both, since = 0, False, dx.shape[1] > 0, 0
    at = ts[0] if len(ts) else 0
    for i in range(len(ts)):
        if ts[i] != at:
            decay(sums, beta, (ts[i] - at) * 1e-9, both)
            at = ts[i]
        j = code[i]
        if j >= 0 and on:
            excited(n, x, dx, sums, mixes, turn, j)
            steady(n, x, knots, at)
            head[n] = of[j]
            n += 1
            for p in range(len(beta)):
                total[0, j, p] += 1.0
        if j < 0 or i + 1 == len(ts) or ts[i + 1] != at:
            flush(sums, beta, code, since, i + 1)
            since = i + 1
        if j < 0 and (j == ON) != on:
            integrate(sums, beta, -1.0 if on else 1.0, total)
            on = j in (ON, RESET)
        if j == RESET:
            sums[:] = 0.0
    if on:
        integrate(sums, beta, -1.0, total)
    return n


def design(
    seq: Sequence,
    terms: Terms,
    heads: Heads,
    knots: Ints,
    *,
    slopes: bool = False,
    sums: Floats | None = None,
) -> Design:
    """The columns; with `slopes` also their derivatives by the parameters of the shapes.

    sums (K, P): decayed sums of what happened before, as of the first record; by default nothing.
    """
    beta, mix, by_mix, by_decay = terms
    K, Q, n = len(heads.of), len(mix), int((seq.code >= 0).sum())
    x = np.empty((n, len(knots) + K * Q))
    dx = np.empty((n, K * Q if slopes else 0))
    head, total, start = np.empty(n, np.int64), *np.zeros((2, 2, K, len(beta)))
    if sums is not None:
        start[0] = sums
    mixes = np.stack([mix, by_mix, by_decay, np.broadcast_to(beta, mix.shape)])
    found = fill(seq.ts, seq.code, mixes, tuple(heads), knots, (x, dx, head), (start, total))
    steady = np.outer(np.bincount(heads.of), exposure(knots, windows(seq)))
    excited = by_head(total[0] @ mix.T, heads)
    by_shape = by_head(total[0] @ by_mix.T + total[1] @ by_decay.T, heads)
    c = np.concatenate([steady, excited], axis=1)
    return Design(x[:found], dx[:found], head[:found], c, by_shape, Q if slopes else 0)


def by_head(total: Floats, heads: Heads) -> Floats:
    """(K, Q) integrals over all that excites -> (H, K x Q) of the columns of each head."""
    K, Q = total.shape
    out = np.zeros((heads.number, K, Q))
    for j in range(K):
        np.add.at(out[heads.of[j]], heads.turn[j], total)
    return out.reshape(heads.number, K * Q)


SLOPES = types.Tuple((array(np.float64), TABLE, TABLE3))
SHAPE_SLOPES = types.Tuple((array(np.float64), TABLE3, TABLE))


@compiled(types.void(READ_TABLE, READ_TABLE, READ_INTS, READ_TABLE, SLOPES, SHAPE_SLOPES))
def add_up(x: Any, dx: Any, head: Any, theta: Any, of: Any, of_shapes: Any) -> None:
    """Log intensities, their gradients and the products of these; lower triangles."""
    value, gradient, curve = of
    slope, cross, shape2 = of_shapes
    shapes, wide = len(slope), x.shape[1]
    product, s = np.ones(len(theta)), np.zeros(shapes)
    for i in range(len(x)):
        h, intensity = head[i], 0.0
        for d in range(wide):
            intensity += x[i, d] * theta[h, d]
        product[h] *= intensity
        if not 1e-150 < product[h] < 1e150:
            value[h] += math.log(product[h])
            product[h] = 1.0
        inverse = 1.0 / intensity
        for d in range(wide):
            score = x[i, d] * inverse
            gradient[h, d] += score
            score *= inverse
            for e in range(d + 1):
                curve[h, d, e] += score * x[i, e]
        if shapes:
            s[:] = 0.0
            for d in range(dx.shape[1]):
                s[d % shapes] += dx[i, d] * theta[h, wide - dx.shape[1] + d] * inverse
            for q in range(shapes):
                slope[q] += s[q]
                for d in range(wide):
                    cross[h, d, q] += x[i, d] * inverse * s[q]
                for r in range(q + 1):
                    shape2[q, r] += s[q] * s[r]
    for h in range(len(theta)):
        value[h] += math.log(product[h])


def slopes(of: Design, theta: Floats) -> Slopes:
    """At theta (H, D), every intensity above 0."""
    (H, D), Q = theta.shape, of.shapes
    value, gradient, curve = np.zeros(H), np.zeros((H, D)), np.zeros((H, D, D))
    shape, cross, shape2 = np.zeros(Q), np.zeros((H, D, Q)), np.zeros((Q, Q))
    add_up(of.x, of.dx, of.head, theta, (value, gradient, curve), (shape, cross, shape2))
    if Q:
        excited = theta[:, D - of.dc.shape[1] :] * of.dc
        shape -= excited.reshape(-1, Q).sum(axis=0)
    lost = float((of.c * theta).sum())
    full, full2 = (m + np.tril(m, -1).swapaxes(-1, -2) for m in (curve, shape2))
    return Slopes(float(value.sum()) - lost, gradient - of.c, full, shape, cross, full2, of.c)


def log_likelihood(points: Points, process: Process) -> float:
    """Of all points in [start, end), with nothing before its start; nats.

    Raises InputError where a point comes at an intensity of 0.
    """
    seq, heads = watched(points), apart(len(process.mu))
    none = np.zeros_like(process.mix)
    made = design(seq, Terms(process.beta, process.mix, none, none), heads, process.knots)
    theta = np.c_[process.mu, process.alpha.reshape(len(heads.of), -1)]
    if not (np.einsum("nd,nd->n", made.x, theta[made.head]) > 0).all():
        raise InputError("hawkes: a point has no intensity: give its kind a baseline above 0")
    return slopes(made, theta).value
