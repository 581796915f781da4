"""Forecasts of regimes: the states, and apart from them the changes, which are what is worth it.

States last, so whoever says that nothing changes is mostly right; every score stands beside that
rule, and beside the forecasts' own alarms moved in time, which know how often but not when.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.scores import Bools, Floats, log_loss, number, ratio
from flowsense.forecast import spell
from flowsense.schema import SECOND

Ints = NDArray[np.int64]
SHIFTS = 40  # of the null that keeps how alarms cluster


class Outcome(NamedTuple):
    """Rows of one instrument in time order whose state at the horizon is known."""

    ts: Ints  # (m,) ns
    rows: Ints  # (m,) into what was given
    state: Ints  # (m,) at the row
    later: Ints  # (m,) at the row + horizon
    horizon_ns: int

    @property
    def changes(self) -> Bools:
        """(m,) the state at the horizon is another."""
        return np.asarray(self.state != self.later)


class States(NamedTuple):
    """How often the most likely state came; None where no row supports it."""

    n: int
    accuracy: float | None
    balanced_accuracy: float | None  # mean recall of the states that came
    log_loss: float | None  # nats
    persistence: float | None  # accuracy of: it stays what it is now
    persistence_balanced: float | None
    changed: float | None  # accuracy on rows whose state changes; of persistence it is 0


class Transitions(NamedTuple):
    """How well a score tells rows whose state changes within the horizon from the others."""

    n: int
    base_rate: float | None  # of rows that change: the precision of alarms at random
    auprc: float | None
    shifted: float | None  # the same scores moved in time, mean
    shifted_most: float | None  # and their 97.5 percentile


class Alarms(NamedTuple):
    """What a frozen threshold would have said before the moments of change."""

    moments: int
    share: float | None  # of rows with an alarm
    caught: float | None  # share of moments with an alarm within the horizon before
    caught_shifted: float | None  # by the same alarms moved in time, mean
    lead_s: float | None  # median seconds from the first such alarm to the moment
    false_per_hour: float | None  # rows that start an alarm with no change within the horizon


class Delay(NamedTuple):
    """How long after a change the most likely state now is the right one."""

    moments: int
    found: float | None  # share of changes seen before the next one
    median_s: float | None  # of those


def outcome(ts: Ints, state: Ints, horizon_ns: int, window_ns: int = 0) -> Outcome:
    """Of rows (n,) those whose state at the horizon is known; `state` -1 where it is not.

    Each row's later state is that of the last row up to then. `window_ns`: how much past a state
    is made from. Raises InputError where windows of a state and of what forecasts it overlap.
    """
    if window_ns > horizon_ns:
        raise InputError(
            f"a state made from the last {spell(window_ns)} is half known {spell(horizon_ns)} "
            f"ahead: give a horizon of {spell(window_ns)} or more"
        )
    at = np.searchsorted(ts, ts + horizon_ns, "right") - 1
    rows = np.flatnonzero((ts + horizon_ns <= ts[-1:].max(initial=0)) & (state >= 0))
    rows = rows[state[at[rows]] >= 0]
    return Outcome(ts[rows], rows, state[rows], state[at[rows]], horizon_ns)


def states(of: Outcome, p: Floats, known: Ints | None = None) -> States:
    """Score p (m, R) of the later state; known (m,) what persistence takes to be so now."""
    said, stay = p.argmax(axis=1), of.state if known is None else known
    right, kept = said == of.later, stay == of.later
    return States(
        n=len(of.ts),
        accuracy=mean(right),
        balanced_accuracy=balanced(right, of.later),
        log_loss=log_loss(p, of.later),
        persistence=mean(kept),
        persistence_balanced=balanced(kept, of.later),
        changed=mean(right[of.changes]),
    )


def transitions(of: Outcome, score: Floats, *, seed: int) -> Transitions:
    """Score (m,) is the larger, the likelier a change."""
    rng, m = np.random.default_rng(seed), len(score)
    event = of.changes
    shifts = rng.integers(1, m, SHIFTS) if m > 1 else np.zeros(0, np.int64)
    moved = [average_precision(np.roll(score, shift), event) for shift in shifts]
    there = np.array([x for x in moved if x is not None])
    return Transitions(
        n=m,
        base_rate=mean(event),
        auprc=average_precision(score, event),
        shifted=mean(there),
        shifted_most=float(np.quantile(there, 0.975)) if len(there) else None,
    )


def alarms(of: Outcome, score: Floats, least: float, *, seed: int) -> Alarms:
    """What alarms at score (m,) >= `least` say; take the threshold from other rows."""
    loud, when = np.asarray(score >= least), moments(of)
    first = np.searchsorted(of.ts, when - of.horizon_ns)
    end = np.searchsorted(of.ts, when)
    rng = np.random.default_rng(seed)
    shifts = rng.integers(1, len(loud), SHIFTS) if len(when) else np.zeros(0, np.int64)
    moved = np.array([caught(np.roll(loud, shift), first, end).mean() for shift in shifts])
    hit = caught(loud, first, end)
    lead = [when[k] - of.ts[first[k] + loud[first[k] : end[k]].argmax()] for k in hit.nonzero()[0]]
    starts = loud & ~np.r_[False, loud[:-1]]
    hours = float(of.ts[-1] - of.ts[0]) / (3_600 * SECOND) if len(of.ts) else 0.0
    return Alarms(
        moments=len(when),
        share=mean(loud),
        caught=mean(hit),
        caught_shifted=mean(moved),
        lead_s=float(np.median(lead)) / SECOND if lead else None,
        false_per_hour=number(ratio(float((starts & ~of.changes).sum()), hours)),
    )


def delay(of: Outcome, p: Floats) -> Delay:
    """p (m, R) of the state now, as a filter says it."""
    said = p.argmax(axis=1)
    at = np.flatnonzero(np.diff(of.state)) + 1
    waits = []
    for a, b in pairwise([*at, len(of.ts)]):
        found = said[a:b] == of.state[a]
        if found.any():
            waits.append(of.ts[a + found.argmax()] - of.ts[a])
    median = float(np.median(waits)) / SECOND if waits else None
    return Delay(len(at), number(ratio(float(len(waits)), float(len(at)))), median)


def average_precision(score: Floats, event: Bools) -> float | None:
    """Area under precision over recall, in steps; rows that tie are taken together.

    None where all rows are alike. Davis & Goadrich 2006.
    """
    if event.all() or not event.any():
        return None
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(score) - 1]
    hits = np.cumsum(event[order])[last]
    precision, recall = hits / (last + 1), hits / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def threshold(score: Floats, share: float) -> float:
    """The score that this share of rows reaches."""
    return float(np.quantile(score, 1 - share))


def moments(of: Outcome) -> Ints:
    """(k,) ns of the first rows of another state."""
    return np.asarray(of.ts[1:][np.diff(of.state) != 0], np.int64)


def caught(loud: Bools, first: Ints, end: Ints) -> Bools:
    """(k,) an alarm among the rows from `first` to `end`."""
    total = np.r_[0, np.cumsum(loud)]
    return np.asarray(total[end] > total[first])


def mean(x: NDArray[np.bool_] | Floats) -> float | None:
    return number(ratio(float(x.sum()), float(len(x))))


def balanced(right: Bools, y: Ints) -> float | None:
    """Mean over the classes that came of the share that was right."""
    each = [right[y == k].mean() for k in np.unique(y)]
    return float(np.mean(each)) if each else None
