"""What waits, what is conflated, and what is remembered of what was taken."""

from itertools import pairwise

import numpy as np
import pytest

from flowsense.ensemble.code import Code
from flowsense.schema import (
    BAR,
    BEAT,
    CLOSE,
    CONTROL,
    EVENT,
    GAP,
    LAST,
    Decimal,
    Instrument,
    zeros,
)
from flowsense.serve import recent
from flowsense.serve.inbox import Inbox, Times
from flowsense.serve.recent import Recent, joined, told
from flowsense.serve.records import beat, control
from flowsense.testing.toy import by_level, by_order, merge

TABLE = tuple(Instrument(s, "toy", Decimal(1, -2), Decimal(1, 0)) for s in ("A", "B"))
NOW = Times(0.0, 0.0)


@pytest.fixture(scope="module")
def events():
    return merge(*(by_level(by_order(1_000, 7 + k, k)) for k in range(2)))


def books(parts):
    now = Recent(TABLE).folded(Recent(TABLE).books, joined(parts))
    return [told(book, TABLE[k], k, 0).tobytes() for k, book in enumerate(now)]


def test_who_is_stale_is_not_forgotten_when_the_queue_is_full(events):
    inbox = Inbox(TABLE, most=50)
    mark = control(int(events["ts_recv"][0]), Code.STALE, 1, 0)
    inbox.put(mark, NOW)
    for part in (events[:40], events[40:80], events[80:90]):
        inbox.put(part, NOW)
    batch = inbox.take(1_000)
    assert (batch.events["action"] == CONTROL).sum() == 1 and inbox.conflations > 0
    assert inbox.dropped + len(batch.events) - inbox.made == 1 + 90


def test_nothing_is_kept_for_a_recording_that_nobody_makes(events):
    inbox, kept = Inbox(TABLE, most=10, keep=False), Inbox(TABLE, most=10)
    for one in (inbox, kept):
        one.put(events[:8], NOW)
        one.put(events[8:90], NOW)
    assert len(kept.take(1_000).skipped) and not len(inbox.take(1_000).skipped)


def test_time_that_passes_loses_no_book(events):
    inbox = Inbox(TABLE, most=10)
    only = events[events["instrument"] == 1][:20].view(EVENT)
    inbox.put(beat(int(only["ts_recv"][0])), NOW)
    inbox.put(only, NOW)
    got = inbox.take(1_000).events
    assert got["instrument"][got["bits"] & GAP > 0].tolist() == [1]


def test_a_queue_of_beats_alone_keeps_the_last():
    inbox = Inbox(TABLE, most=1)
    for ts in (1, 2, 3, 4):
        inbox.put(beat(ts), NOW)
    got = inbox.take(10).events
    assert got["ts_recv"].tolist() == [4] and got["action"].tolist() == [BEAT]


@pytest.mark.parametrize("most", [1, 7, 300])
def test_books_after_any_conflation_are_those_of_all_events(events, most):
    rng, inbox, out, at = np.random.default_rng(most), Inbox(TABLE, most=most), [], 0
    while at < len(events):
        n = int(rng.choice([1, 2, 7, 100]))
        inbox.put(events[at : at + n], NOW)
        at += n
        if rng.random() < 0.3 and (batch := inbox.take(int(rng.choice([1, 500])))):
            out.append(batch.events)
    while batch := inbox.take(500):
        out.append(batch.events)
    assert inbox.conflations > 0
    assert books(out) == books([events]) == books([part.events for part in inbox.recent.replay()])


def closed(ts, k, close=100):
    """A bar and the event that tells of it."""
    bar, event = zeros(BAR, 1), zeros(EVENT, 1)
    bar["ts_recv"] = event["ts_recv"] = ts
    bar["instrument"] = event["instrument"] = k
    bar["close"] = event["price"] = close
    event["action"], event["bits"] = CLOSE, LAST
    return event, bar


@pytest.mark.parametrize("most", [30, 10_000])
def test_bars_are_never_dropped_and_come_with_the_events_that_may_know_them(events, most):
    rng, inbox, told, got = np.random.default_rng(most), Inbox(TABLE, most=most), [], []
    for at in range(0, len(events), 10):
        part = events[at : at + 10]
        if rng.random() < 0.3:  # alone: it waits for the next event
            told.append(closed(int(part["ts_recv"][0]), 0)[1])
            inbox.put(part[:0], NOW, told[-1])
        inbox.put(part, NOW)
        if rng.random() < 0.2:
            got.append(inbox.take(int(rng.choice([1, 500]))))
    while batch := inbox.take(500):
        got.append(batch)
    ends = [(int(b.events["ts_recv"][-1]), b.bars["ts_recv"]) for b in got]
    assert np.concatenate([b.bars for b in got]).tobytes() == np.concatenate(told).tobytes()
    assert all((ts <= end).all() for end, ts in ends)
    assert all((ts >= end).all() for (end, _), (_, ts) in pairwise(ends))


def test_what_is_said_of_an_instrument_of_bars_alone_is_never_dropped(events):
    table = (TABLE[0], TABLE[1]._replace(depth=0))
    inbox, book = Inbox(table, most=3), events[events["instrument"] == 0]
    for k in range(40):
        ts = int(book["ts_recv"][k])
        inbox.put(book[k : k + 1].view(EVENT), NOW)
        inbox.put(*(closed(ts, 1, k)[0], NOW, closed(ts, 1, k)[1]))
    batch = inbox.take(1_000)
    kept = batch.events[batch.events["action"] == CLOSE]
    assert kept["price"].tolist() == batch.bars["close"].tolist() == [*range(40)]
    assert set(batch.events["instrument"][batch.events["bits"] & GAP > 0].tolist()) == {0}
    assert (
        10 < inbox.conflations <= 20 < len(batch.events)
        and (np.diff(batch.events["ts_recv"]) >= 0).all()
    )
    assert inbox.dropped + len(batch.events) - inbox.made == 80


def test_the_last_bars_are_remembered_longer_than_events(events, monkeypatch):
    monkeypatch.setattr(recent, "FOLDED", 8)
    monkeypatch.setattr(recent, "EARLIER", 5)
    kept, n = Recent(TABLE, most=20, span=10**18), 200
    for k in range(n):
        bar = closed(int(events["ts_recv"][k]), k % 2, k)[1]
        kept.add(events[k : k + 1], bar)
    parts = [*kept.replay()]
    bars = np.concatenate([part.bars for part in parts])
    assert bars["close"].tolist() == [*range(n - kept.count - 10, n)] and kept.count < 40
    assert parts[-1].bars["close"].tolist() == [n - 1]
    again = kept.last(kept.count - 1)
    assert again[0].bars["close"].tolist() == bars["close"].tolist()[1:]


@pytest.mark.parametrize("sizes", [(1,), (7,), (1, 500), (1, 1, 1, 900)])
def test_no_less_is_remembered_than_promised(events, monkeypatch, sizes):
    monkeypatch.setattr(recent, "FOLDED", 64)
    kept, counts, at = Recent(TABLE, most=300, span=10**18), [], 0
    for k in range(len(events)):
        part = events[at : at + sizes[k % len(sizes)]]
        if not len(part):
            break
        kept.add(part)
        at += len(part)
        counts.append(kept.count - min(at, 300))
    assert min(counts) >= 0 and max(counts) < 64 + max(sizes)
    assert books([part.events for part in kept.replay()]) == books([events])


@pytest.mark.parametrize("seed", range(3))
def test_the_last_bars_of_each_instrument_are_kept(monkeypatch, seed):
    monkeypatch.setattr(recent, "EARLIER", 4)
    rng, bars = np.random.default_rng(seed), zeros(BAR, 60)
    bars["ts_recv"], bars["instrument"] = np.sort(rng.integers(0, 50, 60)), rng.integers(0, 5, 60)
    bars["close"] = np.arange(60)
    told, wanted = list(bars), set()
    for k in range(5):
        mine = [b for b in told if b["instrument"] == k]
        wanted |= {int(b["close"]) for b in mine if b["ts_recv"] > 30}
        wanted |= {int(b["close"]) for b in [b for b in mine if b["ts_recv"] <= 30][-4:]}
    assert recent.lately(bars, 30)["close"].tolist() == sorted(wanted)
