"""Simulated voters whose accuracy, and how often they err together, is known exactly."""

from math import comb

import numpy as np
from scipy.special import ndtr, ndtri

from flowsense.ensemble import Heard
from flowsense.ensemble.held import tape_of
from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import probabilities, sigmoid

MID = Target.parse("mid@500ms")
STEP = 100_000_000  # ns
COVERAGES = (1.0, 0.5, 0.25, 0.1)


def forecast(odds, ready=True, move=0.0, size=1.0, aux=None):
    """Of log-odds of up (n,): one target, moves as likely as not unless said otherwise."""
    up = sigmoid(np.asarray(odds, np.float64))[:, None]
    p = probabilities(
        np.broadcast_to(sigmoid(np.asarray(move, np.float64)), (len(up),))[:, None], up
    )
    value = (p[:, :, UP] - p[:, :, DOWN]) * np.float32(size)
    return Forecast((MID,), p, value, np.broadcast_to(ready, (len(up),))[:, None].copy(), aux or {})


def heard(odds, names=None, regime=None):
    """Of log-odds (N, n)."""
    n = odds.shape[1]
    names = names or tuple(f"v{k}" for k in range(len(odds)))
    regime = np.zeros((n, 0), np.float32) if regime is None else regime.astype(np.float32)
    aux = {"regime": regime} if regime.shape[1] else {}
    said = tuple(forecast(x, aux=aux) for x in odds)
    return Heard(names, said, np.arange(n) * STEP, np.zeros(n, np.int64), regime)


def labels(y, still=0.0, seed=0):
    """Of sides (n,) of -1 or 1; known after two rows."""
    n = len(y)
    flat = np.random.default_rng(seed).random(n) < still
    came = np.where(flat, 0, y).astype(np.float32)[:, None]
    known = (np.arange(n)[:, None] + 2) * STEP
    ones = np.ones((n, 1), np.float32)
    return Labels((MID,), came + 1, came, known, ones > 0, ones)


def said(combiner, of):
    """What a fitted combiner says of all that was heard."""
    tape = tape_of(of)
    state = combiner.init(tape.instruments, len(of.names), of.said[0].targets)
    return combiner.combine(state, tape, of.said)[1]


def normal(n, rows, strength, rho, seed=0):
    """Signals strength x side + noise, correlated alike: (n, rows) log-odds, and sides.

    Each voter is calibrated: its log-odds are 2 x strength x signal.
    """
    rng = np.random.default_rng(seed)
    y = rng.choice([-1.0, 1.0], rows)
    shared, own = rng.normal(size=rows), rng.normal(size=(n, rows))
    signal = strength * y + np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    return 2 * strength * signal, y


def together(n, strength, rho):
    """Signal over noise of the mean of n such voters."""
    return strength * np.sqrt(n / (1 + (n - 1) * rho))


def accuracy(strength, coverage):
    """Of the surest share of rows when a signal with noise of deviation 1 is heard."""
    low, high = 0.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        share = ndtr(strength - middle) + ndtr(-strength - middle)
        low, high = (middle, high) if share > coverage else (low, middle)
    return float(ndtr(strength - low) / (ndtr(strength - low) + ndtr(-strength - low)))


def strength_of(share_right):
    """The signal over noise that is right so often."""
    return float(ndtri(share_right))


def voices(n, rows, right, copying, seed=0):
    """Votes of -1 or 1: each is right so often, and with chance `copying` repeats a common one."""
    rng = np.random.default_rng(seed)
    y = rng.choice([-1.0, 1.0], rows)
    common, own = rng.random(rows) < right, rng.random((n, rows)) < right
    hit = np.where(rng.random((n, rows)) < copying, common, own)
    return np.where(hit, y, -y), y


def at_least(q, n, right, copying):
    """P(q or more of n such voters are right), exactly."""

    def tail(k, m, p):
        return sum(comb(m, i) * p**i * (1 - p) ** (m - i) for i in range(max(k, 0), m + 1))

    return sum(
        comb(n, m)
        * copying**m
        * (1 - copying) ** (n - m)
        * (right * tail(q - m, n - m, right) + (1 - right) * tail(q, n - m, right))
        for m in range(n + 1)
    )


def hits(of, y, coverage=1.0):
    """Share of right sides among the surest rows; a tie counts half."""
    edge = of.proba[:, 0, UP] - of.proba[:, 0, DOWN]
    sure = np.abs(edge) / (of.proba[:, 0, UP] + of.proba[:, 0, DOWN])
    rows = np.argsort(-sure, kind="stable")[: max(1, round(coverage * len(y)))]
    return float(np.where(edge == 0, 0.5, np.sign(edge) == y)[rows].mean())


def loss(of, y):
    """Mean log-loss of the side."""
    p = of.proba[:, 0].astype(np.float64)
    up = p[:, UP] / (p[:, UP] + p[:, DOWN])
    return float(-np.log(np.where(y > 0, up, 1 - up)).mean())
