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


def watched(points: Points) -> Sequence:
    """All of it is learned from, with nothing before its start."""
    ts = np.r_[points.start, points.ts, points.end]
    return Sequence(ts, np.r_[ON, points.kind, OFF].astype(np.int64))


def apart(kinds: int) -> Heads:
    """Each kind has parameters of its own."""
    return Heads(np.arange(kinds), np.tile(np.arange(kinds), (kinds, 1)))


def mirrored(mirror: tuple[int, ...]) -> Heads:
    """Kind j and kind mirror[j] share theirs: what one does to k, the other does to mirror[k]."""
    first = np.minimum(np.arange(len(mirror)), mirror)
    _, of = np.unique(first, return_inverse=True)
    same = first == np.arange(len(mirror))
    turn = np.where(same[:, None], np.arange(len(mirror)), np.array(mirror))
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


READ_FLOATS, READ_INTS = array(np.float64, 1, readonly=True), array(np.int64, 1, readonly=True)
READ_TABLE = array(np.float64, 2, readonly=True)
TABLE = array(np.float64, 2)
TERMS = types.Tuple((READ_FLOATS, READ_TABLE, READ_TABLE, READ_TABLE))
HEADS = types.Tuple((READ_INTS, array(np.int64, 2, readonly=True)))
OUT = types.Tuple((TABLE, TABLE, array(np.int64), TABLE, TABLE))


@kernel
def integrate(sums: Any, late: Any, beta: Any, sign: float, total: Any, dtotal: Any) -> None:
    """A decayed sum grows by beta at a point and falls by itself: its integral by the difference.

    sign: +1 where a window begins, -1 where it ends.
    """
    for k in range(sums.shape[0]):
        for p in range(sums.shape[1]):
            total[k, p] += sign * sums[k, p] / beta[p]
            dtotal[k, p] -= sign * late[k, p]


@kernel
def jump(sums: Any, fresh: Any, beta: Any) -> None:
    """What happened at this very time begins to excite."""
    for k in range(sums.shape[0]):
        if fresh[k] != 0.0:
            for p in range(sums.shape[1]):
                sums[k, p] += fresh[k] * beta[p]
            fresh[k] = 0.0


@kernel
def decay(sums: Any, late: Any, beta: Any, gap: float) -> None:
    for p in range(len(beta)):
        fade = math.exp(-beta[p] * gap)
        for k in range(sums.shape[0]):
            late[k, p] = fade * (late[k, p] + gap * sums[k, p])
            sums[k, p] *= fade


@kernel
def gather(c: Any, dc: Any, totals: Any, shapes: Any, heads: Any, steps: int) -> None:
    """Integrals of the terms become integrals of the columns of each head."""
    _, mix, by_mix, by_decay = shapes
    total, dtotal = totals
    of, turn = heads
    for j in range(len(of)):
        for k in range(len(of)):
            for q in range(len(mix)):
                place = turn[j, k] * len(mix) + q
                for p in range(total.shape[1]):
                    c[of[j], steps + place] += mix[q, p] * total[k, p]
                    dc[of[j], place] += by_mix[q, p] * total[k, p] + by_decay[q, p] * dtotal[k, p]


@kernel
def write(x: Any, dx: Any, state: Any, shapes: Any, turn: Any, steps: int) -> None:
    """The columns of one point."""
    beta, mix, by_mix, by_decay = shapes
    sums, late = state
    for k in range(len(sums)):
        for q in range(len(mix)):
            place = turn[k] * len(mix) + q
            for p in range(len(beta)):
                x[steps + place] += mix[q, p] * sums[k, p]
            if len(dx):
                for p in range(len(beta)):
                    slope = sums[k, p] - beta[p] * late[k, p]
                    dx[place] += by_mix[q, p] * sums[k, p] + by_decay[q, p] * slope


@compiled(types.int64(READ_INTS, READ_INTS, TERMS, HEADS, READ_INTS, OUT))
def fill(ts: Any, code: Any, shapes: Any, heads: Any, knots: Any, out: Any) -> int:
    """Write the columns of every point that is learned from; -> how many. c: without baseline.

    sums (K, P): sum of beta exp(-beta dt), before what happens at the same time; late: sum of
    beta dt exp(-beta dt). The derivative of sums by log beta is sums - beta late.
    """
    beta = shapes[0]
    of, turn = heads
    x, dx, head, c, dc = out
    kinds, terms, steps = len(of), len(beta), len(knots)
    sums, late = np.zeros((kinds, terms)), np.zeros((kinds, terms))
    total, dtotal = np.zeros((kinds, terms)), np.zeros((kinds, terms))
    fresh, n, on = np.zeros(kinds), 0, False
    at = ts[0] if len(ts) else 0
    for i in range(len(ts)):
        if ts[i] != at:
            jump(sums, fresh, beta)
            decay(sums, late, beta, (ts[i] - at) * 1e-9)
            at = ts[i]
        j = code[i]
        if j >= 0:
            if on:
                write(x[n], dx[n], (sums, late), shapes, turn[j], steps)
                here, far = between(knots, at)
                x[n, here] = 1.0 - far
                if far > 0.0:
                    x[n, here + 1] = far
                head[n] = of[j]
                n += 1
                for p in range(terms):
                    total[j, p] += 1.0
            fresh[j] += 1.0
        else:
            jump(sums, fresh, beta)
            if (j == ON) != on:
                integrate(sums, late, beta, -1.0 if on else 1.0, total, dtotal)
                on = j in (ON, RESET)
            if j == RESET:
                sums[:] = 0.0
                late[:] = 0.0
    if on:
        jump(sums, fresh, beta)
        integrate(sums, late, beta, -1.0, total, dtotal)
    gather(c, dc, (total, dtotal), shapes, heads, steps)
    return n


def design(seq: Sequence, terms: Terms, heads: Heads, knots: Ints, *, slopes: bool) -> Design:
    """The columns; with `slopes` also their derivatives by the parameters of the shapes."""
    kinds, shapes, n = len(heads.of), len(terms.mix), int((seq.code >= 0).sum())
    wide, H = kinds * shapes, heads.number
    x, dx = np.zeros((n, len(knots) + wide)), np.zeros((n, wide if slopes else 0))
    head = np.zeros(n, np.int64)
    c, dc = np.zeros((H, len(knots) + wide)), np.zeros((H, wide))
    found = fill(seq.ts, seq.code, tuple(terms), tuple(heads), knots, (x, dx, head, c, dc))
    c[:, : len(knots)] = np.outer(np.bincount(heads.of), exposure(knots, windows(seq)))
    return Design(x[:found], dx[:found], head[:found], c, dc, shapes if slopes else 0)


SUMS = types.Tuple((array(np.float64), TABLE, array(np.float64, 3)))
SHAPE_SUMS = types.Tuple((array(np.float64), array(np.float64, 3), TABLE))


@compiled(types.void(READ_TABLE, READ_TABLE, READ_INTS, READ_TABLE, SUMS, SHAPE_SUMS))
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
    return Slopes(float(value.sum()) - lost, gradient - of.c, full, shape, cross, full2)


def log_likelihood(points: Points, process: Process) -> float:
    """Of all points in [start, end), with nothing before its start; nats.

    Raises InputError where a point comes at an intensity of 0.
    """
    seq, heads = watched(points), apart(len(process.mu))
    none = np.zeros_like(process.mix)
    made = design(
        seq, Terms(process.beta, process.mix, none, none), heads, process.knots, slopes=False
    )
    theta = np.c_[process.mu, process.alpha.reshape(len(heads.of), -1)]
    if not (np.einsum("nd,nd->n", made.x, theta[made.head]) > 0).all():
        raise InputError("hawkes: a point has no intensity: give its kind a baseline above 0")
    return slopes(made, theta).value
