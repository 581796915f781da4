"""What must not go on unnoticed: rules over the numbers that `metrics` tells, and what holds now.

The rules of deploy/prometheus say the same of many services; these need nobody but the service.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from flowsense.errors import InputError
from flowsense.schema import NEVER, SECOND
from flowsense.serve.measured import SECONDS
from flowsense.serve.series import Key, Series

EVERY_NS = 10 * SECOND  # between two memories
Held = dict[str, dict[Key, list[float]]]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Beyond which a rule holds."""

    window_s: float = 300.0  # over which rates and percentiles are taken
    silent_s: float = 10.0  # without a message from a venue
    barred_s: float = 60.0  # for which a venue wants no requests
    gaps: int = 5  # in the window, of a venue
    waiting: int = 10_000  # events, and more of them than a window ago
    budget_s: float = 0.05  # 99 of 100 predictions
    fewest: float = 1_000.0  # outcomes before calibration is judged
    beyond_luck: float = 1.25  # times what luck would make of the calibration error
    psi: float = 0.25
    raise_s: float = 10.0  # that a rule of `NOISY` has to hold before it is said
    calm_s: float = 60.0  # that it has not to hold before its end is
    free: int = 2 * 2**30  # bytes
    again_s: float = 14_400.0  # until what still holds is said again

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise InputError(f"alerts: {name} {getattr(self, name)}: give more than 0")


class Alert(NamedTuple):
    """One rule on one thing: of a rule that holds, or holds no more."""

    rule: str
    subject: str  # the venue, the target, the path, ...; "" where there is but one
    firing: bool
    severity: str  # critical: nothing is forecast as it should be; warning: look at it
    says: str
    since: int  # ns UTC
    at: int  # ns UTC


class View(NamedTuple):
    """The numbers now, and those about a window ago."""

    series: Series
    past: Held
    thresholds: Thresholds

    def read(self, name: str) -> dict[Key, float]:
        return self.series.read(name)

    def grown(self, name: str) -> Iterator[tuple[Key, float]]:
        """By how much each counter grew; one that began anew counts from there."""
        for key, row in self.series.held[name].items():
            before = self.past.get(name, {}).get(key, [0.0])[0]
            yield key, row[0] - before if row[0] >= before else row[0]

    def beyond(self, name: str, key: Key, end: float) -> tuple[float, float]:
        """Share of a histogram's values in the window above one of its ends; of how many."""
        row = self.series.held[name].get(key, [])
        before = self.past.get(name, {}).get(key, [0.0] * len(row))
        counts = [a - b for a, b in zip(row[:-1], before[:-1], strict=True)]
        total = sum(counts)
        inside = SECONDS.index(end) + 1
        return (sum(counts[inside:]) / total if total > 0 else 0.0), total


Found = Iterator[tuple[str, str]]  # subject, sentence


def pipeline_down(v: View) -> Found:
    if v.read("flowsense_pipeline_state").get(("failed",)):
        yield "", "the pipeline has failed: nothing is forecast"


def feed_stale(v: View) -> Found:
    for (venue,), seconds in v.read("flowsense_feed_staleness_seconds").items():
        if seconds > v.thresholds.silent_s:
            yield venue, f"{venue}: no message for {seconds:.0f} s"


def feed_barred(v: View) -> Found:
    for (venue,), seconds in v.read("flowsense_feed_barred_seconds").items():
        if seconds > v.thresholds.barred_s:
            yield venue, f"{venue}: it wants no requests for {seconds:.0f} s: lost books stay lost"


def feed_gaps(v: View) -> Found:
    for (venue,), count in v.grown("flowsense_feed_gaps_total"):
        if count > v.thresholds.gaps:
            yield venue, f"{venue}: {count:.0f} gaps in {v.thresholds.window_s / 60:.0f} minutes"


def queue_growing(v: View) -> Found:
    name = "flowsense_queue_events"
    now, before = v.read(name).get((), 0.0), v.past.get(name, {}).get((), [0.0])[0]
    if now > v.thresholds.waiting and now > before:
        yield "", f"{now:.0f} events wait for the engine, {before:.0f} did before: it is too slow"


def latency(v: View) -> Found:
    budget = v.thresholds.budget_s
    share, count = v.beyond("flowsense_stage_seconds", ("total",), budget)
    if count >= 100 and share > 0.01:
        yield "", f"{share:.1%} of predictions took longer than {budget * 1e3:.0f} ms"


def calibration(v: View) -> Found:
    limits, counts = v.read("flowsense_ece_limit"), v.read("flowsense_outcomes_total")
    for key, ece in v.read("flowsense_ece").items():
        limit = limits.get(key, 1.0)
        if ece > limit * v.thresholds.beyond_luck and counts.get(key, 0.0) >= v.thresholds.fewest:
            said = f"expected calibration error {ece:.3f}, by luck at most {limit:.3f}"
            yield key[0], f"{key[0]}: {said}"


def drift_of_errors(v: View) -> Found:
    for (target,), count in v.grown("flowsense_drifts_total"):
        if count:
            yield target, f"{target}: the share of wrong sides has risen"


def drift_of_columns(v: View) -> Found:
    worst = v.read("flowsense_drift_psi_max").get((), 0.0)
    if worst > v.thresholds.psi:
        known = v.read("flowsense_drift_reference_rows").get((), 0.0)
        when = "in training" if known else "in the first hour"
        yield "", f"a column is not distributed as {when}: stability index {worst:.2f}"


def disk_low(v: View) -> Found:
    for (path,), free in v.read("flowsense_disk_free_bytes").items():
        if free < v.thresholds.free:
            yield path, f"{path}: {free:.0f} bytes free"


def disk_refuses(v: View) -> Found:
    free = v.read("flowsense_disk_free_bytes")
    for key, refused in v.read("flowsense_disk_refuses").items():
        if refused:
            left = f"{free.get(key, 0.0):.0f} bytes free"
            yield key[0], f"{key[0]}: cannot be written, {left}: what is heard waits in memory"


def swap_refused(v: View) -> Found:
    if any(n for (outcome,), n in v.grown("flowsense_swaps_total") if outcome == "refused"):
        yield "", "a model was refused: the one before serves on"


def breaker_open(v: View) -> Found:
    for (trip,), count in v.read("flowsense_breaker_open").items():
        if count:
            yield trip, f"{count:.0f} breakers are open: {trip}"


CRITICAL, WARNING = "critical", "warning"
RULES: dict[str, tuple[str, Callable[[View], Found]]] = {
    "pipeline_down": (CRITICAL, pipeline_down),
    "feed_stale": (CRITICAL, feed_stale),
    "feed_barred": (CRITICAL, feed_barred),
    "feed_gaps": (WARNING, feed_gaps),
    "queue_growing": (CRITICAL, queue_growing),
    "latency": (WARNING, latency),
    "calibration": (WARNING, calibration),
    "drift_of_errors": (WARNING, drift_of_errors),
    "drift_of_columns": (WARNING, drift_of_columns),
    "disk_low": (CRITICAL, disk_low),
    "disk_refuses": (CRITICAL, disk_refuses),
    "swap_refused": (WARNING, swap_refused),
    "breaker_open": (WARNING, breaker_open),
}
NOISY = ("latency", "calibration", "drift_of_columns")  # estimates, which may lie at their limit
REMEMBERED = (
    "flowsense_feed_gaps_total",
    "flowsense_queue_events",
    "flowsense_stage_seconds",
    "flowsense_drifts_total",
    "flowsense_swaps_total",
)


class Watch:
    """Looks at the numbers again and again; says what begins to hold, still holds and has ended."""

    def __init__(self, series: Series, thresholds: Thresholds | None = None) -> None:
        self.series, self.thresholds = series, thresholds or Thresholds()
        if self.thresholds.budget_s not in SECONDS:
            raise InputError(
                f"alerts: budget_s {self.thresholds.budget_s}: give one of {SECONDS}, "
                "the ends of the buckets that latencies are counted in"
            )
        self.memories = deque[tuple[int, Held]]()
        self.open: dict[tuple[str, str], Alert] = {}
        self.said: dict[tuple[str, str], int] = {}  # ns UTC, when last
        self.turned: dict[tuple[str, str], int] = {}  # ns UTC, since when it is not as it was said

    def look(self, now: int) -> tuple[Alert, ...]:
        """What there is to say at `now`, ns UTC: each rule and subject once, and again in time."""
        found = dict[tuple[str, str], Alert]()
        view = View(self.series, self._past(now), self.thresholds)
        for rule, (severity, holds) in RULES.items():
            for subject, says in holds(view):
                before = self.open.get((rule, subject))
                since = before.since if before else now
                alert = Alert(rule, subject, True, severity, says, since, now)
                found[rule, subject] = alert
        found = self._damped(found, now)
        for rule in RULES:
            self.series.put("flowsense_alert", float(any(r == rule for r, _ in found)), (rule,))
        ended = [self.open[key]._replace(firing=False, at=now) for key in self.open.keys() - found]
        again = self.thresholds.again_s * SECOND
        fresh = [a for key, a in found.items() if now - self.said.get(key, -NEVER) >= again]
        self.said = {key: at for key, at in self.said.items() if key in found}
        self.said |= {(a.rule, a.subject): now for a in fresh}
        self.open = found
        return (*fresh, *sorted(ended))

    def _damped(
        self, found: dict[tuple[str, str], Alert], now: int
    ) -> dict[tuple[str, str], Alert]:
        """What is noisy begins and ends only once it has been so for a while."""
        out, before = found.copy(), self.turned
        differ = {key for key in found.keys() ^ self.open.keys() if key[0] in NOISY}
        self.turned = {key: min(before.get(key, now), now) for key in differ}
        for key, since in self.turned.items():
            begins = key in found
            wait = self.thresholds.raise_s if begins else self.thresholds.calm_s
            if now - since >= wait * SECOND:
                continue
            if begins:
                del out[key]
            else:
                out[key] = self.open[key]
        return out

    def _past(self, now: int) -> Held:
        """The numbers about a window ago, or the first there are; now is remembered."""
        window = int(self.thresholds.window_s * SECOND)
        if self.memories and now < self.memories[-1][0]:
            self.memories.clear()  # the clock was set back
        if not self.memories or now - self.memories[-1][0] >= EVERY_NS:
            held = self.series.held
            memory = {n: {k: [*row] for k, row in held[n].items()} for n in REMEMBERED}
            self.memories.append((now, memory))
        while len(self.memories) > 1 and now - self.memories[1][0] >= window:
            self.memories.popleft()
        return self.memories[0][1]
