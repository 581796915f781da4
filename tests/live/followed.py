"""A venue of many symbols on the loopback address, and a feed whose books are held against it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from sources.venues.talk import START, market

from flowsense.live.care import Care
from flowsense.live.feed import Address, Feed
from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.feed import Moment
from flowsense.replay.server import Replay
from flowsense.replay.shelf import Shelf
from flowsense.schema import CONTROL, SECOND, TRADE, Decimal, Instrument
from flowsense.sources.venues import venue
from flowsense.wall import elapsed

SYMBOLS = {
    **dict.fromkeys(("okx", "kucoin"), "C%02d-USDT"),
    **{"kraken": "C%02d/USD", "gate": "C%02d_USDT", "deribit": "C%02d_USDC-PERPETUAL"},
}
DEPTH = {"okx": 400, "kraken": 10, "gate": 100, "kucoin": 100, "bybit-linear": 200}
ALL = 10**9


def table(name, n):
    """Instruments of a venue."""
    unit = Decimal(1, -1), Decimal(1, -3)
    how = {"depth": DEPTH[name]} if name in DEPTH else {}
    return tuple(
        Instrument(SYMBOLS.get(name, "C%02dUSDT") % k, name, *unit, **how) for k in range(n)
    )


@dataclass
class Told:
    """A random market at its own pace; what every book has been is kept while it is told."""

    instruments: tuple
    messages: int
    every: float = 0.01  # s between messages
    seed: int = 1
    books: list = field(init=False)  # by instrument: {levels: how many messages had come}
    told: list = field(init=False)  # when, by message

    def __post_init__(self):
        self.books, self.told = [{} for _ in self.instruments], []
        self.booked = []  # by message: whether it changes the book
        depth = {"kraken": 10}.get(self.instruments[0].venue, ALL)
        self.depth, self.shelves = depth, [Shelf(i) for i in self.instruments]

    def __iter__(self):
        said = market(self.seed, self.messages, len(self.instruments))
        for n, events in enumerate(said):
            ts, k = START + round(n * self.every * SECOND), int(events["instrument"][0])
            events["ts_event"] = events["ts_recv"] = ts
            self.shelves[k].apply(events)
            self.booked.append(events["action"][0] != TRADE)
            self.books[k][levels(self.shelves[k], self.depth)] = n
            yield Moment(ts, k, events)
            self.told.append((elapsed(), k))


def levels(shelf, depth):
    return tuple(tuple(shelf.best(side, depth)) for side in (1, -1))


@dataclass
class Followed:
    """What came of what was heard. A book that is whole is one that the venue has had, no older
    than the one before: anything else is an error at once."""

    source: Told
    feed: Feed = None
    gaps: list = field(default_factory=list)  # (when, Gap)
    whole: list = field(default_factory=list)  # (when, instrument): it is whole again
    stale: list = field(default_factory=list)  # (when, instrument, 0 or 1)
    states: list = field(default_factory=list)  # (when, state)
    events: list = field(default_factory=list)
    state: str = ""  # of the feed, at the end

    def __post_init__(self):
        table = self.source.instruments
        self.shelves, self.at = [Shelf(i) for i in table], [-1] * len(table)
        self.ready = [False] * len(table)

    def hear(self, heard, told):
        now = elapsed()
        self.states.append((now, self.feed.state))
        self.gaps += [(now, gap) for gap in told.gaps]
        self.events.append(told.events)
        for e in told.events[told.events["action"] == CONTROL]:
            self.stale.append((now, int(e["instrument"]), int(e["lots"])))
        for k in {*told.events["instrument"].tolist()}:
            self.shelves[k].apply(told.events[told.events["instrument"] == k])
            if heard is not None:  # what is told of silence comes before the message that ends it
                self.compare(k, now)

    def compare(self, k, now):
        ready = self.feed.decoder.sink.ready[self.source.instruments[k].symbol]
        if ready:
            at = self.source.books[k].get(levels(self.shelves[k], self.source.depth), -1)
            assert at >= self.at[k], "a book that the venue never had, or had before"
            self.at[k] = at
        if ready and not self.ready[k]:
            self.whole.append((now, k))
        self.ready[k] = ready

    def stream(self):
        """All that was told."""
        return np.concatenate(self.events)

    def truth(self):
        """Whether every book is the venue's by now."""
        pairs = zip(self.shelves, self.source.shelves, strict=True)
        depth = self.source.depth
        return all(levels(a, depth) == levels(b, depth) for a, b in pairs)

    def missing(self):
        """Seconds without a book, after each gap: (instrument, seconds)."""
        out = []
        for at, gap in self.gaps:
            back = [t for t, k in self.whole if k == gap.instrument and t >= at]
            out.append((gap.instrument, back[0] - at if back else float("inf")))
        return out


@asynccontextmanager
async def following(source, faults=(), *, care=None, seed=0, at=None, **more):
    """A Followed and the Replay that it hears; ended when the block is.

    at: the address of that Replay, where it is another. more: what the venue is, besides.
    """
    name, found = source.instruments[0].venue, Followed(source)
    steps = script([*faults], "faults", [i.symbol for i in source.instruments])
    async with Replay(source, speaker(name)(source.instruments), faults=steps) as replay:
        address = at(replay) if at else Address(replay.stream, replay.rest)
        table = source.instruments
        spoken = venue(name)._replace(**more)
        feed = Feed(spoken, table, found.hear, address=address, care=care or Care(), seed=seed)
        found.feed = feed
        task = asyncio.create_task(feed.run())
        try:
            yield found, replay, task
        finally:
            found.state = feed.state
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not feed.tasks, "a task of the feed is left"
