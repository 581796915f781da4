"""Looks over a pipeline's shoulder: its numbers, how its forecasts turned out, and alarms.

::

    monitor = Monitor(pipeline, webhook=address)
    settings = Settings(metrics=monitor.metrics.render, heard=monitor.metrics.asked)
    task = asyncio.create_task(monitor.run())
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
import structlog

from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.shares import shares
from flowsense.ensemble.states import part
from flowsense.forecast import Forecast
from flowsense.model.calibrated import Calibrated
from flowsense.schema import LATE
from flowsense.serve.alerts import RULES, Thresholds, Watch
from flowsense.serve.decisions import Decided, Decisions
from flowsense.serve.judge import Judge
from flowsense.serve.metrics import Layout, Metrics
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.webhook import Webhook
from flowsense.served import Prediction, Swap
from flowsense.sources import NO_EVENTS
from flowsense.sources.venues import venue
from flowsense.sources.venues.decoder import Told
from flowsense.tape import Rows, Tape
from flowsense.train.run import Weighed
from flowsense.wall import elapsed, pause

log = structlog.get_logger("flowsense.serve")
EVERY_S = 0.5
FAR = 1 << 32  # more events than a tape has
MOST = 20_000  # tapes with rows that wait to be judged; then the oldest are left out


class Monitor:
    """Of one pipeline; `run` is a task that ends when it is cancelled.

    routes: paths of the API that are told apart. paths: where files are written.
    """

    def __init__(
        self,
        pipeline: InferencePipeline,
        *,
        webhook: str = "",
        thresholds: Thresholds | None = None,
        routes: tuple[str, ...] = (),
        paths: tuple[Path, ...] = (),
        service: str = "flowsense",
    ) -> None:
        wanted = pipeline.config.wanted()
        of = tuple((venue(name).name, symbol) for name, of in wanted.items() for symbol in of)
        record = pipeline.config.record
        self.paths = (*paths, *((record,) if record else ()))
        layout = Layout(of, None, routes, tuple(RULES), tuple(map(str, self.paths)))
        self.pipeline, self.metrics = pipeline, Metrics(layout)
        self.watch = Watch(self.metrics.series, thresholds)
        self.webhook = None
        if webhook:
            self.webhook = Webhook(webhook, counted=self._counted, service=service)
        self.version = ""
        self.judge: Judge | None = None
        self.waiting = deque[tuple[Judge, Tape, Forecast]](maxlen=MOST)
        pipeline.audience.observers.append(self)

    def heard(self, told: Told) -> None:
        """What a feed decoded of one message."""
        last = told.events[-1]
        if last["ts_event"] > 0 and not last["bits"] & LATE:
            name = self.pipeline.audience.table[int(last["instrument"])].venue
            self.metrics.heard(name, int(last["ts_recv"]) - int(last["ts_event"]))

    def told(self, prediction: Prediction) -> None:
        self.metrics.told(prediction)

    def decided(self, decided: Iterable[Decided]) -> None:
        """They are judged beside the loop, soon."""
        judge = self._judge()
        for one in decided:
            if len(one.tape.rows[0].ts) and judge is not None:
                tape = one.tape._replace(events=NO_EVENTS)
                self.waiting.append((judge, tape, one.forecast))

    def swapped(self, swap: Swap) -> None:
        self.metrics.swapped(swap)

    def _counted(self, delivery: str) -> None:
        self.metrics.series.add("flowsense_alerts_total", (delivery,))

    async def run(self) -> None:
        """Every half a second, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self.webhook is not None:
                tasks.create_task(self.webhook.run())
            late = 0.0
            while True:
                await self.look(late)
                due = elapsed() + EVERY_S
                await pause(EVERY_S)
                late = max(elapsed() - due, 0.0)

    async def look(self, late: float = 0.0) -> None:
        """All that is told by time and not by event; `late`: seconds that the loop was."""
        pipeline, metrics = self.pipeline, self.metrics
        room = await asyncio.to_thread(free, self.paths)
        metrics.machine(late, len(asyncio.all_tasks()), room)
        metrics.stands(pipeline.state)
        loaded, judge = pipeline.loaded, self._judge()
        if loaded is not None and judge is not None:
            metrics.status(pipeline.status(), pipeline.now())
            for said in pipeline.audience.of.values():
                metrics.marked(said)
            risk, caution = loaded.decisions.risk, loaded.decisions.caution
            metrics.breakers(risk.tripped(caution), risk.trips(caution))
            metrics.resynced(totals(pipeline))
            if (turns := pipeline.session.turns) is not None and turns.archive is not None:
                of = turns.archive
                metrics.recorded(str(of.folder), bool(of.trouble), turns.inbox.unkept)
            metrics.weighed(weights(loaded.decisions))
            await asyncio.to_thread(self._judged)
            judge.tell(metrics.series)
        for alert in self.watch.look(pipeline.now()):
            tell = log.warning if alert.firing else log.info
            tell("alert" if alert.firing else "alert ended", rule=alert.rule, says=alert.says)
            if self.webhook is not None:
                self.webhook.offer(alert)

    def _judge(self) -> Judge | None:
        """Of what is served now; another model is told of and judged anew."""
        loaded = self.pipeline.loaded
        if loaded is None or loaded.about.version == self.version:
            return self.judge
        engine, acted_on = loaded.decisions.engine, str(loaded.decisions.risk.target)
        columns, model = engine.fold.spec.columns, engine.model
        inner = model.model if isinstance(model, Calibrated) else model
        found = inner.importances(columns) if isinstance(inner, Weighed) else {}
        self.metrics.serving(loaded.about, found.get(acted_on, {}))
        self.version = loaded.about.version
        self.judge = Judge(model.targets, columns, self.pipeline.audience.table)
        return self.judge

    def _judged(self) -> None:
        """Those that wait now, at once; more may come meanwhile."""
        found = [self.waiting.popleft() for _ in range(len(self.waiting))]
        for judge, some in groupby(found, itemgetter(0)):
            _, tapes, forecasts = zip(*some, strict=True)
            judge.push(*merged(tapes, forecasts))


def merged(tapes: Sequence[Tape], forecasts: Sequence[Forecast]) -> tuple[Tape, Forecast]:
    """The rows of consecutive tapes as those of one; instants stay apart."""
    own = [t.rows[0]._replace(event=t.rows[0].event + k * FAR) for k, t in enumerate(tapes)]
    columns: list[Any] = [np.concatenate(column) for column in zip(*own, strict=True)]
    parts = ((f.proba, f.value, f.ready) for f in forecasts)
    proba, value, ready = map(np.concatenate, zip(*parts, strict=True))
    said = Forecast(forecasts[0].targets, proba, value, ready)
    return tapes[0]._replace(rows=(Rows(*columns),)), said


def weights(decisions: Decisions) -> dict[str, float]:
    """Shares of an ensemble's members in the target that is acted on; else nothing."""
    model = decisions.engine.model
    inner = model.model if isinstance(model, Calibrated) else model
    if not isinstance(inner, Ensemble):
        return {}
    own = part(decisions.engine.state, len(inner.members))
    return shares(inner.combiner, own, inner.names, decisions.risk.place)


def totals(pipeline: InferencePipeline) -> dict[str, int]:
    """By venue, how often books were taken anew."""
    found = dict[str, int]()
    for feed in pipeline.session.feeds:
        found[feed.venue.name] = found.get(feed.venue.name, 0) + feed.resyncs
    return found


def free(paths: Iterable[Path]) -> Mapping[str, int]:
    """Bytes left where each path lies; of one that is gone, 0."""
    found = dict[str, int]()
    for path in paths:
        try:
            place = next((p for p in (path, *path.parents) if p.exists()), None)
            found[str(path)] = disk_usage(place).free if place else 0
        except OSError:
            found[str(path)] = 0
    return found
