"""Learning on while the market runs: expectation by blocks, forgetting, one step. Cappe 2011."""

import numpy as np

from flowsense.model.hmm.chain import Chain, Floats
from flowsense.model.hmm.fit import Em, Expected, Seen, Sequences, expect


def kept(windows: int, memory: float) -> float:
    """What is left of older sums after so many windows more."""
    return float(np.exp(-windows / memory))


def expected(chain: Chain, of: Sequences, belief: Floats) -> Expected:
    """Sums over observations that follow on belief (K,), which is that before the first."""
    jump = chain.jump.copy()
    jump[-1] = belief @ chain.jump[:-1]
    found = expect(chain._replace(jump=jump), of, np.empty((len(of.x), 2 * chain.states + 1)))
    found.jump[-1] = 0.0  # they started nothing
    return found


def learned(
    em: Em, before: tuple[Chain, Seen], blocks: list[Expected], share: float
) -> tuple[Chain, Seen]:
    """The chain after these sums, and older ones at `share` of their weight.

    The old chain is itself the mean and spread of all that it has seen, so its sums about its own
    means are its weights times its spreads, and nothing else has to be remembered.
    """
    chain, seen = before
    d = chain.mean.shape[2]
    moments = np.zeros((*seen.spoke.shape, 1 + d + d * d))
    moments[:, :, 0] = share * seen.spoke
    old = moments[:, :, 0, None, None] * chain.cov
    moments[:, :, 1 + d :] = old.reshape(*seen.spoke.shape, d * d)
    jump = share * seen.jumped
    for block in blocks:
        moments += block.moments
        jump += block.jump
    everything = Expected(moments, jump, 0.0)
    return em.maximise(chain, everything, whole(chain))


def whole(chain: Chain) -> Floats:
    """(D,) deviations of observations in the long run."""
    mean, cov = chain.moments()
    share = chain.stationary()
    centre = share @ mean
    variance = np.diagonal(cov, axis1=1, axis2=2) + (mean - centre) ** 2
    return np.asarray(np.sqrt(share @ variance), np.float64)
