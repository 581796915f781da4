"""Maximum likelihood of Hawkes processes, and how sure it is (Ozaki 1979; Ogata 1978).

With fixed decays the design is made once and Newton's method climbs a concave function; with free
ones it is made again at each step, the parameters of the shapes being part of the step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from flowsense.errors import InputError
from flowsense.model.hawkes.likelihood import (
    Heads,
    Sequence,
    Slopes,
    apart,
    design,
    slopes,
    watched,
    windows,
)
from flowsense.model.hawkes.shapes import Shapes
from flowsense.simulate.points import NOON, NS, Floats, Ints, Points, Process

STEPS = 100
CLOSE = 1e-5  # nats that one more step would gain
PREVIEW = 16_384  # records on which a climb over many begins
LONGEST = 1.0  # step of the parameter of a shape
FAINT = 1e-8  # least baseline, of the rate
HALVINGS = 4
NOTHING = 1e-9  # share of the points: a column that tells no more has no curvature to climb by


class Bounds(NamedTuple):
    """Two ends for each parameter of a process, of its shapes and of its branching ratio."""

    mu: NDArray[np.float64]  # (2, K, B)
    alpha: NDArray[np.float64]  # (2, K, K, Q)
    shape: NDArray[np.float64]  # (2, Q) log decay, or exponent
    branching: NDArray[np.float64]  # (2,)


@dataclass(frozen=True, slots=True)
class Fit:
    """A process and its likelihood; of a column that nothing speaks for the variance is 0."""

    process: Process
    shapes: Shapes
    heads: Heads
    theta: Floats  # (H, D) baseline at the knots, then mean children by kind and shape
    covariance: Floats  # (H x D + Q,) squared, of theta and of the parameters of the shapes
    exposure: Floats  # (H, D) integral of the columns; theta x exposure: points told by each
    log_likelihood: float  # nats
    points: int  # learned from
    seconds: float  # watched
    steps: int

    def intervals(self, level: float = 0.95) -> Bounds:
        """Of every parameter, by the delta method on log theta, and plain for a shape.

        A parameter at 0 has 0 for both ends: the likelihood is not flat there.
        """
        wide, Q = self.theta.size, len(self.shapes.free)
        z = float(ndtri(0.5 + level / 2))
        error = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        theta = self.theta.ravel()
        ratio = error[:wide] / np.maximum(theta, 1e-300)
        ends = theta * np.exp(np.outer((-z, z), np.minimum(ratio, 700.0 / z)))
        low, high = (tables_of(e.reshape(self.theta.shape), self.heads, Q) for e in ends)
        mu, alpha = np.stack([low[0], high[0]]), np.stack([low[1], high[1]])
        shape = self.shapes.free + np.outer((-z, z), error[wide:])
        return Bounds(mu, alpha, shape, self._branching(z))

    def _branching(self, z: float) -> Floats:
        """The spectral radius moves with an entry by left x right eigenvector."""
        children = self.process.alpha.sum(axis=2)
        values, right = np.linalg.eig(children)
        top = int(np.abs(values).argmax())
        inverse = np.linalg.pinv(right)
        by_entry = np.real(np.outer(inverse[top], right[:, top]))
        gradient = np.zeros_like(self.theta)
        K, Q = len(children), self.process.alpha.shape[2]
        first = gradient.shape[1] - K * Q
        for j in range(K):
            for k in range(K):
                place = first + self.heads.turn[j, k] * Q
                gradient[self.heads.of[j], place : place + Q] += by_entry[j, k]
        flat = gradient.ravel()
        inner = self.covariance[: len(flat), : len(flat)]
        error = max(float(flat @ inner @ flat), 0.0) ** 0.5
        return np.asarray(self.process.branching + error * np.array([-z, z]), np.float64)


class Climb(NamedTuple):
    """Where a climb stands."""

    theta: Floats
    free: Floats
    at: Slopes


def fit(
    seen: Points | Sequence,
    shapes: Shapes,
    kinds: int,
    *,
    heads: Heads | None = None,
    knots: Ints = NOON,
    free: bool = False,
    steps: int = STEPS,
) -> Fit:
    """The process of most likelihood; with `free` also over the shapes, from where they stand.

    heads: which kinds share parameters, by default none. Raises InputError without a point.
    """
    seq = watched(seen) if isinstance(seen, Points) else seen
    heads = apart(kinds) if heads is None else heads
    near = None
    if len(seq.ts) > 4 * PREVIEW:
        few = Sequence(seq.ts[:PREVIEW], seq.code[:PREVIEW])
        near = fit(few, shapes, kinds, heads=heads, knots=knots, free=free, steps=steps)
        shapes = near.shapes
    made = design(seq, shapes.terms(), heads, knots, slopes=free)
    if not len(made.x):
        raise InputError("hawkes: no point to learn from: give a longer recording, with trades")
    count = np.bincount(made.head, minlength=heads.number).astype(np.float64)
    theta, low = start(count, made.c, len(knots))
    if near is not None:
        theta = np.where(made.c > 0, np.maximum(near.theta, 0.1 * theta), 0.0)

    def evaluate(theta: Floats, at: Floats) -> Slopes:
        if not free or (at == shapes.free).all():
            return slopes(made, theta)
        again = design(seq, shapes.at(at).terms(), heads, knots, slopes=True)
        return slopes(again, theta)

    first = Climb(theta, shapes.free if free else np.zeros(0), evaluate(theta, shapes.free))
    idle = theta * (first.at.theta + first.at.c) < NOTHING * count[:, None]
    if (idle & (theta > low)).any():
        theta = np.where(idle, low, theta)
        first = first._replace(theta=theta, at=evaluate(theta, shapes.free))
    top, taken = climb(evaluate, first, low, shapes.bounds, steps)
    found, span = shapes.at(top.free) if free else shapes, windows(seq)
    return Fit(
        process_of(top.theta, found, heads, knots),
        found,
        heads,
        top.theta,
        covariance(top, low, len(shapes.free), shapes.bounds),
        top.at.c,
        top.at.value,
        len(made.x),
        float((span[:, 1] - span[:, 0]).sum() * NS),
        taken,
    )


def start(count: Floats, c: Floats, knots: int) -> tuple[Floats, Floats]:
    """Half of the points told by the baseline, half by all that excites; and the least theta."""
    seen = c > 0
    seen[:, :knots] |= c[:, :knots].sum(axis=1, keepdims=True) <= 0
    share = np.zeros_like(c)
    share[:, :knots] = 0.5 / np.maximum(seen[:, :knots].sum(axis=1, keepdims=True), 1)
    share[:, knots:] = 0.5 / np.maximum(seen[:, knots:].sum(axis=1, keepdims=True), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(c > 0, count[:, None] * share / c, 0.0)
    low = np.zeros_like(theta)
    low[:, :knots] = FAINT * theta[:, :knots]
    return theta, low


def climb(
    evaluate: Callable[[Floats, Floats], Slopes],
    here: Climb,
    low: Floats,
    bounds: tuple[float, float],
    steps: int,
) -> tuple[Climb, int]:
    """Newton's method, projected on what theta may be; a step of EM where it would fall."""
    taken = 0
    while taken < steps:
        step, gain = newton(here, low, bounds)
        if gain < CLOSE:
            break
        taken += 1
        for part in 0.25 ** np.arange(HALVINGS):
            there = moved(here, part * step, low, bounds, evaluate)
            if there.at.value > here.at.value:
                break
        else:
            told = here.theta * (here.at.theta + here.at.c) / np.maximum(here.at.c, 1e-300)
            theta = np.maximum(told, low)
            there = Climb(theta, here.free, evaluate(theta, here.free))
            if there.at.value <= here.at.value:
                break
        here = there
    return here, taken


def moved(
    here: Climb,
    step: Floats,
    low: Floats,
    bounds: tuple[float, float],
    evaluate: Callable[[Floats, Floats], Slopes],
) -> Climb:
    """Where a step leads, within what may be."""
    wide = here.theta.size
    shape = np.clip(step[wide:], -LONGEST, LONGEST)
    free = np.clip(here.free + shape, *bounds)
    theta = np.maximum(here.theta + step[:wide].reshape(low.shape), low)
    return Climb(theta, free, evaluate(theta, free))


def newton(at: Climb, low: Floats, bounds: tuple[float, float]) -> tuple[Floats, float]:
    """The step of all parameters that may move, and twice the nats it promises."""
    gradient = np.r_[at.at.theta.ravel(), at.at.shape]
    moves = movable(at, low, bounds)
    curve = information(at.at)[np.ix_(moves, moves)]
    scale = 1.0 / np.sqrt(np.diag(curve))
    scaled = curve * scale[:, None] * scale + 1e-10 * np.eye(len(scale))
    step = np.zeros(len(gradient))
    step[moves] = scale * np.linalg.solve(scaled, scale * gradient[moves])
    return step, float(step @ gradient)


def movable(at: Climb, low: Floats, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    """Neither at an end with all to gain beyond it, nor of a column of zeros."""
    inside = (at.theta > low).ravel() | (at.at.theta.ravel() > 0)
    told = np.einsum("hdd->hd", at.at.theta2).ravel() > 0
    below, above = (at.free <= bounds[0]), (at.free >= bounds[1])
    stuck = (below & (at.at.shape < 0)) | (above & (at.at.shape > 0))
    shaped = (np.diag(at.at.shape2) > 0) & ~stuck
    return np.asarray(np.r_[inside & told, shaped], np.bool_)


def information(at: Slopes) -> Floats:
    """Minus the Hessian by theta, exact; by the shapes, the sum of products of scores."""
    H, D, Q = at.cross.shape
    out = np.zeros((H * D + Q, H * D + Q))
    for h in range(H):
        out[h * D : (h + 1) * D, h * D : (h + 1) * D] = at.theta2[h]
    out[H * D :, : H * D] = at.cross.reshape(H * D, Q).T
    out[: H * D, H * D :] = at.cross.reshape(H * D, Q)
    out[H * D :, H * D :] = at.shape2
    return out


def covariance(at: Climb, low: Floats, shapes: int, bounds: tuple[float, float]) -> Floats:
    """Inverse information of what may move; 0 for the rest. Shapes that were fixed have 0."""
    moves = movable(at, low, bounds)
    inner = information(at.at)[np.ix_(moves, moves)]
    scale = 1.0 / np.sqrt(np.diag(inner))
    inverse = np.linalg.pinv(inner * scale[:, None] * scale, hermitian=True)
    out = np.zeros((at.theta.size + shapes,) * 2)
    places = np.flatnonzero(moves)
    out[np.ix_(places, places)] = inverse * scale[:, None] * scale
    return out


def tables_of(theta: Floats, heads: Heads, shapes: int) -> tuple[Floats, Floats]:
    """mu (K, B) and alpha (K, K, Q) of all kinds."""
    K = len(heads.of)
    knots = theta.shape[1] - K * shapes
    mine = theta[heads.of]
    excited = mine[:, knots:].reshape(K, K, shapes)
    return np.ascontiguousarray(mine[:, :knots]), excited[np.arange(K)[:, None], heads.turn]


def process_of(theta: Floats, shapes: Shapes, heads: Heads, knots: Ints) -> Process:
    terms = shapes.terms()
    mu, alpha = tables_of(theta, heads, len(terms.mix))
    return Process(mu, alpha, terms.beta, terms.mix, knots)
