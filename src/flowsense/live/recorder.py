"""Feeds without a model: what venues say, kept in a lake while they say it."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowsense.errors import InputError
from flowsense.live.archive import Archive
from flowsense.live.care import Care
from flowsense.live.feed import Address, Feed
from flowsense.live.tables import instruments
from flowsense.schema import BAR, EVENT, Bars, Events, Instrument
from flowsense.sources import NO_BARS, NO_EVENTS
from flowsense.sources.venues import Heard, venue
from flowsense.sources.venues.decoder import Told
from flowsense.wall import Stamp, elapsed, pause

OFTEN = 0.05  # seconds between two writes: what a kill may cost
MOST = 1 << 22  # events that wait for the disk: 256 MB


class Kept(NamedTuple):
    """How far it is."""

    seconds: float
    events: int
    bars: int
    gaps: int
    reconnects: int
    lost: tuple[tuple[str, float], ...]  # venue, seconds without it; those that were lost alone
    states: tuple[str, ...]  # of each venue, and why where it is not live
    trouble: str  # of the disk


class Recorder:
    """Symbols by venue, into one recording of a lake.

    Args:
        addresses: of venues that are elsewhere than they say.
        now: ns UTC, never falling.
        most: events that wait for the disk at most.
    """

    def __init__(
        self,
        wanted: Mapping[str, tuple[str, ...]],
        lake: Path,
        *,
        addresses: Mapping[str, Address] | None = None,
        care: Care | None = None,
        now: Callable[[], int] | None = None,
        most: int = MOST,
    ) -> None:
        self.wanted, self.lake, self.care, self.most = wanted, lake, care, most
        self.addresses, self.now = addresses or {}, now or Stamp()
        self.feeds = list[Feed]()
        self.parts = list[Events]()  # heard, and not given to the archive yet
        self.more = list[Bars]()  # likewise
        self.events, self.bars, self.begun, self.recovered = 0, 0, 0.0, 0
        self.archive: Archive | None = None

    async def run(
        self,
        ended: Callable[[], bool],
        *,
        began: Callable[[], object] = lambda: None,
        look: Callable[[Kept], object] = lambda kept: None,
    ) -> Kept:
        """Until `ended`, or a venue refuses us for good; what was heard is in the lake then.

        began: called when the lake is ready and the feeds connect. look: called many times a
        second. Raises InputError for symbols that are not listed, a lake that another process
        writes to, a disk that refuses for so long that memory would not hold what is heard, and
        what no new connection would mend.
        """
        table = list[Instrument]()
        for name, symbols in self.wanted.items():
            table += await instruments(venue(name), symbols, self.addresses.get(name))
        archive = await asyncio.to_thread(Archive, self.lake, tuple(table), self.now())
        self.archive, self.recovered, self.begun = archive, archive.recovered, elapsed()
        tasks = list[asyncio.Task[None]]()
        try:
            self.feeds = [self._feed(name, k, table) for k, name in enumerate(self.wanted)]
            tasks += [asyncio.create_task(feed.run()) for feed in self.feeds]
            began()
            while not ended() and not any(task.done() for task in tasks):
                await pause(OFTEN)
                self._flush(archive)
                look(self.kept())
        finally:
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            self._flush(archive)
            await asyncio.to_thread(archive.close)
        for error in found:
            if isinstance(error, Exception):
                raise error
        return self.kept()

    def _feed(self, name: str, seed: int, table: list[Instrument]) -> Feed:
        return Feed(
            *(venue(name), tuple(table), self._hear),
            address=self.addresses.get(name),
            care=self.care,
            seed=seed,
            now=self.now,
        )

    def _hear(self, heard: Heard | None, told: Told) -> None:
        if len(told.events):
            self.parts.append(told.events)
        if len(told.bars):
            self.more.append(told.bars)

    def _flush(self, archive: Archive) -> None:
        if self.parts or self.more:
            events = np.concatenate([NO_EVENTS, *self.parts]).view(EVENT)
            bars = np.concatenate([NO_BARS, *self.more]).view(BAR)
            self.parts, self.more = [], []
            self.events, self.bars = self.events + len(events), self.bars + len(bars)
            archive.put(events, bars)
        if self.events - archive.kept > self.most:
            why = archive.trouble or f"{self.lake}: the disk takes less than is heard"
            raise InputError(f"{why}: ended with {archive.kept} events kept")

    def kept(self) -> Kept:
        """How far it is now."""
        counts = [feed.decoder.sink.counts for feed in self.feeds]
        return Kept(
            seconds=elapsed() - self.begun,
            events=self.events,
            bars=self.bars,
            gaps=sum(count["gap"] for count in counts),
            reconnects=sum(max(feed.connections - 1, 0) for feed in self.feeds),
            lost=tuple((f.venue.name, f.outage.seconds) for f in self.feeds if f.outage.seconds),
            states=tuple(map(state, self.feeds)),
            trouble=self.archive.trouble if self.archive else "",
        )


def state(feed: Feed) -> str:
    """``okx live``, ``okx down (the venue answered 503)``."""
    why = f" ({feed.why})" if feed.why and feed.state != "live" else ""
    return f"{feed.venue.name} {feed.state}{why}"
