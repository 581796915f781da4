"""Simulated voters whose accuracy, and how often they err together, is known exactly."""

from collections.abc import Mapping
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from flowsense.ensemble import Heard
from flowsense.evaluate.scores import coverage, side_loss
from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import Floats, probabilities, sigmoid
from flowsense.schema import MILLISECOND, QUOTE, zeros

MID = Target.parse("mid@500ms")
STEP = 100 * MILLISECOND


def forecast(
    odds: Floats,
    ready: bool = True,
    move: float = 0.0,
    aux: Mapping[str, NDArray[np.float32]] | None = None,
) -> Forecast:
    """Of log-odds of up (n,): one target, moves of 1 tick, as likely as not."""
    up = sigmoid(np.asarray(odds, np.float64))[:, None]
    p = probabilities(np.full(up.shape, sigmoid(np.array(move))), up)
    value = p[:, :, UP] - p[:, :, DOWN]
    return Forecast((MID,), p, value, np.full(up.shape, ready), aux or {})


def heard(
    odds: Floats,
    names: tuple[str, ...] | None = None,
    regime: NDArray[np.floating] | None = None,
) -> Heard:
    """Of log-odds (N, n), a row every 100 ms; regime (n, R) probabilities."""
    n = odds.shape[1]
    names = names or tuple(f"v{k}" for k in range(len(odds)))
    told = np.zeros((n, 0), np.float32) if regime is None else regime.astype(np.float32)
    aux = {"regime": told} if told.shape[1] else {}
    said = tuple(forecast(x, aux=aux) for x in odds)
    ts, who = np.arange(n) * STEP, np.zeros(n, np.int64)
    return Heard(names, said, ts, who, told, zeros(QUOTE, n))


def labels(y: Floats, still: float = 0.0, seed: int = 0) -> Labels:
    """Of sides (n,) of -1 or 1; known after two rows; so large a share does not move."""
    n = len(y)
    flat = np.random.default_rng(seed).random(n) < still
    came = np.where(flat, 0, y).astype(np.float32)[:, None]
    known = (np.arange(n)[:, None] + 2) * STEP
    ones = np.ones((n, 1), np.float32)
    return Labels((MID,), came + 1, came, known, ones > 0, ones)


def normal(n: int, rows: int, strength: float, rho: float, seed: int = 0) -> tuple[Floats, Floats]:
    """(n, rows) log-odds, and sides (rows,): of signals strength x side + noise correlated alike.

    Each voter is calibrated: its log-odds are 2 x strength x signal.
    """
    rng = np.random.default_rng(seed)
    y = rng.choice([-1.0, 1.0], rows)
    shared, own = rng.normal(size=rows), rng.normal(size=(n, rows))
    signal = strength * y + np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    return 2 * strength * signal, y


def together(n: int, strength: float, rho: float) -> float:
    """Signal over noise of the mean of n such voters."""
    return float(strength * np.sqrt(n / (1 + (n - 1) * rho)))


def accuracy(strength: float, share: float) -> float:
    """Of the surest share of rows when a signal with noise of deviation 1 is heard."""
    low, high = 0.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        surer = ndtr(strength - middle) + ndtr(-strength - middle)
        low, high = (middle, high) if surer > share else (low, middle)
    return float(ndtr(strength - low) / (ndtr(strength - low) + ndtr(-strength - low)))


def strength_of(share_right: float) -> float:
    """The signal over noise that is right so often."""
    return float(ndtri(share_right))


def voices(n: int, rows: int, right: float, copying: float, seed: int = 0) -> tuple[Floats, Floats]:
    """Votes of -1 or 1 (n, rows), and sides: each is right so often, or repeats a common one."""
    rng = np.random.default_rng(seed)
    y = rng.choice([-1.0, 1.0], rows)
    common, own = rng.random(rows) < right, rng.random((n, rows)) < right
    hit = np.where(rng.random((n, rows)) < copying, common, own)
    return np.where(hit, y, -y), y


def at_least(q: int, n: int, right: float, copying: float) -> float:
    """P(q or more of n such voters are right), exactly: by how many of them copy."""

    def tail(k: int, m: int, p: float) -> float:
        return sum(comb(m, i) * p**i * (1 - p) ** (m - i) for i in range(max(k, 0), m + 1))

    return sum(
        comb(n, m)
        * copying**m
        * (1 - copying) ** (n - m)
        * (right * tail(q - m, n - m, right) + (1 - right) * tail(q, n - m, right))
        for m in range(n + 1)
    )


def hits(of: Forecast, y: Floats, share: float = 1.0) -> float:
    """How often the side is right on the surest share of rows; a tie counts half."""
    found = coverage(of.proba[:, 0].astype(np.float64), y.astype(np.int64) + 1, (share,))
    return float(found[str(share)] or 0.0)


def loss(of: Forecast, y: Floats) -> float:
    """Mean log-loss of the side."""
    return float(side_loss(of.proba[:, 0].astype(np.float64), y.astype(np.int64) + 1) or 0.0)
