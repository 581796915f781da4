"""From sockets to predictions: feeds fill an inbox, turns empty it, and who listens is told.

Every turn takes what has arrived and never waits for more. Feeds, turns and listeners share one
loop; the engine's work goes on beside it, on a thread of its own.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from flowsense.ensemble.council import Code
from flowsense.errors import InputError
from flowsense.live.archive import Archive
from flowsense.live.feed import Feed
from flowsense.live.tables import instruments
from flowsense.schema import Events, Instrument
from flowsense.serve import Explanation, Model, Prediction, Status, Swap
from flowsense.serve.asking import of_events, of_row
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decided
from flowsense.serve.explaining import explained
from flowsense.serve.inbox import Batch, Inbox
from flowsense.serve.observer import Observer
from flowsense.serve.recent import Recent
from flowsense.serve.records import beat, control
from flowsense.serve.speaking import described, latencies, predictions
from flowsense.serve.swapping import Bench, Loaded, attempted, succeeded, turn, warm
from flowsense.sources.venues import Heard, venue
from flowsense.sources.venues.decoder import Told
from flowsense.wall import Stamp, elapsed, pause, within

A = TypeVar("A")
T = TypeVar("T")
Listener: TypeAlias = Callable[[Prediction], Any]
QUIET = 0.01  # seconds without events, after which the clock moves by itself
BEFORE = 3  # models that may serve again


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
        self.observer: Observer | None = None
        self.inbox = Inbox(())
        self.recent = deque[Prediction](maxlen=config.kept)
        self.of = dict[tuple[str, str], Prediction]()
        self.rows = dict[tuple[str, str], tuple[Decided, int, Loaded]]()  # that these are of
        self.told = self.events = 0
        self.loaded: Loaded | None = None
        self.bench: Bench | None = None
        self.archive: Archive | None = None  # of all that the engine is given
        self.next: tuple[Loaded, Recent] | None = None  # takes over before the next turn; it knows
        self.swapped, self.reloading = asyncio.Event(), asyncio.Lock()
        self.models = list[Model]()  # in the order in which they served
        self.before = deque[Loaded](maxlen=BEFORE)  # what a rollback goes back to
        self.refused = ""  # why `next` did not take over
        self.rolled = deque[Swap]()  # rollbacks that nobody was told of yet
        self.arrived = asyncio.Event()
        self.tasks = set[asyncio.Task[Any]]()
        self.pool: ThreadPoolExecutor | None = None
        self.beginning: asyncio.Task[None] | None = None

    def on_prediction(self, listener: Listener) -> Listener:
        """Called with every prediction, on the loop; a coroutine function goes on beside it."""
        self.listeners.append(listener)
        return listener

    def subscribe(self, hear: Callable[[Prediction], None]) -> Callable[[], None]:
        self.listeners.append(hear)

        def forget() -> None:
            if hear in self.listeners:
                self.listeners.remove(hear)

        return forget

    async def start(self) -> None:
        """Returns once the feeds connect. Raises InputError for what cannot be begun."""
        if self.state in ("starting", "running"):
            return
        self.state, self.why = "starting", ""
        self.beginning = asyncio.get_running_loop().create_task(self._begin())
        try:
            await self.beginning
        except BaseException as error:
            if self.state != "starting":
                raise InputError("the pipeline was stopped while it started") from error
            await self._end()
            await self._shut()
            self.state, self.why = "failed", str(error)
            raise
        self.state, self.started = "running", self.now()

    async def _begin(self) -> None:
        await self._end()  # what failed before may have left something
        await self._shut()
        wanted, table = self.config.wanted(), list[Instrument]()
        for name, symbols in wanted.items():
            table += await instruments(venue(name), symbols, self.config.addresses.get(name))
        self.table = tuple(table)
        bench = Bench(self.table, self.config.settings)
        self.bench, self.loaded = (
            bench,
            await asyncio.to_thread(bench.load, self.config.model, self.now()),
        )
        self.models, self.next = [self.loaded.about], None
        self.before.clear()
        await asyncio.to_thread(warm, bench, bench.renewed(self.loaded))
        if self.config.record is not None:
            self.archive = Archive(self.config.record, self.table, self.now())
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

    async def stop(self) -> None:
        """All connections closed, all that has arrived taken in."""
        if self.state in ("running", "starting"):
            self.state = "stopping"
            if self.beginning is not None:
                self.beginning.cancel()
                await asyncio.wait({self.beginning})
            try:
                await self._end()
                while self.loaded is not None and (batch := self.inbox.take(self.config.turn)):
                    self._tell(batch, self._work(batch.events), elapsed())
            finally:
                self.state = "stopped"
                await self._shut()
        elif self.state == "failed":
            await self._end()
            await self._shut()

    async def _end(self) -> None:
        tasks, self.tasks = self.tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.swapped.set()  # nobody will take over any more
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None

    async def _shut(self) -> None:
        """All that was recorded is in the lake, and another may write to it."""
        if self.archive is not None:
            archive, self.archive = self.archive, None
            while batch := self.inbox.take(self.config.turn):
                archive.put(batch.events)
            await asyncio.to_thread(archive.close)

    def _hear(self, heard: Heard | None, told: Told) -> None:
        """From a feed: into the queue, and wake who waits for it."""
        if len(told.events):
            self.inbox.put(told.events, elapsed())
            self.arrived.set()
            if self.observer is not None:
                self.observer.heard(told)

    async def _turns(self) -> None:
        """What has arrived, whole messages, again and again."""
        while True:
            if self.next is not None:
                of, self.next = self.next, None
                await self._aside(self._swap, of)
                self.swapped.set()
            batch = self.inbox.take(self.config.turn) or await self._waited()
            if batch is None:
                continue
            begun = elapsed()
            decided = await self._aside(self._work, batch.events)
            self._tell(batch, decided, begun)
            await pause(0.0)  # sockets are read between two turns

    async def _waited(self) -> Batch | None:
        """What arrives next; where nothing does for a while, that time has passed."""
        self.arrived.clear()
        try:
            async with within(QUIET):
                await self.arrived.wait()
        except TimeoutError:
            if self._due():
                self.inbox.put(beat(self.now()), elapsed())
        return self.inbox.take(self.config.turn)

    def _due(self) -> bool:
        """Whether a boundary has passed that no event has shown."""
        assert self.loaded is not None
        clocks = self.loaded.decisions.engine.fold.arrays["clocks"]
        return bool(clocks["latest"][0] > 0 and clocks["next"].min() <= self.now())

    async def _aside(self, work: Callable[[A], T], of: A) -> T:
        """On the engine's thread, where there is one."""
        if self.pool is None:
            return work(of)
        return await asyncio.get_running_loop().run_in_executor(self.pool, work, of)

    def _work(self, events: Events) -> list[Decided]:
        """Of the last events of `recent`, recorded after what was decided before them."""
        assert self.loaded is not None and self.bench is not None
        self.events += len(events)
        recent, before = self.inbox.recent, self.before[-1] if self.before else None
        try:
            found = turn(self.bench, self.loaded, before, recent)
            if found.why:
                version, failed = found.loaded.about.version, self.loaded.about.version
                self.rolled.append(Swap(False, version, failed, found.why))
                self.before.pop()
                self._serves(found.loaded, int(events["ts_recv"][0]), recent.count - len(events))
        finally:
            if self.archive is not None:
                self.archive.put(events)
        return found.decided

    def _serves(self, loaded: Loaded, ts: int, heard: int) -> None:
        """From here on. Told in the recording, with how much it was given of what was before."""
        self.loaded = loaded
        self.models.append(loaded.about)
        if self.archive is not None:
            self.archive.put(control(ts, Code.SWAP, len(self.models) - 1, heard))

    def _tell(self, batch: Batch, decided: list[Decided], begun: float) -> None:
        """To who listens, in order."""
        assert self.loaded is not None
        about, risk, at, done = self.loaded.about, self.loaded.decisions.risk, 0, elapsed()
        counted = self.loaded.decisions.engine.fold.spec.clocks[0].startswith("events")
        for one in decided:
            closing = at + one.tape.rows[0].event - counted  # such rows follow their event
            at += len(one.tape.events)
            new = predictions(one, self.table, risk, self.told + 1, about.version)
            for r, (said, event) in enumerate(zip(new, closing.tolist(), strict=True)):
                self.rows[said.venue, said.symbol] = one, r, self.loaded
                heard = batch.heard[bisect_right(batch.ends, event)]
                said.latency_us.update(latencies(heard, begun, done, one.spent, elapsed()))
                self.told = said.sequence
                self.recent.append(said)
                self.of[said.venue, said.symbol] = said
                for listener in (*self.listeners,):
                    self._call(listener, said)
                if self.observer is not None:
                    self.observer.told(said)
        if self.observer is not None:
            self.observer.decided(decided)
            while self.rolled:
                self.observer.swapped(self.rolled.popleft())

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
            self.swapped.set()

    async def reload(self, path: Path | None) -> Swap:
        """Tried beside what serves; in its place from one turn to the next."""
        swap = await self._reload(path)
        if self.observer is not None:
            self.observer.swapped(swap)
        return swap

    async def _reload(self, path: Path | None) -> Swap:
        bench, before = self.bench, self.loaded
        if bench is None or before is None or self.state != "running":
            raise InputError("the pipeline does not run: start it, then reload")
        async with self.reloading:
            begun, version = elapsed(), before.about.version
            place, recent = path or Path(before.about.path), self.inbox.recent.copied()
            try:
                fresh = await asyncio.to_thread(bench.canary, place, recent, before, self.now())
            except InputError as error:
                return self._stays(str(error), begun)
            if self.state != "running" or self.bench is not bench:
                return self._stays("the pipeline was stopped meanwhile: start it again", begun)
            self.swapped.clear()
            self.next, self.refused = (fresh, recent), "the pipeline was stopped: start it again"
            self.arrived.set()
            await self.swapped.wait()
            if self.refused:
                return self._stays(self.refused, begun)
            return Swap(True, fresh.about.version, version, "", elapsed() - begun)

    def _stays(self, why: str, begun: float) -> Swap:
        """What served goes on."""
        assert self.loaded is not None
        version = self.loaded.about.version
        return Swap(False, version, version, why, elapsed() - begun)

    def _swap(self, of: tuple[Loaded, Recent]) -> None:
        """It hears what it has missed; who comes next hears it alone."""
        assert self.loaded is not None and self.bench is not None
        (fresh, known), old, recent = of, self.loaded, self.inbox.recent
        bench = self.bench
        found = attempted(lambda: succeeded(bench, fresh, old, known, recent))
        if isinstance(found, Exception):
            self.refused = f"the model fails on what was just heard ({found})"
            return
        self.refused = ""
        self.before.append(old)
        self._serves(found.loaded, self._latest(), found.heard)

    def _latest(self) -> int:
        """ns of the last event before the next turn: what waits was heard before now."""
        if self.inbox.recent.queue:
            return int(self.inbox.recent.queue[-1]["ts_recv"][-1])
        return int(self.inbox.queue[0][0]["ts_recv"][0]) if self.inbox.queue else self.now()

    def status(self) -> Status:
        unknown = ("", "", str(self.config.model), (), 0, (), (0, 0), 0, "")
        return Status(
            state=self.state,
            why=self.why,
            started=self.started,
            predictions=self.told,
            events=self.events,
            dropped=self.inbox.dropped,
            waiting=self.inbox.waiting,
            feeds=tuple(map(described, self.feeds)),
            model=Model(*unknown) if self.loaded is None else self.loaded.about,
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

    def explain(self, symbol: str, venue: str = "") -> Explanation | None:
        said = self.latest(symbol, venue)
        if said is None:
            return None
        return explained(said, *self.rows[said.venue, symbol])

    async def of_events(self, events: bytes) -> tuple[Prediction, ...]:
        if self.bench is None or self.loaded is None:
            raise InputError("the pipeline does not run: start it")
        return await asyncio.to_thread(of_events, self.bench, self.loaded, events)

    async def of_row(self, columns: dict[str, float], symbol: str) -> Prediction:
        if self.loaded is None:
            raise InputError("the pipeline does not run: start it")
        return of_row(self.loaded.decisions, columns, symbol)

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        return tuple(p for p in self.recent if p.sequence > sequence)


async def awaited(result: Awaitable[Any]) -> None:
    await result
