"""What pages are told of a pipeline and of who monitors it, as of now."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from flowsense import __version__
from flowsense.risk.breaker import Trip
from flowsense.serve.alerts import Alert
from flowsense.serve.board import wire
from flowsense.serve.board.told import (
    GRID_MS,
    KEPT,
    PROTOCOL,
    Alarm,
    AlarmsNow,
    CalibrationNow,
    DriftNow,
    FeedNow,
    Hello,
    Mode,
    Reliability,
    StatusNow,
    SwapNow,
    Tenth,
    Watched,
)
from flowsense.serve.judge import Judge
from flowsense.serve.monitor import Monitor, totals
from flowsense.serve.outcomes import Standing
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.swapping import Loaded
from flowsense.served import Health, Status

TOP = 10  # columns that have drifted most
SURE = 1.96  # standard deviations, of 95 %
ACTIONS = {  # what to do, by rule
    "pipeline_down": "read why above, then start it again: POST /api/v1/pipeline/start",
    "feed_stale": "look at the venue's status page and at this machine's network",
    "feed_barred": "ask this venue for fewer symbols, or wait: books come back by themselves",
    "feed_gaps": "look at the network; books are taken anew by themselves",
    "queue_growing": "serve fewer symbols here, or a lighter model",
    "latency": "see which stage it is below; serve fewer symbols, or a lighter model",
    "calibration": "do not trust the probabilities: calibrate again on recent recordings",
    "drift_of_errors": "retrain on recent recordings, or roll back to the model before",
    "drift_of_columns": "see which columns below; retrain where they matter to the model",
    "disk_low": "make room, or record elsewhere",
    "disk_refuses": "make room or mend the disk: what is heard waits in memory",
    "swap_refused": "read why below; what was served before serves on",
    "breaker_open": "nothing is recommended until it closes; see docs/risk.md",
}


def hello(
    loaded: Loaded | None, watched: tuple[Watched, ...], mode: Mode, now: int, *, admin: bool
) -> Hello:
    about = loaded.about if loaded is not None else None
    risk = loaded.decisions.risk if loaded is not None else None
    return Hello(
        protocol=PROTOCOL,
        version=__version__,
        mode=mode,
        now=now,
        grid_ms=GRID_MS,
        kept=KEPT,
        cells=wire.CELLS,
        instruments=watched,
        target=str(risk.target) if risk else "",
        targets=about.targets if about else (),
        regimes=risk.regimes if risk else (),
        members=about.members if about else (),
        admin=admin,
    )


class Count(NamedTuple):
    """How much there was at a second."""

    at: float
    events: int
    predictions: int
    messages: dict[str, int]


class Rates:
    """Per second, over the last few."""

    def __init__(self, span_s: float = 5.0) -> None:
        self.span_s, self.counts = span_s, deque[Count]()

    def put(self, count: Count) -> None:
        if self.counts and count.events < self.counts[-1].events:
            self.counts.clear()  # it began anew
        self.counts.append(count)
        while len(self.counts) > 2 and self.counts[1].at < count.at - self.span_s:
            self.counts.popleft()

    @property
    def now(self) -> tuple[float, float, dict[str, float]]:
        """Events, predictions, and messages by venue."""
        first, last = self.counts[0], self.counts[-1]
        span = max(last.at - first.at, 1e-9)
        each = {v: max(n - first.messages.get(v, n), 0) / span for v, n in last.messages.items()}
        events, told = last.events - first.events, last.predictions - first.predictions
        return events / span, told / span, each


def count(found: Status, at: float) -> Count:
    """at: seconds."""
    messages = {feed.venue: feed.messages for feed in found.feeds}
    return Count(at, found.events, found.predictions, messages)


def status(
    pipeline: InferencePipeline,
    monitor: Monitor,
    rates: Rates,
    health: Health,
    at: float,
    total: tuple[float | None, float | None],
    lag_s: float,
    pages: int,
) -> StatusNow:
    """at: seconds; total: median and 99 of 100 of the latency, ms."""
    found, now, loaded = pipeline.status(), pipeline.now(), pipeline.loaded
    rates.put(count(found, at))
    events, told, heard = rates.now
    resyncs, skews = totals(pipeline), monitor.metrics.series.read("flowsense_feed_clock_skew_ms")
    feeds = tuple(
        FeedNow(
            venue=f.venue,
            state=f.state,
            why=f.why,
            age_ms=(now - f.last) / 1e6 if f.last else None,
            messages_per_s=heard[f.venue],
            gaps=f.gaps,
            resyncs=resyncs.get(f.venue, 0),
            reconnects=f.reconnects,
            malformed=f.malformed,
            barred_s=f.barred,
            skew_ms=skews.get((f.venue,)),
        )
        for f in found.feeds
    )
    open = loaded.decisions.risk.tripped(loaded.decisions.caution) if loaded is not None else ()
    reasons = {str(trip.name).lower() for one in open for trip in Trip if trip in one.reasons}
    return StatusNow(
        now=now,
        state=found.state,
        ready=health.ready,
        reasons=health.reasons,
        started=found.started,
        feeds=feeds,
        events_per_s=events,
        predictions_per_s=told,
        predictions=found.predictions,
        dropped=found.dropped,
        waiting=found.waiting,
        lag_ms=lag_s * 1e3,
        p50_ms=total[0],
        p99_ms=total[1],
        model=found.model.name,
        model_version=found.model.version,
        loaded=found.model.loaded,
        breakers=tuple(sorted(reasons)),
        pages=pages,
    )


def calibration(judge: Judge | None) -> CalibrationNow:
    if judge is None:
        return CalibrationNow((), ())
    tenths = judge.outcomes.tenths(judge.said)
    told = ((name, one, tenths[name]) for name, one in judge.standing().items())
    return CalibrationNow(tuple(reliability(*one) for one in told), ())


def reliability(
    target: str, one: Standing, bins: tuple[tuple[float, float, float], ...]
) -> Reliability:
    """bins: forecast, how often it rose, weight."""
    known, moved = one.weight > 0, one.weight > 0 and bool(bins)
    return Reliability(
        target=target,
        outcomes=one.outcomes,
        weight=one.weight if known else 0.0,
        hit_rate=one.hit_rate if moved else None,
        last_side=one.last_side if moved else None,
        majority=one.majority if moved else None,
        brier=one.brier if known else None,
        brier_null=one.brier_null if known else None,
        ece=one.ece if known else None,
        ece_limit=one.ece_limit if known else None,
        bins=tuple(Tenth(said, came, weight, doubt(came, weight)) for said, came, weight in bins),
    )


def doubt(share: float, n: float) -> float:
    """Half the width of the 95 % interval of a share of n, 0 and 1 included (Wilson 1927)."""
    z2 = SURE**2
    return float(SURE / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5)


def drift(monitor: Monitor, swaps: Iterable[SwapNow]) -> DriftNow:
    judge = monitor.judge
    psi = judge.psi() if judge is not None else {}
    top = sorted(psi.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]
    standing = judge.standing() if judge is not None else {}
    known = judge.known if judge is not None else 0
    reference = f"{known} rows of the training" if known else "the first hour of this service"
    drifts = tuple((target, one.drifts) for target, one in standing.items())
    return DriftNow(tuple(top), monitor.watch.thresholds.psi, reference, drifts, tuple(swaps))


def alarms(open: Iterable[Alert], seen: set[tuple[str, str, int]]) -> AlarmsNow:
    """The critical first, then the oldest. seen: rule, subject and since of those acknowledged."""
    order = sorted(open, key=lambda a: (a.severity != "critical", a.since, a.rule, a.subject))
    return AlarmsNow(
        tuple(
            Alarm(
                rule=a.rule,
                subject=a.subject,
                severity="critical" if a.severity == "critical" else "warning",
                says=a.says,
                since=a.since,
                action=ACTIONS[a.rule],
                acknowledged=(a.rule, a.subject, a.since) in seen,
            )
            for a in order
        )
    )
