"""Has the mean of a stream risen? A fold.

Page 1954, *Continuous inspection schemes*, as the Page-Hinkley test: the mean is that of the
stream itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.errors import InputError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PageHinkley:
    """A detector that alarms when the mean has risen, and begins anew with that.

    Of errors of 0 and 1: `flowsense bench drift` says how soon, and how often for nothing.
    """

    rise: float = 0.1  # of the mean, half of which is too little to be seen
    threshold: float = 9.5
    fewest: int = 30  # samples before it can alarm

    def __post_init__(self) -> None:
        if not (self.rise > 0 and self.threshold > 0 and self.fewest > 0):
            raise InputError(
                f"drift: rise {self.rise}, threshold {self.threshold} and fewest {self.fewest} "
                "have to be above 0"
            )

    def init(self, streams: int) -> Floats:
        """(streams, 4) samples, mean, sum above its least, alarms."""
        return np.zeros((streams, 4))

    def push(self, state: Floats, stream: Ints, x: Floats) -> tuple[Floats, Bools]:
        """Samples (m,) in order, each of a stream; which of them alarm. What is not finite is
        left out."""
        state, alarms = state.copy(), np.zeros(len(x), np.bool_)
        settings = np.array([self.rise, self.threshold, self.fewest])
        follow(state, stream, x, settings, alarms)
        return state, alarms


TABLE, FLOATS, INTS = array(np.float64, 2), array(np.float64), array(np.int64)


@compiled((TABLE, INTS, FLOATS, FLOATS, array(np.bool_)))
def follow(state: Floats, stream: Ints, x: Floats, settings: Floats, alarms: Bools) -> None:
    rise, threshold, fewest = settings
    for i in range(len(x)):
        s = state[stream[i]]
        if not np.isfinite(x[i]):
            continue
        s[0] += 1.0
        s[1] += (x[i] - s[1]) / s[0]
        s[2] = max(s[2] + x[i] - s[1] - rise, 0.0)
        if s[0] >= fewest and s[2] > threshold:
            alarms[i] = True
            s[0] = s[1] = s[2] = 0.0
            s[3] += 1.0
