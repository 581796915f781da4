"""A venue's Speaker and our Decoder in one room: random markets, lost messages, mutated bytes."""

import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from flowsense.replay import Client, speaker
from flowsense.replay.shelf import Shelf
from flowsense.schema import CLEAR, EVENT, LAST, SECOND, SET, SNAPSHOT, TRADE
from flowsense.sources.venues import Anew, Get, Heard, How, Send, venue
from flowsense.sources.venues.chained import PATIENCE
from flowsense.sources.venues.decoder import Decoder

START, STEP = 1_700_000_000 * SECOND, SECOND  # of a market, and between its messages


def hear(decoder, *bodies, ts=START):
    """What came of each message."""
    return [decoder.hear(Heard(ts, How.MESSAGE, body)) for body in bodies]


def holed(decoder, shot, hole):
    """What came of a hole behind a snapshot: it is asked about once, and again after a while."""
    _, first, again = hear(decoder, shot, hole, hole)
    (late,) = hear(decoder, hole, ts=START + PATIENCE)
    assert again.asks == () and late.asks == first.asks and len(late.events) == 0
    return first


def message(ts, instrument, rows):
    """EVENTs of (action, side, price, lots, bits); the last one has LAST."""
    out = np.zeros(len(rows), EVENT)
    for e, (action, side, price, lots, bits) in zip(out, rows, strict=True):
        e["ts_event"] = e["ts_recv"] = ts
        e["instrument"], e["action"], e["side"] = instrument, action, side
        e["price"], e["lots"], e["bits"] = price, lots, bits
    out["bits"][-1] |= LAST
    return out


def market(seed, n, instruments=2, width=12, resets=0.0):
    """n messages: a book of each instrument first, then levels and trades that never cross.

    width: ticks between the centre and the deepest level; resets: part of new books in between.
    """
    rng, books, centre = random.Random(seed), {}, 1_000
    for k in range(n):
        i = k if k < instruments else rng.randrange(instruments)
        ts, kind = START + k * STEP, rng.random()
        if k < instruments or kind < resets:
            books[i] = {
                (s, centre - s * d): rng.randint(1, 9) for s in (1, -1) for d in range(1, width)
            }
            rows = [(SET, s, p, lots, SNAPSHOT) for (s, p), lots in books[i].items()]
            yield message(ts, i, [(CLEAR, 0, 0, 0, SNAPSHOT), *rows])
        elif kind > 0.7:
            side = rng.choice((1, -1))
            yield message(ts, i, [(TRADE, side, centre + side, rng.randint(1, 9), 0)])
        else:
            yield message(
                ts, i, [(SET, *level, 0) for level in moves(rng, books[i], centre, width)]
            )


def moves(rng, book, centre, width):
    """One to three levels of one book, no two of the same; a level that is not there may go."""
    levels = {}
    for _ in range(rng.randint(1, 3)):
        side = rng.choice((1, -1))
        levels[side, centre - side * rng.randint(1, width)] = rng.choice((0, 0, 1, 2, 3, 500))
    book.update(levels)
    return [(side, price, lots) for (side, price), lots in levels.items()]


@dataclass
class Talk:
    """One connection to a venue that knows `table`, and what came of it."""

    name: str
    table: tuple
    depth: int = 10**9  # levels a side that the venue shows
    lossy: random.Random | None = None
    drop: float = 0.0
    heals: bool = False  # a level that is missed, and then told again, leaves no trace
    late: int = 0  # messages of a book that may be heard before a hole is seen, if none is lost
    trades: list = field(default_factory=list)  # told
    truth: list = field(default_factory=list)  # made
    holes: set = field(default_factory=set)  # instruments that missed something
    seen: int = 0  # holes that were told
    lost: Counter = field(default_factory=Counter)  # messages, by topic
    after: Counter = field(default_factory=Counter)  # messages since a hole, by instrument
    heard: list = field(default_factory=list)  # pushed messages
    overtaken: list = field(default_factory=list)  # messages that come late, where `swaps`
    swaps: bool = False

    def __post_init__(self):
        self.venue, self.ts, symbols = venue(self.name), START, tuple(i.symbol for i in self.table)
        self.speaker = speaker(self.name)(self.table)
        listed = tuple(self.speaker.get(path) for path in self.venue.listing(symbols))
        assert self.venue.instruments(symbols, listed) == self.table
        self.decoder = Decoder(self.venue, self.table)
        self.ours, self.theirs = ([Shelf(i) for i in self.table] for _ in range(2))
        self.connect()

    def connect(self):
        self.client = Client()
        self.hear(How.OPENED)
        path = self.venue.path(self.decoder.symbols)
        if self.venue.address is not None:
            path = self.venue.address(self.speaker.get(self.venue.door))
        said = self.speaker.connected(self.client, path)
        if self.venue.beside is not None:  # two connections, one after the other
            beside = Client()
            said += self.speaker.connected(beside, self.venue.beside(self.decoder.symbols))
            self.client.topics |= beside.topics
        for body in said:
            self.hear(How.MESSAGE, body)

    def hear(self, how, body=b"", key=""):
        before = [*self.decoder.sink.ready.values()]
        told = self.decoder.hear(Heard(self.ts, how, body, key))
        for e in told.events:
            shelf = self.ours[e["instrument"]]
            shelf.apply(told.events[:0] if e["action"] == TRADE else np.atleast_1d(e))
            if e["action"] == TRADE:
                self.trades.append(trade(e))
        lost = {g.instrument for g in told.gaps}
        whole = {i for i, was in enumerate(before) if self.ready(i) and not was and self.same(i)}
        self.seen, self.holes = self.seen + len(lost), self.holes - lost - whole
        for ask in told.asks:
            self.answer(ask)

    def answer(self, ask):
        if isinstance(ask, Send):
            for body in self.speaker.asked(self.client, ask.text.encode()):
                self.hear(How.MESSAGE, body)
        elif isinstance(ask, Get):
            body = self.speaker.get(ask.path)
            assert body is not None, ask.path
            self.hear(How.REPLY, body, ask.key)
        elif isinstance(ask, Anew):
            self.hear(How.LOST, ask.why.encode())
            self.connect()

    def tell(self, events):
        """One message of the market, as the venue says it; it may be lost on the way."""
        i, levels = int(events["instrument"][0]), bool((events["action"] != TRADE).any())
        self.ts = int(events["ts_recv"][-1])
        self.theirs[i].apply(events)
        self.truth += [trade(e) for e in events[events["action"] == TRADE]]
        for said in self.speaker.tell(events):
            if said.topic not in self.client.topics:
                continue
            body = self.speaker.frame(self.client, said)
            if self.lossy is not None and self.lossy.random() < self.drop:
                self.lost[said.topic] += 1
                if levels:
                    self.holes.add(i)
                    self.after[i] = -self.late
                self.overtaken += [body] * self.swaps
                continue
            overtaken, self.overtaken, client = self.overtaken, [], self.client
            self.hear(How.MESSAGE, body)
            self.heard.append(body)
            self.holes -= {i} if self.heals and self.same(i) else set()
            self.after[i] += levels
            seen = i not in self.holes or not self.ready(i) or self.after[i] <= 0
            assert seen, "a hole was not seen in time"
            self.again(overtaken if client is self.client else [])
        self.compare()

    def again(self, bodies):
        for body in bodies:
            self.hear(How.MESSAGE, body)
            self.holes = {i for i in self.holes if not self.same(i)}
            self.compare()

    def ready(self, i):
        return self.decoder.sink.ready[self.table[i].symbol]

    def mended(self):
        return not self.holes and all(map(self.ready, range(len(self.table))))

    def compare(self):
        """A book that is said to be whole is the market's, but for what is not known to be lost."""
        for i in range(len(self.table)):
            assert not self.ready(i) or i in self.holes or self.same(i)

    def same(self, i):
        ours, theirs = self.ours[i], self.theirs[i]
        return all([*ours.best(s)] == [*theirs.best(s, self.depth)] for s in (1, -1))


def trade(e):
    return int(e["instrument"]), int(e["side"]), int(e["price"]), int(e["lots"])


def told_whole(name, table, seed, n=120, **options):
    """Nothing is lost: every book equals the market's after every message, and every trade."""
    depth = options.pop("depth", 10**9)
    talk = Talk(name, table, depth)
    for events in market(seed, n, len(table), **options):
        talk.tell(events)
    assert all(map(talk.ready, range(len(table)))) and not talk.decoder.errors
    assert talk.trades == talk.truth and len(talk.truth) > n // 10
    return talk


def told_again(name, table, seed, n=80, run=9, depth=10**9):
    """Runs of messages are heard again: no book and no sum of trades is another for it."""
    talk, rng = Talk(name, table, depth), random.Random(seed)
    for events in market(seed, n, len(table)):
        talk.tell(events)
        if rng.random() < 0.2:
            talk.again(talk.heard[-rng.randint(1, run) :])
    assert talk.mended() and talk.trades == talk.truth
    return talk


def told_with_holes(name, table, seed, n=120, **options):
    """Messages are lost: seen on the next of that book, and mended before long."""
    depth, drop = options.pop("depth", 10**9), options.pop("drop", 0.1)
    heals, late = options.pop("heals", False), options.pop("late", 0)
    talk = Talk(name, table, depth, random.Random(seed), drop, heals, late)
    talk.swaps = options.pop("swaps", False)
    for k, events in enumerate(market(seed, n + 60, len(table), **options)):
        talk.drop = drop if k < n else 0.0
        talk.tell(events)
        if k > n + 10 and talk.mended():
            break
    assert talk.mended()
    return talk


def mutated(rng, body):
    """A message with some bytes changed, cut, put in or exchanged for a value of another type."""
    out = bytearray(body)
    for _ in range(rng.randint(1, 3)):
        at, what = rng.randrange(len(out) + 1), rng.randrange(5)
        if what == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del out[at : at + rng.randint(1, 20)]
        elif what == 2:
            out[at:at] = rng.choice((b"0", b"-", b".", b"9" * 30, b"e9", b'"', b",", b"[", b"\xff"))
        elif what == 3:
            value = rng.choice((b"null", b"true", b"[]", b"{}", b"1e999", b'"NaN"', b'"x"', b"-1"))
            end = out.find(b",", at)
            start = out.rfind(b":", 0, end) + 1
            out[start:end] = value if end > start else b""
        else:
            out += out[at:]
    return bytes(out)


def survives(talk, bodies, seeds, how=How.MESSAGE, key=""):
    """Nothing but DecodeError comes out of `take`, nothing at all out of `hear`."""
    for seed in seeds:
        rng = random.Random(seed)
        if not talk.decoder.open:
            talk.connect()
        talk.decoder.hear(Heard(talk.ts, how, mutated(rng, rng.choice(bodies)), key))
        assert talk.decoder.sink.n == 0
    assert talk.decoder.sink.counts["malformed message"] > len(seeds) // 4
