"""Which state is which regime: by what was fitted, and the same one after every refit.

A state's number means nothing: fits from other starts number them otherwise.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from flowsense.forecast import Regime
from flowsense.model.hmm.chain import Chain, Floats, Ints

Trait = Literal["volatility", "drift", "autocorrelation"]
NUMBERS = ("return", "volatility", "autocorrelation")  # of an observation, in order


class Pick(NamedTuple):
    """The state with the most, or the least, of a trait among those not yet named."""

    regime: Regime
    trait: Trait
    most: bool


class Preset(NamedTuple):
    """Regimes in the order of a forecast, the picks that name them, and what is observed."""

    regimes: tuple[Regime, ...]
    picks: tuple[Pick, ...]
    numbers: int = 2  # the first so many of NUMBERS


PRESETS: dict[str, Preset] = {
    "five": Preset(
        (
            Regime.LOW_VOLATILITY,
            Regime.TRENDING_UP,
            Regime.TRENDING_DOWN,
            Regime.HIGH_VOLATILITY,
            Regime.CRISIS,
        ),
        (
            Pick(Regime.CRISIS, "volatility", True),
            Pick(Regime.LOW_VOLATILITY, "volatility", False),
            Pick(Regime.HIGH_VOLATILITY, "volatility", True),
            Pick(Regime.TRENDING_UP, "drift", True),
            Pick(Regime.TRENDING_DOWN, "drift", False),
        ),
    ),
    "three": Preset(
        (Regime.LOW_VOLATILITY, Regime.TRENDING, Regime.HIGH_VOLATILITY),
        (
            Pick(Regime.LOW_VOLATILITY, "volatility", False),
            Pick(Regime.HIGH_VOLATILITY, "volatility", True),
            Pick(Regime.TRENDING, "volatility", True),
        ),
    ),
    "reverting": Preset(
        (Regime.VOLATILE, Regime.TRENDING, Regime.MEAN_REVERTING),
        (
            Pick(Regime.VOLATILE, "volatility", True),
            Pick(Regime.TRENDING, "autocorrelation", True),
            Pick(Regime.MEAN_REVERTING, "autocorrelation", False),
        ),
        numbers=3,
    ),
}


def traits(chain: Chain) -> dict[Trait, Floats]:
    """(K,) of each: root mean square return, mean return, mean autocorrelation."""
    mean, cov = chain.moments()
    found: dict[Trait, Floats] = {
        "volatility": np.sqrt(cov[:, 0, 0] + mean[:, 0] ** 2),
        "drift": mean[:, 0],
    }
    if mean.shape[1] == len(NUMBERS):
        found["autocorrelation"] = mean[:, 2]
    return found


def named(chain: Chain, preset: Preset) -> Ints:
    """(K,) the state of each regime of the preset, by its picks."""
    of, left, order = traits(chain), list(range(chain.states)), dict[Regime, int]()
    for regime, trait, most in preset.picks:
        best = (max if most else min)(left, key=lambda k: float(of[trait][k]))
        order[regime] = best
        left.remove(best)
    return np.array([order[regime] for regime in preset.regimes], np.int64)


def matched(before: Chain, after: Chain) -> Ints:
    """(K,) the state of `after` that lies nearest to each of `before`, all of them apart.

    The least sum of distances over all pairings (Kuhn 1955), each between Gaussians of the
    states' moments (Bhattacharyya 1943).
    """
    cost = distance(before.moments(), after.moments())
    return np.asarray(linear_sum_assignment(cost)[1], np.int64)


def distance(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> Floats:
    """(K, L) Bhattacharyya distance of each Gaussian of a from each of b."""
    off = a[0][:, None] - b[0][None]
    middle = (a[1][:, None] + b[1][None]) / 2
    square = np.einsum("kli,kli->kl", off, np.linalg.solve(middle, off[..., None])[..., 0])
    logs = [np.linalg.slogdet(cov)[1] for cov in (middle, a[1], b[1])]
    return np.asarray(square / 8 + (logs[0] - (logs[1][:, None] + logs[2][None]) / 2) / 2)


def position_scale(chain: Chain) -> Floats:
    """(K,) what to multiply a position by: usual volatility / the state's own, at most 1.

    Usual is the median over time. Moreira & Muir 2017, in volatility instead of variance.
    """
    volatility, share = traits(chain)["volatility"], chain.stationary()
    order = np.argsort(volatility, kind="stable")
    middle = order[int(np.searchsorted(np.cumsum(share[order]), 0.5))]
    return np.asarray(np.minimum(volatility[middle] / volatility, 1.0), np.float64)
