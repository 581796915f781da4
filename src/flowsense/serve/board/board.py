"""The board beside a pipeline: it sees all that is decided, keeps a picture, and tells pages."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

import structlog

from flowsense.ensemble.members import Ensemble
from flowsense.risk.desk import Risk
from flowsense.serve.board import topics
from flowsense.serve.board.kept import frame, frames, holes
from flowsense.serve.board.latency import Latencies
from flowsense.serve.board.pages import Page
from flowsense.serve.board.picture import News, Picture, levels
from flowsense.serve.board.told import (
    GRID_MS,
    Acknowledge,
    Again,
    Ask,
    BookNow,
    Gone,
    Hello,
    Mode,
    Refusal,
    SwapNow,
    Topic,
    Watch,
    Watched,
)
from flowsense.serve.board.votes import votes
from flowsense.serve.decisions import CAPITAL, Decided
from flowsense.serve.monitor import Monitor, weights
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.wire import ENCODED, NotFinite, plain
from flowsense.served import Health, Prediction, Swap
from flowsense.sources.venues.decoder import Told
from flowsense.wall import Daemon, elapsed, pause

log = structlog.get_logger("flowsense.serve")
TICK_S = GRID_MS / 1_000
SWAPS = 10  # that are remembered
WAITING = 1 << 20  # events that wait to be folded, 64 MB: what is compiled first may take a minute
SMALL = 10_000.0  # capital that the simulated books bear: a level holds about a tenth of it
VOTING, STATING, COUNTING, JUDGING = 2, 5, 10, 100  # ticks between two of: votes, status, ...


class Board:
    """`run` is a task that ends when it is cancelled; all but the work on a picture is the loop's.

    mode: what is served. health: tells what /health does.
    """

    def __init__(self, pipeline: InferencePipeline, monitor: Monitor, mode: Mode = "PAPER") -> None:
        self.pipeline, self.monitor, self.mode = pipeline, monitor, mode
        self.health: Callable[[], Health] = lambda: Health(True, True, pipeline.state, ())
        self.pages = set[Page]()
        self.picture: Picture | None = None
        self.pending, self.waiting = list[tuple[Decided, Risk]](), 0  # and how many events
        self.spoke = dict[tuple[str, str], dict[str, int]]()  # ns, when members of an instrument
        self.latencies, self.rates = Latencies(), topics.Rates()
        self.swaps = deque[SwapNow](maxlen=SWAPS)
        self.seen = set[tuple[str, str, int]]()  # alarms that were acknowledged
        self.last = dict[str, Any]()  # of what is told when it changes
        self.late, self.why = 0.0, ""
        pipeline.audience.observers.append(self)

    def heard(self, told: Told) -> None: ...

    def told(self, prediction: Prediction) -> None:
        self.latencies.put(prediction.latency_us, elapsed())
        loaded = self.pipeline.loaded
        if loaded is not None:
            self._picture(loaded.decisions.risk).said(prediction)

    def decided(self, decided: list[Decided]) -> None:
        """They are folded aside, soon."""
        loaded = self.pipeline.loaded
        if loaded is None:
            return
        for one in decided:
            self.pending.append((one, loaded.decisions.risk))
            self.waiting += len(one.tape.events)
            if one.each and len(one.tape.rows[0].ts):
                self._spoke(one, loaded.model.model)
        if self.waiting > WAITING:
            self._begin_anew("the dashboard cannot follow: serve fewer symbols here")

    def _spoke(self, one: Decided, model: object) -> None:
        rows, table = one.tape.rows[0], one.tape.instruments
        names = model.names if isinstance(model, Ensemble) else ()
        heard = [n for n, said in zip(names, one.each, strict=False) if said is not None]
        for k, ts in zip(rows.instrument.tolist(), rows.ts.tolist(), strict=True):
            mine = self.spoke.setdefault((table[k].venue, table[k].symbol), {})
            mine.update(dict.fromkeys(heard, ts))

    def swapped(self, swap: Swap) -> None:
        self.swaps.append(SwapNow(self.pipeline.now(), swap.accepted, swap.version, swap.why))
        if self.picture is not None and swap.accepted:
            self.picture.columns.swaps += 1
        if self.pages:
            self._tell(topics.drift(self.monitor, self.swaps))

    def _picture(self, risk: Risk) -> Picture:
        """Of the instruments that are heard now."""
        table = self.pipeline.audience.table
        if self.picture is None or self.picture.table != table:
            made = self.mode == "SIMULATED"
            capital = SMALL if made else CAPITAL
            self.picture = Picture(table, risk, fees=not made, capital=capital)
        return self.picture

    async def run(self) -> None:
        """Until it is cancelled. What goes wrong here is told to pages, and harms nothing else."""
        hand, tick = Daemon(), 0
        try:
            while True:
                due = elapsed() + TICK_S
                try:
                    await self._fold(hand)
                    self._publish(tick)
                except Exception as error:  # noqa: BLE001 - predictions go on without a picture
                    self._broke(error)
                tick += 1
                await pause(max(due - elapsed(), 0.01))
                self.late = max(elapsed() - due, 0.0)
        finally:
            hand.shutdown()

    def _broke(self, error: Exception) -> None:
        self._begin_anew(f"the dashboard failed: {type(error).__name__}: {error}")

    def _begin_anew(self, why: str) -> None:
        """With what comes; what waits is left out."""
        if why != self.why:
            log.error("the dashboard begins anew", why=why)
        self.why, self.picture = why, None
        self.pending, self.waiting = [], 0
        self._tell(Refusal(why))

    async def _fold(self, hand: Daemon) -> None:
        some, self.pending, self.waiting = self.pending, [], 0
        if not some:
            return
        picture = self._picture(some[-1][1])
        work, loop = partial(picture.work, some), asyncio.get_running_loop()
        news: News = await loop.run_in_executor(hand, work)
        picture.put(news)
        columns = sorted(news.columns, key=lambda c: c[:2])
        for k, some_of in groupby(columns, lambda c: c.instrument):
            watching = [page for page in self.pages if page.instrument == k]
            if watching:
                made = frame([*some_of], picture.bucket(k))
                for page in watching:
                    page.show([made])
        if self.pages and news.marks:
            self._tell(picture.equity(news.marks))

    def _publish(self, tick: int) -> None:
        """All that is told by time, to pages alone; who comes is told rates of the last seconds."""
        if not self.pages:
            if tick % STATING == 0:
                self.rates.put(topics.count(self.pipeline.status(), elapsed()))
            return
        if tick % VOTING == 0:
            self._watched()
        if tick % STATING == 0:
            self._stand()
        if tick % COUNTING == 0:
            self._tell(self.latencies.told(elapsed()))
        if tick % JUDGING == 0:
            self._tell(topics.calibration(self.monitor.judge))
            self._tell(topics.drift(self.monitor, self.swaps))

    def _stand(self) -> None:
        """Status, and what is told when it has changed."""
        total = self.latencies.total(elapsed())
        self._tell(
            topics.status(
                *(self.pipeline, self.monitor, self.rates, self.health()),
                *(elapsed(), total, self.late, len(self.pages)),
            )
        )
        hello = self._hello(admin=False)
        if self._changed("hello", (hello.instruments, hello.target, hello.targets, hello.members)):
            for page in self.pages:
                self._tell(self._hello(admin=page.admin), page)
        alarms = topics.alarms(self.monitor.watch.open.values(), self.seen)
        if self._changed("alarms", alarms):
            self._tell(alarms)

    def _changed(self, name: str, now: Any) -> bool:
        before, self.last[name] = self.last.get(name), now
        return bool(before != now)

    def _hello(self, *, admin: bool) -> Hello:
        table, picture = self.pipeline.audience.table, self.picture
        first = [-1] * len(table)
        if picture is not None and picture.table == table:
            first = [kept.first for kept in picture.kept]
        watched = tuple(
            Watched(i.venue, i.symbol, float(i.tick), float(i.lot), n if n >= 0 else None)
            for i, n in zip(table, first, strict=True)
        )
        return topics.hello(
            self.pipeline.loaded, watched, self.mode, self.pipeline.now(), admin=admin
        )

    def _watched(self) -> None:
        """Votes and book of what pages watch, where there is something else to say."""
        for k in {page.instrument for page in self.pages} - {-1}:
            watching = [page for page in self.pages if page.instrument == k]
            for told in self._of(k):
                if self._changed(f"{told.topic} {k}", told):
                    self._tell(told, *watching)

    def _of(self, k: int) -> list[Topic]:
        """Of one instrument, as of now."""
        table, found = self.pipeline.audience.table, list[Topic]()
        if k >= len(table):
            return found
        key = table[k].venue, table[k].symbol
        said, row = self.pipeline.audience.of.get(key), self.pipeline.audience.rows.get(key)
        if said is not None and row is not None:
            shares = weights(row[2].decisions)
            found.append(votes(said, *row, shares, self.spoke.get(key, {})))
        kept = self.picture.kept[k] if self.picture is not None else None
        newest = kept.get(kept.newest, kept.newest) if kept is not None else []
        for column in newest:
            bids, asks = levels(column, table[k])
            found.append(BookNow(*key, column.number, column.state, tuple(bids), tuple(asks)))
        return found

    def _tell(self, told: Topic, *pages: Page) -> None:
        """These pages; none named: all. Nothing is told that is not finite."""
        try:
            content = ENCODED["json"](plain(told))
        except NotFinite as error:
            log.error("not told to pages", topic=told.topic, why=str(error))
            return
        for page in pages or (*self.pages,):
            page.tell(told.topic, content)

    def join(self, *, admin: bool) -> Page:
        """A page that has just come: it is told all but what it has to name an instrument for."""
        page = Page(admin=admin)
        self.pages.add(page)
        self._tell(self._hello(admin=admin), page)
        self._stand()
        self._tell(topics.alarms(self.monitor.watch.open.values(), self.seen), page)
        self._tell(self.latencies.told(elapsed()), page)
        self._tell(topics.calibration(self.monitor.judge), page)
        self._tell(topics.drift(self.monitor, self.swaps), page)
        if self.picture is not None:
            self._tell(self.picture.equity(tuple(self.picture.marks)), page)
        return page

    def leave(self, page: Page) -> None:
        self.pages.discard(page)

    def close(self) -> None:
        """Every page is told to go."""
        for page in self.pages:
            page.close()

    def asked(self, page: Page, ask: Ask) -> None:
        """What a page wants."""
        if ask.watch is not None:
            self._watch(page, ask.watch)
        if ask.again is not None:
            self._again(page, ask.again)
        if ask.acknowledge is not None:
            self._acknowledge(page, ask.acknowledge)
        if ask.marks is not None and self.picture is not None:
            marks = tuple(m for m in self.picture.marks if m.number > ask.marks)
            self._tell(self.picture.equity(marks), page)

    def _watch(self, page: Page, wish: Watch) -> None:
        if not 0 <= wish.instrument < len(self.pipeline.audience.table):
            self._tell(Refusal(f"There is no instrument {wish.instrument}."), page)
            return
        page.watch(wish.instrument)
        picture = self.picture
        if picture is not None:
            kept = picture.kept[wish.instrument]
            first = kept.newest - wish.span + 1 if wish.after is None else wish.after + 1
            page.show(frames(kept.get(first, kept.newest), picture.bucket(wish.instrument)))
        for told in self._of(wish.instrument):
            self._tell(told, page)

    def _again(self, page: Page, wish: Again) -> None:
        """What is kept of it; the rest is gone. Of what the page does not watch nothing is said."""
        if wish.instrument < 0 or wish.instrument != page.instrument or self.picture is None:
            return
        kept = self.picture.kept[wish.instrument]
        found = kept.get(wish.first, wish.last)
        page.answer(frames(found, self.picture.bucket(wish.instrument)))
        missing = holes([c.number for c in found], wish.first, min(wish.last, kept.newest))
        gone = (plain(Gone(wish.instrument, first, last)) for first, last in missing)
        page.answer(map(ENCODED["json"], gone), text=True)

    def _acknowledge(self, page: Page, wish: Acknowledge) -> None:
        alert = self.monitor.watch.open.get((wish.rule, wish.subject))
        if not page.admin:
            self._tell(Refusal("This key may only read: an alarm stays as it is."), page)
        elif alert is not None:
            still = {(a.rule, a.subject, a.since) for a in self.monitor.watch.open.values()}
            self.seen = self.seen & still | {(alert.rule, alert.subject, alert.since)}
            self._stand()
