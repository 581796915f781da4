"""Scores of forecasts as pure functions of arrays, in the terms of `docs/metrics.md`; unweighted.

A direction is scored by side over the rows that moved, three classes over all rows given.
A score that no row supports is None, never NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from flowsense.forecast import DOWN, FLAT, UP

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Classes = NDArray[np.int64]  # DOWN, FLAT, UP

COVERAGES = (1.0, 0.5, 0.25, 0.1)
SMALLEST = float(np.finfo(np.float32).eps)  # a float32 forecast cannot tell less from zero


@dataclass(frozen=True, slots=True)
class Tradable:
    """What a frozen threshold took, and how that ended; the last three sum to 1."""

    share: float | None  # of all rows, taken
    hit: float | None
    flat: float | None
    wrong: float | None


def number(x: float | Floats) -> float | None:
    """The float that JSON can hold: None where `x`, one number, is not finite."""
    return float(x) if np.isfinite(x) else None


def ratio(part: NDArray[np.floating] | float, whole: NDArray[np.floating] | float) -> Floats:
    """part / whole, NaN where the whole is nothing."""
    top, below = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    out: Floats = np.full(top.shape, np.nan)
    np.divide(top, below, out=out, where=below > 0)
    return out


def side(p: Floats) -> Classes:
    """sign(P(up) - P(down)) of p (n, 3): -1, 0, 1."""
    return np.sign(p[:, UP] - p[:, DOWN]).astype(np.int64)


def conviction(p: Floats) -> Floats:
    """|P(up) - P(down)| / (P(up) + P(down)) of p (n, 3); 0 where both are 0."""
    total = p[:, UP] + p[:, DOWN]
    out: Floats = np.zeros(len(p))
    np.divide(np.abs(p[:, UP] - p[:, DOWN]), total, out=out, where=total > 0)
    return out


def hits(p: Floats, y: Classes) -> Floats:
    """(n,) 1 where the side was right, 0.5 where there was none, else 0; read moved rows only."""
    return (1.0 + side(p) * (y - FLAT)) / 2


def most(strength: Floats, share: float) -> Floats:
    """(n,) weight of each row among the ceil(share n) strongest.

    Rows that tie at the edge share the places left: no order of rows decides.
    """
    n = len(strength)
    if n == 0:
        return np.zeros(0)
    places = min(n, int(np.ceil(share * n - 1e-9)))
    edge = np.partition(strength, n - places)[n - places]
    above, at = strength > edge, strength == edge
    return np.asarray(above + at * ((places - above.sum()) / at.sum()), float)


def accuracy(p: Floats, y: Classes) -> float | None:
    """Share of moved rows whose side was right, a tie counting half."""
    moved = y != FLAT
    return number(ratio(hits(p, y)[moved].sum(), moved.sum()))


def side_balanced(p: Floats, y: Classes) -> float | None:
    """Mean of the accuracy of up calls and of down calls over moved rows: drift is not skill.

    A tie is half a call of each side. None where a side was never called.
    """
    moved = y != FLAT
    up = (1 + side(p)[moved]) / 2
    rose = y[moved] == UP
    of_up = ratio(up[rose].sum(), up.sum())
    of_down = ratio((1 - up)[~rose].sum(), (1 - up).sum())
    return number((of_up + of_down) / 2)


def coverage(p: Floats, y: Classes, shares: Sequence[float] = COVERAGES) -> dict[str, float | None]:
    """Accuracy over the moved rows with the most conviction; knows in hindsight which moved."""
    moved = y != FLAT
    right, strength = hits(p, y)[moved], conviction(p)[moved]
    weights = {str(share): most(strength, share) for share in shares}
    return {share: number(ratio((w * right).sum(), w.sum())) for share, w in weights.items()}


def threshold(p: Floats, share: float) -> float | None:
    """The conviction that `share` of these rows reach, at least; None without rows."""
    if len(p) == 0:
        return None
    places = min(len(p), int(np.ceil(share * len(p) - 1e-9)))
    return float(np.partition(conviction(p), len(p) - places)[len(p) - places])


def taken(p: Floats, least: float | None) -> Bools:
    """(n,) rows with a side and a conviction of at least the threshold."""
    if least is None:
        return np.zeros(len(p), np.bool_)
    return np.asarray((conviction(p) >= least) & (side(p) != 0))


def tradable(p: Floats, y: Classes, least: float | None) -> Tradable:
    """All rows with at least this conviction: which of them move is known only in hindsight."""
    return outcome(taken(p, least), p, y) if least is not None else Tradable(*[None] * 4)


def outcome(took: Bools, p: Floats, y: Classes) -> Tradable:
    """How the rows taken ended."""
    ended = (side(p) * (y - FLAT))[took]
    ends = (number(ratio((ended == sign).sum(), len(ended))) for sign in (1, 0, -1))
    return Tradable(number(ratio(took.sum(), len(took))), *ends)


def surprise(p: Floats, y: Classes) -> Floats:
    """(n,) -ln p of the class that came, nats; p is clipped at float32's epsilon."""
    return -np.log(np.clip(p[np.arange(len(y)), y], SMALLEST, 1))


def log_loss(p: Floats, y: Classes) -> float | None:
    """Mean surprise, nats. Good 1952."""
    return number(ratio(surprise(p, y).sum(), len(y)))


def side_loss(p: Floats, y: Classes) -> float | None:
    """Log-loss, nats, of P(up) / (P(up) + P(down)) over the rows that moved; ln 2: no opinion.

    What a proper score makes of the side alone: most of a log-loss of three classes is whether the
    target moves at all, on which side and coverage have no say.
    """
    moved = y != FLAT
    sides, up = p[moved][:, [DOWN, UP]], (y[moved] == UP).astype(np.int64)
    whole = np.maximum(sides.sum(axis=1, keepdims=True), 2 * SMALLEST)
    taken = np.where(sides.sum(axis=1, keepdims=True) > 0, sides / whole, 0.5)
    return number(ratio(surprise(taken, up).sum(), len(up)))


def squares(p: Floats, y: Classes) -> Floats:
    """(n,) squared distance of p (n, 3) from the class that came, 0 to 2."""
    return np.asarray(((p - np.eye(3)[y]) ** 2).sum(axis=1))


def brier(p: Floats, y: Classes) -> float | None:
    """Mean squared distance over the three classes. Brier 1950."""
    return number(ratio(squares(p, y).sum(), len(y)))


def centred_ranks(x: NDArray[np.floating]) -> Floats:
    """(n,) average ranks, shifted and scaled into [-0.5, 0.5]."""
    return np.asarray((rankdata(x) - (len(x) + 1) / 2) / max(len(x), 1))


def information_coefficient(
    value: NDArray[np.floating], move: NDArray[np.floating]
) -> float | None:
    """Spearman's rank correlation of forecast and outcome; None where either is constant.

    Ranks, because moves have heavy tails and ticks differ between instruments.
    Grinold & Kahn 2000, ch. 6.
    """
    a, b = centred_ranks(value), centred_ranks(move)
    return number(ratio((a * b).sum(), np.sqrt((a * a).sum() * (b * b).sum())))


def mae(value: NDArray[np.floating], y: NDArray[np.floating]) -> float | None:
    """Mean absolute error, in the units of y."""
    return number(ratio(np.abs(value - y).sum(), len(y)))


def rmse(value: NDArray[np.floating], y: NDArray[np.floating]) -> float | None:
    """Root of the mean squared error, in the units of y."""
    return number(np.sqrt(ratio(((value - y) ** 2).sum(), len(y))))
