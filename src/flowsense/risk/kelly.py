"""How much to stake: the share of the capital that makes it grow fastest, and less where unsure.

Kelly 1956; Thorp 2006, *The Kelly criterion in blackjack, sports betting and the stock market*,
sections 2 and 7. Staking less than the whole of it gives up little growth for much less risk.
"""

from dataclasses import dataclass

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
def binary(p: float, win: float, lose: float) -> float:
    """p / lose - (1 - p) / win: the share that a bet is worth which ends in one of two ways.

    win, lose > 0: what it gains or costs, as shares of the stake. An outcome that gains nothing
    and costs nothing does not change it, if p is the chance among the other two.
    """
    return p / lose - (1.0 - p) / win if win > 0.0 and lose > 0.0 else 0.0


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
