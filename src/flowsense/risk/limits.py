"""How much may be held: of one instrument, of what bets on the same, of all, and after losses."""

from dataclasses import dataclass
from math import sqrt

from flowsense._jit import Record, kernel
from flowsense.errors import InputError
from flowsense.risk.checked import positive, share, within

BELOW, ABOVE = 0.5, 0.8  # of confidence
CAUTIOUS, USUAL, BOLD = 0.7, 1.0, 1.2  # risk below, between and above
LEAST = 30  # samples of both instruments before their correlation is known


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares of the equity."""

    instrument: float = 0.2  # the greatest size of one signal
    correlated: float = 0.4  # positions that bet on the same, each as far as it does
    total: float = 1.0  # longs and shorts added up
    drawdown: float = 0.1  # from the highest equity; size falls in proportion to what is left of it
    least_agreement: float = 0.6  # of the members that answered, 3 of 5
    quorum: int = 3  # members that must answer, or all of fewer; both only where it is told

    def __post_init__(self) -> None:
        for name in ("instrument", "correlated", "total"):
            positive(f"limits: {name}", getattr(self, name))
        share("limits: drawdown", self.drawdown)
        within("limits: least_agreement", self.least_agreement, 0.0, 1.0)
        if self.quorum < 1:
            raise InputError(f"limits: quorum {self.quorum}: give a number of members, 1 or more")


@dataclass(frozen=True, slots=True)
class Correlation:
    """Of returns from one sample to the next, the last known mids at each; mean taken as 0."""

    every_ns: int = 5_000_000_000  # shorter returns seem less correlated than they are (Epps 1979)
    memory: float = 500.0  # samples until one counts half

    def __post_init__(self) -> None:
        positive("correlation: every_ns", self.every_ns)
        positive("correlation: memory", self.memory)


@kernel
def leverage(confidence: float) -> float:
    return BOLD if confidence > ABOVE else (CAUTIOUS if confidence < BELOW else USUAL)


@kernel
def cushion(drawdown: float, limit: float) -> float:
    """What is left of the losses that are allowed, 0 to 1.

    Exposure in proportion to it keeps to the limit where prices move without jumps (Grossman &
    Zhou 1993, *Optimal investment strategies for controlling drawdowns*); else it overshoots by
    no more than one move.
    """
    return min(max(1.0 - drawdown / limit, 0.0), 1.0)


@kernel
def sample(seats: Record, cov: Record, weight: float) -> None:
    """Returns since the last sample into cov (K, K), where both instruments had a mid then."""
    for i in range(len(seats)):
        s = seats[i]
        s.back = float(s.mid2) / float(s.sampled) - 1.0 if s.sampled > 0 and s.mid2 > 0 else 0.0
        s.samples += int(s.sampled > 0 and s.mid2 > 0)
        s.sampled = s.mid2
    for i in range(len(seats)):
        for j in range(i + 1):
            count = min(seats[i].samples, seats[j].samples)
            if count > 0:
                step = max(weight, 1.0 / count) * (seats[i].back * seats[j].back - cov[i, j])
                cov[i, j] += step
                cov[j, i] = cov[i, j]


@kernel
def alike(seats: Record, cov: Record, i: int, side: int) -> float:
    """What is planned of others and bets on the same as `side` of i: the sum of its shares, each
    times its correlation with the bet. One against it buys no room; one unknown counts whole.
    """
    total = 0.0
    for j in range(len(seats)):
        planned, scale = seats[j].planned, cov[i, i] * cov[j, j]
        known = min(seats[i].samples, seats[j].samples) >= LEAST and scale > 0.0
        if j != i and planned != 0.0:
            sign = side if planned > 0.0 else -side
            rho = sign * cov[i, j] / sqrt(scale) if known else 1.0
            total += abs(planned) * min(max(rho, 0.0), 1.0)
    return total


@kernel
def others(seats: Record, i: int) -> float:
    """Shares planned of all but i, longs and shorts added up."""
    total = 0.0
    for j in range(len(seats)):
        total += abs(seats[j].planned) if j != i else 0.0
    return total
