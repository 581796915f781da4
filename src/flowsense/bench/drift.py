"""How soon a rise of the error is found, and how often one that is none.

Streams of right and wrong, 1,000 samples with one share of errors and then 4,000 with another.
Beside it Lorden's bound (1971, *Procedures for reacting to a change in distribution*): no detector
with so few false alarms finds the change sooner, if the worst moment for it is taken, than
log(samples between false alarms) / KL(after, before). And a dummy, which alarms as often at random.
"""

from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.online.drift import PageHinkley

SHIFTS = ((0.25, 0.5), (0.25, 0.4), (0.35, 0.6), (0.45, 0.7))
LIMIT = 100  # samples, from 75 % right to 50 %
BEFORE, AFTER, QUIET = 1_000, 4_000, 10_000  # samples
STREAMS = 1_000


def run() -> Result:
    """`ratio`: how many times sooner than the limit the first of the shifts is found."""
    metrics: dict[str, Any] = {"limit_samples": LIMIT, "streams": STREAMS}
    theirs: dict[str, Any] = {"name": "Lorden's bound at as many false alarms"}
    for seed, (p, q) in enumerate(SHIFTS):
        name = f"{p:g}_to_{q:g}"
        rate = false_alarms(p, seed)
        delay, extra, missed = delays(p, q, seed)
        metrics[f"false_alarms_per_10000_{name}"] = rate * QUIET
        metrics[f"delay_{name}"] = float(delay.mean())
        metrics[f"delay_p90_{name}"] = float(np.quantile(delay, 0.9))
        metrics[f"alarms_after_the_first_{name}"] = extra
        metrics[f"missed_{name}"] = missed
        theirs[f"delay_{name}"] = lorden(p, q, rate)
        theirs[f"delay_of_dummy_{name}"] = 1 / max(rate, 1 / (QUIET * STREAMS))
    first = "{:g}_to_{:g}".format(*SHIFTS[0])
    return Result("drift", metrics, theirs, LIMIT / metrics[f"delay_{first}"])


def lorden(p: float, q: float, rate: float) -> float:
    """Samples; `rate`: false alarms in one."""
    far = q * log(q / p) + (1 - q) * log((1 - q) / (1 - p))
    return log(1 / max(rate, 1 / (QUIET * STREAMS))) / far


def alarms(wrong: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(streams, n): the alarms of all, as number of the stream and place in it."""
    detector, (streams, n) = PageHinkley(), wrong.shape
    who = np.repeat(np.arange(streams), n)
    _, found = detector.push(detector.init(streams), who, wrong.ravel().astype(np.float64))
    return np.argwhere(found.reshape(streams, n))


def false_alarms(p: float, seed: int) -> float:
    """In one sample of streams that do not change."""
    rng = np.random.default_rng((seed, 0))
    return len(alarms(rng.random((STREAMS, QUIET)) < p)) / (STREAMS * QUIET)


def delays(p: float, q: float, seed: int) -> tuple[NDArray[np.int64], float, float]:
    """Samples to the first alarm of each stream where there is one, how many alarms come after it
    in the mean, and the share of streams without one."""
    rng = np.random.default_rng((seed, 1))
    share = np.where(np.arange(BEFORE + AFTER) < BEFORE, p, q)
    found = alarms(rng.random((STREAMS, BEFORE + AFTER)) < share)
    found = found[found[:, 1] >= BEFORE]
    who, first = np.unique(found[:, 0], return_index=True)
    delay = found[first, 1] - BEFORE + 1
    return delay, (len(found) - len(who)) / STREAMS, 1 - len(who) / STREAMS
