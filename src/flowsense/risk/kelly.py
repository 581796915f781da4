"""How much to stake: the share of the capital that makes it grow fastest, and less where unsure.

Kelly 1956; Thorp 2006, *The Kelly criterion in blackjack, sports betting and the stock market*,
sections 2 and 7. Staking less than the whole of it gives up little growth for much less risk.
"""

from dataclasses import dataclass
from math import sqrt

from flowsense._jit import kernel
from flowsense.risk.checked import share, within


@dataclass(frozen=True, slots=True)
class Kelly:
    fraction: float = 0.5  # of the share that grows fastest
    error: float = 0.02  # standard error of P(side | it moves): half the band of its calibration

    def __post_init__(self) -> None:
        share("kelly: fraction", self.fraction)
        within("kelly: error", self.error, 0.0, 0.5)


@kernel
def bounded(x: float, most: float) -> float:
    """x in [0, most]; NaN is 0."""
    return min(x, most) if x > 0.0 else 0.0


@kernel
def ternary(up: float, down: float, win: float, lose: float, cost: float) -> float:
    """The share f that a bet is worth which wins, loses, or comes to nothing but its cost.

    up, down: chances of the first two; win, lose >= cost >= 0: shares of the stake. Of all f,
    ``up log(1 + f win) + down log(1 - f lose) + rest log(1 - f cost)`` is largest at the smaller
    root of ``win lose cost f^2 - slope f + gain``; without a cost at gain / slope, which for a
    bet that ends in one of two ways is up / lose - down / win.
    """
    rest = max(1.0 - up - down, 0.0)
    gain = up * win - down * lose - rest * cost
    if not gain > 0.0:
        return 0.0
    slope = up * win * (lose + cost) + down * lose * (win - cost) + rest * cost * (win - lose)
    inside = slope * slope - 4.0 * win * lose * cost * gain
    return 2.0 * gain / (slope + sqrt(max(inside, 0.0)))


@kernel
def continuous(mean: float, variance: float) -> float:
    """mean / variance of the return: the same where outcomes are many and small."""
    return mean / variance if variance > 0.0 else 0.0


@kernel
def trust(edge: float, error: float) -> float:
    """edge^2 / (edge^2 + error^2): what of a share is left where the edge is only estimated.

    Baker & McHale 2013, *Optimal betting under parameter uncertainty: improving the Kelly
    criterion*, Decision Analysis 10(3), the approximate solution. At even odds the edge is
    2p - 1, and its error twice that of p.
    """
    return edge * edge / (edge * edge + error * error) if edge > 0.0 else 0.0
