"""How far a Sharpe ratio could be luck: of one trial, and of the best of many.

Bailey & Lopez de Prado 2012 ("The Sharpe ratio efficient frontier"), 2014 ("The deflated Sharpe
ratio"); Bailey, Borwein, Lopez de Prado & Zhu 2014 ("Pseudo-mathematics and financial
charlatanism"). All ratios are per period of the returns, never per year: `yearly` turns one into
the other. Returns are taken for independent of each other.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from flowsense.errors import InputError

Floats = NDArray[np.float64]

FEWEST = 10  # periods: fewer say nothing of a mean, let alone of four moments
EULER = float(np.euler_gamma)


class Moments(NamedTuple):
    """Of the returns of N trials over n periods; a trial whose return never changes has 0."""

    n: int
    sharpe: Floats  # (N,) mean / deviation
    skew: Floats  # (N,)
    kurtosis: Floats  # (N,) 3 of a normal law

    @classmethod
    def of(cls, returns: NDArray[Any]) -> "Moments":
        """returns (T, N). Raises InputError for too few periods and for what is no number."""
        x = checked(returns)
        mean = x.mean(axis=0)
        off = x - mean
        square = np.mean(off * off, axis=0)
        still = square <= (1e-12 * np.abs(x).max(axis=0, initial=0.0)) ** 2
        scale = np.sqrt(np.where(still, 1.0, square))
        z = off / scale
        n = len(x)
        sharpe = np.where(still, 0.0, mean / scale * np.sqrt((n - 1) / n))
        skew = np.where(still, 0.0, np.mean(z * z * z, axis=0))
        return cls(n, sharpe, skew, np.where(still, 3.0, np.mean(np.square(z * z), axis=0)))

    @property
    def error(self) -> Floats:
        """(N,) standard error of each Sharpe ratio. Mertens 2002."""
        s = self.sharpe
        spread = 1 - self.skew * s + (self.kurtosis - 1) / 4 * s * s
        return np.sqrt(np.maximum(spread, 1e-12) / (self.n - 1))

    def take(self, which: int) -> "Moments":
        """One of the trials."""
        return Moments(self.n, *(part[which : which + 1] for part in self[1:]))


def checked(returns: NDArray[Any]) -> Floats:
    """(T, N) float64. Raises InputError."""
    x = np.asarray(returns, np.float64)
    if x.ndim != 2 or x.shape[1] == 0:
        raise InputError(f"returns of shape {x.shape}: give a column for each trial, (T, N)")
    if len(x) < FEWEST:
        raise InputError(f"returns of {len(x)} periods: give {FEWEST} or more")
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise InputError(f"returns: {x[row, column]} at period {row}, trial {column}: leave it out")
    return x


def yearly(sharpe: float, periods: float) -> float:
    """Of one per period, so many periods a year."""
    return sharpe * float(np.sqrt(periods))


def probabilistic(of: Moments, above: float | Floats = 0.0) -> Floats:
    """(N,) chance that the true Sharpe ratio is greater than `above`. 2012."""
    return np.asarray(ndtr((of.sharpe - above) / of.error))


def expected_maximum(trials: float) -> float:
    """Of so many independent standard normal numbers, the largest on average. 2014, eq. 1.

    Times the deviation of one worthless trial's Sharpe ratio: what the best of them shows.
    """
    if trials <= 1:
        return 0.0
    ends = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * np.e))
    return max(0.0, float((1 - EULER) * ends[0] + EULER * ends[1]))


def deflated(of: Moments, trials: float, deviation: float) -> Floats:
    """(N,) `probabilistic` above the best of so many worthless trials. 2014, eq. 2.

    deviation: of the Sharpe ratios of worthless trials, 1 / sqrt(n - 1) where they are so.
    """
    return probabilistic(of, deviation * expected_maximum(trials))


def minimum_track_record(of: Moments, above: float = 0.0, level: float = 0.95) -> float | None:
    """Periods after which one trial's ratio would be sure to be above; None where it is not above.

    2012: the fewest with `probabilistic` of at least `level`.
    """
    gap = float(of.sharpe[0]) - above
    if gap <= 0:
        return None
    return 1 + float(of.error[0]) ** 2 * (of.n - 1) * (float(ndtri(level)) / gap) ** 2


def minimum_backtest(trials: float, sharpe: float) -> float:
    """Periods below which the best of so many worthless trials is expected to show `sharpe`.

    Years where `sharpe` is of a year. Bailey, Borwein et al. 2014.
    """
    if not sharpe > 0:
        raise InputError(f"a Sharpe ratio of {sharpe}: give one above 0")
    return (expected_maximum(trials) / sharpe) ** 2


def penalised(sharpe: Floats, parameters: Floats, n: int) -> Floats:
    """(N,) ratios out of sample of trials whose parameters were fitted on these n periods.

    sharpe - parameters / (n sharpe), unbiased for what maximises the ratio: Paulsen & Soehl 2020,
    "Noise fit, estimation error and a Sharpe information criterion". 0 where fitting explains all.
    """
    top = np.maximum(sharpe, np.finfo(np.float64).tiny)
    left = np.maximum(sharpe - np.minimum(parameters / (n * top), 1e9), 0.0)
    return np.where(sharpe > 0, left, sharpe)
