"""What a search over many trials has found, or that it has found nothing.

The best of many worthless trials looks good. So it is judged by its deflated Sharpe ratio: against
what the best of as many worthless ones, correlated as these are, would have shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.overfitting import overfitting
from flowsense.evaluate.sharpe import (
    Floats,
    Moments,
    checked,
    deflated,
    expected_maximum,
    minimum_track_record,
    penalised,
)

SURE = 0.95  # deflated Sharpe ratio from which a trial counts as found
DRAWS = 400  # of the largest of as many worthless trials
MOST = 2_048  # periods or trials that their correlations are drawn from
OVERFIT = 0.5  # pbo from which it is luck which of the trials is best
NOTHING = "nothing found"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a search. Sharpe ratios are per period."""

    found: bool
    best: int  # trial that is judged: the highest ratio, its complexity counted against it
    name: str
    trials: int  # that were tried in all
    effective: float  # independent trials whose best would be as high by luck
    sharpe: float  # of that trial, as it was seen
    penalised: float  # less what its fitted parameters explain
    luck: float  # what the best of worthless ones shows on average
    deflated: float  # chance that the true ratio is above that
    pbo: float | None  # probability of backtest overfitting; None of one trial or few periods
    loss: float | None  # share of halves of the time whose best trial loses in the other half
    needed: float | None  # periods to be sure of a ratio above luck; None where it is below

    @property
    def sentence(self) -> str:
        """``nothing found``, or the name of the trial; and why."""
        told = f"{self.name} has a Sharpe ratio of {self.penalised:.3f} per period"
        if self.trials > 1:
            told = f"among {self.trials:,} trials {told}, luck alone gives the best {self.luck:.3f}"
        chance = f"deflated Sharpe ratio {self.deflated:.3f}"
        chance += "" if self.pbo is None else f", probability of overfitting {self.pbo:.2f}"
        if not self.found:
            return f"{NOTHING}: {told} ({chance})"
        alike = self.pbo is not None and self.pbo >= OVERFIT
        doubt = "; which of the trials is best is luck" if alike else ""
        return f"{self.name} is found: {told} ({chance}){doubt}"


def judged(
    returns: NDArray[Any],
    *,
    names: Sequence[str] = (),
    parameters: Sequence[int] = (),
    tried: int = 0,
    which: int | None = None,
    level: float = SURE,
    seed: int = 0,
) -> Verdict:
    """Whether the best of N trials is worth something. returns (T, N), T in order of time.

    parameters: of each trial, how many were fitted on these very returns, 0 by default.
    tried: how many trials there were where more than these columns. which: the trial to judge,
    the best by default. Raises InputError.
    """
    x = checked(returns)
    trials = x.shape[1]
    named, fitted = _of_each(trials, names, parameters)
    of = Moments.of(x)
    left = penalised(of.sharpe, fitted, of.n)
    best = int(left.argmax()) if which is None else which
    mine = of.take(best)._replace(sharpe=left[best : best + 1])
    count = max(tried, trials)
    alike = effective(x, seed=seed) * count / trials
    deviation = 1 / float(np.sqrt(of.n - 1))
    luck = deviation * expected_maximum(alike)
    chance = float(deflated(mine, alike, deviation)[0])
    over = overfitting(x)
    return Verdict(
        found=chance >= level,
        best=best,
        name=named[best],
        trials=count,
        effective=alike,
        sharpe=float(of.sharpe[best]),
        penalised=float(left[best]),
        luck=luck,
        deflated=chance,
        pbo=over.pbo if over else None,
        loss=over.loss if over else None,
        needed=minimum_track_record(mine, luck, level),
    )


def effective(returns: NDArray[Any], *, draws: int = DRAWS, seed: int = 0) -> float:
    """How many independent trials reach as far by luck as these N do, 1 to N.

    The largest of normal numbers correlated as the trials are is drawn by weighing their periods
    at random (Chernozhukov, Chetverikov & Kato 2013), and `expected_maximum` is solved for the
    number. A trial that never changes counts for nothing. returns (T, N); raises InputError.
    """
    x = gathered(checked(returns))
    off = x - x.mean(axis=0)
    scale = np.sqrt(np.square(off).sum(axis=0))
    moves = scale > 1e-12 * np.abs(x).max(axis=0, initial=0.0)
    count = int(moves.sum())
    if count <= 1:
        return 1.0
    z = off[:, moves] / scale[moves]
    weights = np.random.default_rng(seed).standard_normal((draws // 2, len(z)))
    drawn = (part @ z for part in np.array_split(weights, 4))
    top = [each.max(axis=1) - each.min(axis=1) for each in drawn]  # of a draw and its mirror
    return independent(float(np.concatenate(top).mean()) / 2, count)


def gathered(x: Floats) -> Floats:
    """Sums over equal stretches where there are more periods than correlations need."""
    size = -(-len(x) // MOST)
    whole = len(x) // size * size
    return np.asarray(x[:whole].reshape(-1, size, x.shape[1]).sum(axis=1))


def independent(top: float, most: int) -> float:
    """n from 1 to `most` with `expected_maximum(n)` = top, as near as it gets."""
    low, high = 1.0, float(most)
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if expected_maximum(middle) < top else (low, middle)
    return high


def _of_each(
    trials: int, names: Sequence[str], parameters: Sequence[int]
) -> tuple[list[str], Floats]:
    for what, given in (("names", names), ("parameters", parameters)):
        if len(given) not in (0, trials):
            raise InputError(f"{len(given)} {what} of {trials} trials: give one of each or none")
    if any(k < 0 for k in parameters):
        raise InputError(f"{min(parameters)} parameters: give 0 or more")
    fitted = np.array(parameters or [0] * trials, np.float64)
    return list(names) or [f"trial {k}" for k in range(trials)], fitted
