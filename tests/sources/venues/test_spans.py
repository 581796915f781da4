"""Books by spans of ids: no wrong book, however updates and snapshots come."""

import random

import pytest

from flowsense.replay.shelf import Shelf
from flowsense.schema import Decimal, Instrument
from flowsense.sources.levels import Levels
from flowsense.sources.venues.grid import Grid
from flowsense.sources.venues.shown import Known, Shown
from flowsense.sources.venues.sink import Sink
from flowsense.sources.venues.spans import Spans, Update

X = Instrument("X", "v", Decimal(1, 0), Decimal(1, 0))


def spans(book):
    sink = Sink((X,), "v")
    found = Spans(sink, lambda symbol: symbol, lambda symbol: book(Grid(X, sink).read), 4, 2)
    found.opened()
    return found


def levels(bids, asks):
    text = ",".join(f"{p},{n}" for p, n in [*bids.items(), *asks.items()])
    return Levels(len(bids), len(asks), text)


def view(bids, asks, depth):
    both = sorted(bids.items(), reverse=True)[:depth], sorted(asks.items())[:depth]
    return tuple({p: n for p, n in side if n} for side in both)


def history(rng, n):
    """Books by id, and the updates: each of one to three ids."""
    bids, asks = (dict.fromkeys(ps, 5) for ps in (range(80, 100), range(101, 121)))
    books, updates = [({**bids}, {**asks})], []
    while len(books) < n:
        first, changes = len(books), ({}, {})
        for _ in range(rng.randint(1, 3)):
            k = rng.randrange(2)
            price, lots = (rng.randint(80, 99), rng.randint(101, 120))[k], rng.choice((0, 1, 2))
            side = (bids, asks)[k]
            side.pop(price, None)
            side |= {price: lots} if lots else {}
            changes[k][price] = lots
            books.append(({**bids}, {**asks}))
        updates.append(Update(first, len(books) - 1, first * 1_000, levels(*changes)))
    return books, updates


def disturbed(rng, updates):
    """Some lost, some twice, some late."""
    out = [u for u in updates if rng.random() > 0.05 for _ in range(1 + (rng.random() < 0.05))]
    for k in range(len(out) - 1):
        if rng.random() < 0.03:
            out[k], out[k + 1] = out[k + 1], out[k]
    return out


def ran(seed, book, depth, whole):
    """Replies are of any book between ten ids ago and ten to come, and take their time."""
    rng = random.Random(seed)
    books, updates = history(rng, 150)
    mine, shelf, replies, ready = spans(book), Shelf(X), [], 0
    sink = mine.sink
    for u in disturbed(rng, updates):
        mine.update("X", u)
        if replies and rng.random() < 0.5:
            at = replies.pop()
            mine.reply("X", Update(at, at, at * 1_000, levels(*view(*books[at], depth))))
        events, asks, *_ = sink.taken()
        shelf.apply(events)
        replies += [min(max(u.last + rng.randint(-10, 10), 1), len(books) - 1) for _ in asks]
        if sink.ready["X"]:
            ready += 1
            ours, theirs = (shelf.bids, shelf.asks), books[sink.last["X"]]
            if whole:
                assert ours == theirs
            else:
                assert all(map(prefix, ours, theirs, (1, -1)))
        else:
            assert not shelf.bids and not shelf.asks
    return ready / len(updates)


def prefix(ours, theirs, sign):
    best = sorted(theirs.items(), reverse=sign > 0)[: len(ours)]
    return sorted(ours.items(), reverse=sign > 0) == best and len(ours) >= 2


@pytest.mark.parametrize(
    "seeds",
    [
        range(5),
        pytest.param(range(5, 65), marks=pytest.mark.slow),
        pytest.param(range(10_000), marks=pytest.mark.soak),
    ],
)
def test_what_is_told_is_the_book_of_that_id_or_nothing(seeds):
    part = [ran(seed, lambda read: Shown(1_000, read), 1_000, True) for seed in seeds]
    assert sum(part) / len(part) > 0.3
    part = [ran(seed, lambda read: Known(8, read), 8, False) for seed in seeds]
    assert sum(part) / len(part) > 0.3


def test_ids_that_begin_again_are_a_hole():
    mine = spans(lambda read: Shown(10, read))
    one = Levels(1, 0, "100,1")
    mine.update("X", Update(50, 50, 7, one))
    mine.reply("X", Update(49, 49, 6, one))
    mine.update("X", Update(50, 50, 7, one))
    mine.update("X", Update(1, 1, 8, one))
    assert [(gap.since, gap.until) for gap in mine.sink.gaps] == [(50, 1)]
    assert mine.sink.counts["repeated depth"] == 1 and not mine.sink.ready["X"]
    mine.reply("X", Update(1, 1, 8, one))
    mine.update("X", Update(2, 2, 9, one))
    assert mine.sink.last["X"] == 2


def test_updates_behind_a_snapshot_are_no_new_count():
    mine = spans(lambda read: Shown(10, read))
    one = Levels(1, 0, "100,1")
    mine.update("X", Update(50, 50, 7, one))
    mine.reply("X", Update(60, 60, 6, one))
    mine.update("X", Update(51, 51, 8, one))
    assert mine.sink.ready["X"] and mine.sink.last["X"] == 60


def test_a_view_that_runs_short_is_asked_for_again_and_then_lost():
    mine = spans(lambda read: Shown(6, read))
    deep = dict.fromkeys(range(100, 94, -1), 1)
    mine.update("X", Update(1, 1, 1, Levels(0, 0, "")))
    mine.reply("X", Update(1, 1, 1, levels(deep, {})))
    mine.sink.taken()
    mine.update("X", Update(2, 2, 2, levels({100: 0, 99: 0, 98: 0}, {})))
    assert len(mine.sink.asks) == 1 and mine.sink.ready["X"]
    mine.update("X", Update(3, 3, 3, levels({97: 0, 96: 0}, {})))
    assert not mine.sink.ready["X"] and len(mine.sink.asks) == 1
    mine.reply("X", Update(3, 3, 3, levels({95: 1}, {})))
    assert mine.sink.ready["X"] and mine.sink.last["X"] == 3
