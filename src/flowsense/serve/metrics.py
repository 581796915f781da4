"""What the pipeline and the API tell of themselves, in numbers that Prometheus scrapes."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    generate_latest,
)

from flowsense.ensemble.council import Reason
from flowsense.forecast import Regime, Veto
from flowsense.risk.breaker import Trip, Tripped
from flowsense.serve import Feed, Model, Prediction, Status, Swap
from flowsense.serve.measured import FAMILIES, FEEDS, STAGES, STATES
from flowsense.serve.series import Series

DIRECTIONS = {1: "up", 0: "none", -1: "down"}
TENTHS, RELIABILITY = tuple(f"0.{k}" for k in range(10)), ("said", "came")
OUTCOMES = ("accepted", "refused")
DELIVERIES = ("sent", "retried", "failed", "dropped")
BY = ("model", "last side", "majority")
INSTRUMENTS, COLUMNS, TARGETS, MEMBERS = 50, 20, 10, 12  # told apart at most
SKEWS = 512  # messages of a venue whose clock is compared


@dataclass(frozen=True, slots=True)
class Layout:
    """The labels that there can be. What goes beyond the most of each is told as ``other``."""

    instruments: tuple[tuple[str, str], ...]  # venue, symbol
    model: Model | None = None  # None: it is told later, by `Metrics.serving`
    routes: tuple[str, ...] = ()  # of the API, as templates
    rules: tuple[str, ...] = ()  # of the alerts
    paths: tuple[str, ...] = ()  # where files are written

    def allowed(self) -> dict[str, frozenset[str]]:
        first = self.instruments[:INSTRUMENTS]
        return {
            "venue": frozenset(venue for venue, _ in self.instruments),
            "symbol": frozenset(symbol for _, symbol in first),
            "stage": frozenset(STAGES),
            "direction": frozenset(DIRECTIONS.values()),
            "regime": frozenset(Regime),
            "veto": frozenset(str(one.name).lower() for one in Veto),
            "trip": frozenset(str(one.name).lower() for one in Trip),
            "reason": frozenset(one.name.lower() for one in Reason),
            "outcome": frozenset(OUTCOMES),
            "delivery": frozenset(DELIVERIES),
            "state": frozenset((*FEEDS, *STATES)),
            "route": frozenset(self.routes),
            "code": frozenset(f"{k}xx" for k in range(1, 6)),
            "rule": frozenset(self.rules),
            "by": frozenset(BY),
            "tenth": frozenset(TENTHS),
            "what": frozenset(RELIABILITY),
            "path": frozenset(self.paths),
            "column": frozenset(),
            **served(self.model),
        }


def served(model: Model | None) -> dict[str, frozenset[str]]:
    """Labels that change when another model is swapped in."""
    return {
        "target": frozenset(model.targets[:TARGETS] if model else ()),
        "member": frozenset(model.members[:MEMBERS] if model else ()),
    }


class Metrics:
    """One for each pipeline. All but `render` are called on the loop's thread."""

    def __init__(self, layout: Layout) -> None:
        self.series = Series(FAMILIES, layout.allowed())
        self.registry = CollectorRegistry()  # of the process and the interpreter
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.skews: dict[str, deque[float]] = {}
        self._begin()
        if layout.model is not None:
            self.serving(layout.model)

    def _begin(self) -> None:
        """Nothing has happened yet: who sees a counter for the first time at 1 sees no increase."""
        for name, labels in (("swaps", OUTCOMES), ("alerts", DELIVERIES)):
            for label in labels:
                self.series.put(f"flowsense_{name}_total", 0, (label,))
        self.clients(0, 0)

    def heard(self, venue: str, skew_ns: int) -> None:
        """One message: ts_recv less ts_event of its newest event."""
        self.skews.setdefault(venue, deque(maxlen=SKEWS)).append(skew_ns / 1e6)

    def resynced(self, totals: Mapping[str, int]) -> None:
        """How often books of each venue were taken anew so far."""
        for venue, total in totals.items():
            self.series.put("flowsense_feed_resyncs_total", total, (venue,))

    def told(self, p: Prediction) -> None:
        """Latencies are those of `p.latency_us`, by the names in `measured.STAGES`."""
        series, of, side = self.series, (p.venue, p.symbol), DIRECTIONS[p.direction]
        for stage, us in p.latency_us.items():
            series.see("flowsense_stage_seconds", us / 1e6, (stage,))
        series.add("flowsense_predictions_total", (*of, side))
        series.see("flowsense_confidence", p.confidence, (side,))
        series.put("flowsense_position_size", p.position_size, of)
        self.marked(p)
        if p.agreement is not None:
            series.put("flowsense_agreement", p.agreement, of)
        for regime, probability in p.regime.items():
            series.put("flowsense_regime_probability", probability, (*of, regime))
        for said in p.forecasts:
            if said.ready:
                series.see("flowsense_p_up", said.p_up, (said.target,))
            else:
                series.add("flowsense_not_ready_total", (said.target,))
        for veto in p.vetoes:
            series.add("flowsense_vetoes_total", (veto,))
        for absent in p.abstained:
            member, _, reason = absent.partition(": ")
            series.add("flowsense_abstentions_total", (member, reason.partition(":")[0]))

    def marked(self, p: Prediction) -> None:
        """The newest of an instrument, which may have become stale."""
        self.series.put("flowsense_stale", float(p.stale), (p.venue, p.symbol))

    def status(self, status: Status, now: int) -> None:
        """As it is at `now`, ns UTC."""
        put = self.series.put
        put("flowsense_events_total", status.events)
        put("flowsense_dropped_total", status.dropped)
        put("flowsense_queue_events", status.waiting)
        self.stands(status.state)
        self.series.forget("flowsense_feed_staleness_seconds")
        for venue in dict.fromkeys(feed.venue for feed in status.feeds):
            feeds = [feed for feed in status.feeds if feed.venue == venue]
            tell(self.series, feeds)
            barred = max(feed.barred for feed in feeds)
            put("flowsense_feed_barred_seconds", barred, (venue,))
            if status.state == "running":  # silence is none where nobody listens
                since = min(feed.last or status.started or now for feed in feeds)
                silent = max(now - since, 0) / 1e9
                put("flowsense_feed_staleness_seconds", silent, (venue,))
            if venue in self.skews:
                skew = median(self.skews[venue])
                put("flowsense_feed_clock_skew_ms", skew, (venue,))

    def stands(self, state: str) -> None:
        """The state of the pipeline, which there is before it has a model."""
        for other in STATES:
            self.series.put("flowsense_pipeline_state", float(other == state), (other,))

    def machine(self, lag_s: float, tasks: int, free: Mapping[str, int]) -> None:
        """How late the event loop woke up, its tasks, and the free bytes of paths written to."""
        self.series.put("flowsense_loop_lag_seconds", lag_s)
        self.series.put("flowsense_tasks", tasks)
        self.series.put("flowsense_threads", threading.active_count())
        for path, left in free.items():
            self.series.put("flowsense_disk_free_bytes", left, (path,))

    def recorded(self, path: str, refused: bool, unkept: int) -> None:
        """Whether what is heard cannot be written there; events that never will be."""
        self.series.put("flowsense_disk_refuses", float(refused), (path,))
        self.series.put("flowsense_unrecorded_total", unkept)

    def breakers(self, open: Iterable[Tripped], trips: Mapping[str, int]) -> None:
        """As `Risk.tripped` and `Risk.trips` tell."""
        tripped = [one.reasons for one in open]
        for trip in Trip:
            name, count = str(trip.name).lower(), sum(trip in reasons for reasons in tripped)
            self.series.put("flowsense_breaker_open", count, (name,))
            self.series.put("flowsense_breaker_trips_total", trips.get(name, 0), (name,))

    def serving(self, model: Model, importances: Mapping[str, float] | None = None) -> None:
        """Another model from now on; the columns that matter most to it are told."""
        series, found = self.series, importances or {}
        top = sorted(found, key=lambda name: (-found[name], name))[:COLUMNS]
        for label, values in (served(model) | {"column": frozenset(top)}).items():
            series.allow(label, values)
        series.forget("flowsense_model_info")
        series.put("flowsense_model_info", 1.0, (model.name, model.version))
        series.put("flowsense_model_loaded_seconds", model.loaded / 1e9)
        series.put("flowsense_model_columns", model.columns)
        for name in top:
            series.put("flowsense_importance", found[name], (name,))

    def weighed(self, weights: Mapping[str, float]) -> None:
        """How much of the answer each member has, of the target that is acted on."""
        for member, weight in weights.items():
            self.series.put("flowsense_member_weight", weight, (member,))

    def swapped(self, swap: Swap) -> None:
        self.series.add("flowsense_swaps_total", (OUTCOMES[not swap.accepted],))

    def asked(self, route: str, code: int, seconds: float) -> None:
        """One answer of the API; the route is its template, never the path that was asked for."""
        self.series.add("flowsense_requests_total", (route, f"{code // 100}xx"))
        self.series.see("flowsense_request_seconds", seconds, (route,))

    def clients(self, open: int, cut: int) -> None:
        """WebSockets there are, and how many were closed so far for being slow."""
        self.series.put("flowsense_clients", open)
        self.series.put("flowsense_clients_cut_total", cut)

    def render(self) -> tuple[bytes, str]:
        """The body and its content type."""
        self.series.put("flowsense_refused_total", self.series.refused)
        self.series.put("flowsense_series", self.series.count)
        own = self.series.text().encode()
        return own + generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4


def tell(series: Series, feeds: list[Feed]) -> None:
    """The connections to one venue, together."""
    key = (feeds[0].venue,)
    for what in ("messages", "events", "reconnects", "gaps", "malformed"):
        total = sum(getattr(feed, what) for feed in feeds)
        series.put(f"flowsense_feed_{what}_total", total, key)
    for state in FEEDS:
        count = sum(feed.state == state for feed in feeds)
        series.put("flowsense_feed_state", count, (*key, state))
