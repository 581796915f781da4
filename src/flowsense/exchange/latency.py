"""How long a message is on its way: constant, drawn, or as it was recorded.

A latency is asked by running number and by time alone, so that it does not matter in how many
pieces it is asked.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from flowsense.errors import InputError
from flowsense.schema import NEVER
from flowsense.splitmix import uniform

Ints = NDArray[np.int64]


class Latency(Protocol):
    """Settings alone: nothing is remembered."""

    def ns(self, ts: Ints, first: int, seed: int) -> Ints:
        """(n,) ns of the messages number `first`, ... sent at `ts` (n,) ns."""
        ...


class Constant(NamedTuple):
    """Every message takes as long."""

    wait_ns: int = 0

    def ns(self, ts: Ints, first: int, seed: int) -> Ints:
        return np.full(len(ts), self.wait_ns, np.int64)


class Lognormal(NamedTuple):
    """least + median * exp(sigma * z), z standard normal."""

    median_ns: int
    sigma: float
    least_ns: int = 0

    def ns(self, ts: Ints, first: int, seed: int) -> Ints:
        z = ndtri(uniform(first, len(ts), seed))
        drawn = np.minimum(self.median_ns * np.exp(self.sigma * z), NEVER // 4)
        waits: Ints = self.least_ns + np.rint(drawn).astype(np.int64)
        return waits


class Drawn(NamedTuple):
    """One of these, each as often as any other."""

    waits: tuple[int, ...]  # ns

    def ns(self, ts: Ints, first: int, seed: int) -> Ints:
        table = np.asarray(self.waits, np.int64)
        waits: Ints = table[(uniform(first, len(ts), seed) * len(table)).astype(np.int64)]
        return waits


class Recorded(NamedTuple):
    """What was measured at these times, linear between them, and at the ends as at the ends."""

    times: tuple[int, ...]  # ns since 1970, rising
    waits: tuple[int, ...]  # ns

    def ns(self, ts: Ints, first: int, seed: int) -> Ints:
        times = np.asarray(self.times, np.int64)
        since = (ts - times[0]).astype(np.float64)
        waits = np.interp(since, (times - times[0]).astype(np.float64), self.waits)
        whole: Ints = np.rint(waits).astype(np.int64)
        return whole


def checked(name: str, latency: Latency) -> Latency:
    """Raises InputError where a wait is negative, not finite, or its table cannot be read."""
    ours = isinstance(latency, Constant | Lognormal | Drawn | Recorded)
    told: dict[str, Any] = latency._asdict() if ours else {}  # type: ignore[attr-defined]
    for field, value in told.items():
        numbers = np.asarray(value)
        if numbers.size == 0 or not np.isfinite(numbers).all() or (numbers < 0).any():
            raise InputError(f"{name} latency: {field} {value}, give what is at least 0")
        if numbers.max() >= NEVER // 4:
            raise InputError(f"{name} latency: {field} {value} ns is longer than decades")
    if isinstance(latency, Recorded):
        if len(latency.times) != len(latency.waits):
            counts = f"{len(latency.times)} times and {len(latency.waits)} waits"
            raise InputError(f"{name} latency: {counts}, give one wait for each time")
        if (np.diff(latency.times) <= 0).any():
            raise InputError(f"{name} latency: its times do not rise: sort them, each once")
    return latency
