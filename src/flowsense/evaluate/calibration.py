"""Are probabilities frequencies? Judged against a perfectly calibrated forecaster of equal size."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate.scores import Bools, Classes, Floats
from flowsense.forecast import DOWN, UP

BINS = 10  # equal mass
WORK = 20_000_000  # rows drawn for a band, at most


@dataclass(frozen=True, slots=True)
class Band:
    """The ECE that a perfectly calibrated forecaster shows on so many rows by luck alone."""

    low: float  # 5 %
    mean: float
    high: float  # 95 %


class Point(NamedTuple):
    """One bin of a reliability plot."""

    forecast: float  # mean P(up | moved)
    frequency: float  # of up
    n: int


def bins(p: Floats, count: int = BINS) -> Classes:
    """(n,) bin of each probability: equal mass, equal probabilities never parted."""
    ordered = np.sort(p)
    edges = np.unique(ordered[np.arange(1, count) * len(p) // count])
    return np.searchsorted(edges, p, "right")


def ece(p: Floats, y: Classes, count: int = BINS) -> float | None:
    """Classwise expected calibration error of p (n, 3); None without rows.

    Mean over down, flat and up of sum_b n_b / n |mean p - frequency|: the error of the top
    class alone would see nothing but "flat" on short horizons. Kull et al. 2019, eq. 3, with
    the equal-mass bins of Nixon et al. 2019.
    """
    return None if len(y) == 0 else _gap(p, _places(p, count), y)


def ece_band(
    p: Floats,
    *,
    seed: int,
    draws: int = 200,
    count: int = BINS,
    same: NDArray[np.int64] | None = None,
) -> Band | None:
    """The band of the ECE of p (n, 3) if outcomes were drawn from p itself; None without rows.

    `same` (n,): forecasts with one number are of one outcome, and are drawn together.
    At least 20 draws; fewer than `draws` where rows are many, and the band narrow anyway.
    """
    n = len(p)
    if n == 0:
        return None
    rng, places = np.random.default_rng(seed), _places(p, count)
    down, not_up = p[:, DOWN], 1 - p[:, UP]
    place = np.arange(n) if same is None else np.unique(same, return_inverse=True)[1]
    gaps = np.empty(min(draws, max(20, WORK // n)))
    for k in range(len(gaps)):
        u = rng.random(int(place.max()) + 1)[place]
        gaps[k] = _gap(p, places, (u >= down).astype(np.int64) + (u >= not_up))
    low, high = np.quantile(gaps, (0.05, 0.95))
    return Band(float(low), float(gaps.mean()), float(high))


def reliability(p: Floats, y: Classes, count: int = BINS) -> tuple[Point, ...]:
    """P(up) / (P(up) + P(down)) against the frequency of up, over moved rows, by equal mass."""
    total = p[:, UP] + p[:, DOWN]
    kept: Bools = np.asarray((y != 1) & (total > 0))
    x, rose = p[kept, UP] / total[kept], y[kept] == UP
    if len(x) == 0:
        return ()
    place = bins(x, count)
    n = np.bincount(place)
    full = np.flatnonzero(n)
    mean, frequency = np.bincount(place, x) / np.maximum(n, 1), np.bincount(place, rose)
    return tuple(Point(float(mean[b]), float(frequency[b] / n[b]), int(n[b])) for b in full)


def _places(p: Floats, count: int) -> NDArray[np.int64]:
    """(n, 3) bin of each class's probability."""
    return np.stack([bins(p[:, k], count) for k in range(3)], axis=1)


def _gap(p: Floats, places: NDArray[np.int64], y: Classes) -> float:
    """Sum over classes and bins of |sum p - number that came|, over 3 n."""
    total = 0.0
    for k in range(3):
        total += float(np.abs(np.bincount(places[:, k], p[:, k] - (y == k))).sum())
    return total / (3 * len(y))
