"""How far a row, or a forecast, lies beyond the farthest that its columns have been.

A column has a location (an exponential mean) and a reach (the greatest distance from it, slowly
forgotten); the score of a row is the greatest distance / reach among its columns, whatever their
units and tails. It sees a column that leaves its range, not a strange mixture of usual values. A
column that has been constant at v is taken to reach ``WIDE * max(|v|, 1)``, for nothing is known of
its range; one of zeros alone has not begun. No row takes a reach to more than ``LEAP`` times what
it was, so that one wrong number does not blind a column that has begun.

What score is an alarm is learned so that a stated share of rows alarms: after each row its
logarithm moves by ``STEP * (alarmed - rate)`` (Gibbs & Candes 2021, *Adaptive conformal inference
under distribution shift*, eq. 2). Whatever the rows are, of n of them at most
``rate * n + (highest - first threshold) / STEP`` alarm, thresholds as logarithms. A row that alarms
teaches the threshold alone.
"""

from dataclasses import dataclass
from math import exp, log

from flowsense._jit import Record, kernel
from flowsense.risk.checked import positive, within
from flowsense.schema import DAY

STEP = 0.2
FIRST = log(2.0)  # threshold to begin with
FAR = 1e6  # greatest score
LEAP, WIDE = 3.0, 10.0
FEWEST = 60  # rows that a warm-up takes, however long they are


@dataclass(frozen=True, slots=True)
class Anomaly:
    rate: float = 1e-5  # share of rows that alarm although nothing is wrong, in the long run
    memory: float = 10_000.0  # rows until one counts half
    warmup: int = 600  # rows before one can alarm
    warmup_ns: int = DAY  # after which FEWEST rows are enough: bars are slower than a book

    def __post_init__(self) -> None:
        within("anomaly: rate", self.rate, 0.0, 0.5)
        positive("anomaly: memory", self.memory)
        positive("anomaly: warmup", self.warmup)
        positive("anomaly: warmup_ns", self.warmup_ns)


@kernel
def reached(location: float, reach: float) -> float:
    """The reach; a wide one of a column that has been constant, 0 of one that has not begun."""
    if reach > 0.0 or location == 0.0:
        return reach
    return WIDE * max(abs(location), 1.0)


@kernel
def score(level: Record, x: Record, known: Record) -> float:
    """level (F, 2) location and reach; x (F,), known (F,) bool."""
    most = 0.0
    for j in range(len(x)):
        reach = reached(level[j, 0], level[j, 1])
        if known[j] and reach > 0.0:
            most = max(most, abs(float(x[j]) - level[j, 0]) / reach)
    return min(most, FAR)


@kernel
def learn(level: Record, x: Record, known: Record, seen: int, weight: float) -> None:
    """`seen` rows came before, at first each with equal weight."""
    pull = max(weight, 1.0 / (seen + 1))
    for j in range(len(x)):
        if known[j] and level[j, 0] == 0.0 and level[j, 1] == 0.0:
            level[j, 0] = float(x[j])
        elif known[j]:
            most = LEAP * reached(level[j, 0], level[j, 1])
            away = min(max(float(x[j]) - level[j, 0], -most), most)
            level[j, 0] += pull * away
            level[j, 1] = max(level[j, 1] * (1.0 - weight), abs(away))


@kernel
def warmed(seen: int, span: int, t: Record) -> bool:
    """Whether so many rows in so many ns are enough."""
    return bool(seen >= t.warmup or (seen >= FEWEST and span >= t.warmup_ns))


@kernel
def examine(
    level: Record, x: Record, known: Record, seen: int, warm: bool, bar: float, t: Record
) -> tuple[float, float]:
    """-> score / threshold, above 1 in an alarm, and the next threshold, as a logarithm.

    `seen` rows came before, bar is the threshold; t is of TERMS.
    """
    ratio = score(level, x, known) * exp(-bar) if warm else 0.0
    alarmed = ratio > 1.0
    if not alarmed:
        learn(level, x, known, seen, t.forget_level)
    if warm:
        bar += STEP * ((1.0 if alarmed else 0.0) - t.rate)
    return ratio, bar
