"""Random numbers that are a function of a seed and a counter: asked in pieces they are the same.

SplitMix64: G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014, figure 16: what comes n-th is a mix of n steps, so it is had without those before.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

STEP = 0x9E3779B97F4A7C15  # 2**64 by the golden ratio, odd
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # of the mix, D. Stafford's variant 13


def mix(z: Words) -> Words:
    """(n,) each a hash of its 64 bits, of which every one moves about half of those."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND)
    return z ^ (z >> np.uint64(31))


def words(first: int, n: int, seed: int) -> Words:
    """(n,) of the running numbers from `first` on; of seed 0 the generator's own from state 0.

    A seed starts FIRST times itself further, so that those of seeds side by side do not overlap.
    """
    start = (seed * FIRST + first * STEP) % 2**64
    return mix(np.uint64(start) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(STEP))


def uniform(first: int, n: int, seed: int) -> NDArray[np.float64]:
    """(n,) in (0, 1), of the running numbers from `first` on."""
    return ((words(first, n, seed) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
