"""From sockets to predictions: feeds fill an inbox, turns empty it, and who listens is told.

Every turn takes what has arrived and never waits for more. Feeds, turns and listeners share one
loop; the engine's work goes on beside it, on a thread of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from inspect import isawaitable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from flowsense.errors import InputError
from flowsense.live.feed import Feed
from flowsense.live.tables import instruments
from flowsense.schema import BEAT, EVENT, Chunk, Events, Instrument, zeros
from flowsense.serve import Feed as FeedStatus
from flowsense.serve import Model, Prediction, Status
from flowsense.serve.decisions import Decided, Decisions
from flowsense.serve.inbox import Batch, Inbox
from flowsense.serve.settings import PipelineConfig
from flowsense.serve.speaking import predictions
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.sources.venues import Heard, venue
from flowsense.sources.venues.decoder import Told
from flowsense.store import checkpoint
from flowsense.train.shelf import chosen, load_model
from flowsense.wall import Stamp, elapsed, pause, within

Listener: TypeAlias = Callable[[Prediction], Any]
QUIET = 0.01  # seconds without events, after which the clock moves by itself


class Loaded(NamedTuple):
    """A model in service, and what is told of it."""

    about: Model
    decisions: Decisions


class InferencePipeline:
    """A `serve.Service` fed by live venues.

    ::

        pipeline = InferencePipeline(PipelineConfig(Path("runs/btc"), ("binance-usdm:BTCUSDT",)))

        @pipeline.on_prediction
        async def heard(result):
            if result.should_trade:
                print(result.symbol, result.direction, result.confidence, result.position_size)

        await pipeline.start()
    """

    def __init__(self, config: PipelineConfig, now: Callable[[], int] | None = None) -> None:
        self.config, self.now = config, now or Stamp()
        self.state, self.why, self.started = "stopped", "", 0
        self.listeners = list[Listener]()
        self.table: tuple[Instrument, ...] = ()
        self.feeds = list[Feed]()
        self.inbox = Inbox(())
        self.recent = deque[Prediction](maxlen=config.kept)
        self.of = dict[tuple[str, str], Prediction]()
        self.told = self.events = self.heard = 0
        self.loaded: Loaded | None = None
        self.keep = list[Callable[[Events], None]]()  # who records what the engine is given
        self.arrived = asyncio.Event()
        self.tasks = set[asyncio.Task[Any]]()
        self.pool: ThreadPoolExecutor | None = None

    def on_prediction(self, listener: Listener) -> Listener:
        """Called with every prediction, on the loop; a coroutine function goes on beside it."""
        self.listeners.append(listener)
        return listener

    def subscribe(self, hear: Callable[[Prediction], None]) -> Callable[[], None]:
        self.listeners.append(hear)
        return lambda: self.listeners.remove(hear)

    async def start(self) -> None:
        """Returns once the feeds connect. Raises InputError for what cannot be begun."""
        if self.state in ("starting", "running"):
            return
        self.state, self.why = "starting", ""
        try:
            await self._begin()
        except BaseException as error:
            await self._end()
            self.state, self.why = "failed", str(error)
            raise
        self.state, self.started = "running", self.now()

    async def _begin(self) -> None:
        wanted, table = self.config.wanted(), list[Instrument]()
        for name, symbols in wanted.items():
            table += await instruments(venue(name), symbols, self.config.addresses.get(name))
        self.table = tuple(table)
        self.loaded = await asyncio.to_thread(self._load, self.config.model)
        self.inbox, self.arrived = Inbox(self.table, self.config.queue), asyncio.Event()
        self.feeds = [self._feed(name, k) for k, name in enumerate(wanted)]
        self.pool = ThreadPoolExecutor(1, "flowsense engine") if self.config.aside else None
        self._beside(self._turns())
        for feed in self.feeds:
            self._beside(feed.run())

    def _feed(self, name: str, seed: int) -> Feed:
        return Feed(
            venue(name),
            self.table,
            self._hear,
            address=self.config.addresses.get(name),
            care=self.config.care,
            seed=seed,
            now=self.now,
        )

    def _load(self, path: Path) -> Loaded:
        place = chosen(path)
        model, spec = load_model(place)
        manifest, _, _ = checkpoint.load(place)
        decisions = Decisions(model, spec, self.table, self.config.settings)
        warm(decisions, self.table)
        about = Model(
            name=place.name,
            version=decisions.engine.version,
            path=str(place),
            targets=tuple(map(str, model.targets)),
            columns=len(spec.columns),
            members=tuple(getattr(model.model, "names", ())),
            trained=manifest.trained,
            loaded=self.now(),
            columns_digest=spec.digest,
        )
        fresh = Decisions(model, spec, self.table, self.config.settings)
        return Loaded(about, fresh)

    async def stop(self) -> None:
        """All connections closed, all that has arrived taken in."""
        if self.state in ("running", "starting"):
            self.state = "stopping"
            await self._end()
            while self.loaded is not None and (batch := self.inbox.take(self.config.turn)):
                self._tell(batch, self._work(batch.events))
            self.state = "stopped"

    async def _end(self) -> None:
        tasks, self.tasks = self.tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None

    def _hear(self, heard: Heard | None, told: Told) -> None:
        """From a feed: into the queue, and wake who waits for it."""
        if len(told.events):
            self.inbox.put(told.events, elapsed())
            self.arrived.set()

    async def _turns(self) -> None:
        """What has arrived, whole messages, again and again."""
        while True:
            batch = self.inbox.take(self.config.turn)
            if batch is None:
                batch = await self._waited()
            decided = await self._aside(batch.events)
            self._tell(batch, decided)
            await pause(0.0)  # sockets are read between two turns

    async def _waited(self) -> Batch:
        """What arrives next; where nothing does, that time has passed."""
        self.arrived.clear()
        while True:
            try:
                async with within(QUIET):
                    await self.arrived.wait()
            except TimeoutError:
                if self._due():
                    return Batch(beat(self.now()), (1,), (elapsed(),))
                continue
            batch = self.inbox.take(self.config.turn)
            if batch is not None:
                return batch
            self.arrived.clear()

    def _due(self) -> bool:
        """Whether a boundary has passed that no event has shown."""
        assert self.loaded is not None
        clocks = self.loaded.decisions.engine.fold.arrays["clocks"]
        return bool(clocks["latest"][0] > 0 and clocks["next"].min() <= self.now())

    async def _aside(self, events: Events) -> list[Decided]:
        if self.pool is None:
            return self._work(events)
        return await asyncio.get_running_loop().run_in_executor(self.pool, self._work, events)

    def _work(self, events: Events) -> list[Decided]:
        assert self.loaded is not None
        self.events += len(events)
        for keep in self.keep:
            keep(events)
        return [*self.loaded.decisions.push(Chunk(events, NO_BARS, NO_OBSERVATIONS))]

    def _tell(self, batch: Batch, decided: list[Decided]) -> None:
        """To who listens, in order."""
        assert self.loaded is not None
        for one in decided:
            about, risk = self.loaded.about, self.loaded.decisions.risk
            for said in predictions(one, self.table, risk, self.told + 1, about.version):
                self.told = said.sequence
                self.recent.append(said)
                self.of[said.venue, said.symbol] = said
                for listener in (*self.listeners,):
                    self._call(listener, said)

    def _call(self, listener: Listener, said: Prediction) -> None:
        result = listener(said)
        if isawaitable(result):
            self._beside(awaited(result))

    def _beside(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """What fails beside stops the pipeline and is told: nothing goes on half."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.state, self.why = "failed", f"{type(error).__name__}: {error}"
            for other in (*self.tasks,):
                other.cancel()

    def status(self) -> Status:
        if self.loaded is None:
            raise InputError("the pipeline was never started: start it")
        return Status(
            state=self.state,
            why=self.why,
            started=self.started,
            predictions=self.told,
            events=self.events,
            dropped=self.inbox.dropped,
            waiting=self.inbox.waiting,
            feeds=tuple(map(described, self.feeds)),
            model=self.loaded.about,
        )

    def latest(self, symbol: str, venue: str = "") -> Prediction | None:
        """None before the first. Raises InputError for an instrument that is not heard."""
        found = [i for i in self.table if i.symbol == symbol and venue in ("", i.venue)]
        if not found:
            known = ", ".join(f"{i.venue}:{i.symbol}" for i in self.table)
            raise InputError(f"instrument {symbol!r} is not heard: known are {known}")
        if len(found) > 1:
            raise InputError(f"instrument {symbol!r} is heard at several venues: name one")
        return self.of.get((found[0].venue, symbol))

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        return tuple(p for p in self.recent if p.sequence > sequence)


async def awaited(result: Awaitable[Any]) -> None:
    await result


def warm(decisions: Decisions, table: tuple[Instrument, ...]) -> None:
    """Everything is compiled before the first event is heard."""
    for ts in (1_000_000_000, 2_000_000_000):
        for _ in decisions.push(Chunk(beat(ts), NO_BARS, NO_OBSERVATIONS)):
            pass


def beat(ts: int) -> Events:
    """Time has passed."""
    out = zeros(EVENT, 1)
    out["ts_event"] = out["ts_recv"] = ts
    out["action"] = BEAT
    return np.asarray(out).view(EVENT)


def described(feed: Feed) -> FeedStatus:
    sink = feed.decoder.sink
    return FeedStatus(
        venue=feed.venue.name,
        symbols=feed.decoder.symbols,
        state=feed.state,
        since=feed.since,
        messages=feed.messages,
        events=feed.events,
        reconnects=max(feed.connections - 1, 0),
        gaps=sink.counts["gap"],
        malformed=sink.counts["malformed message"],
        last=feed.last,
        why=feed.why,
    )
