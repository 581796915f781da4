"""What waits, what is conflated, and what is remembered of what was taken."""

import numpy as np
import pytest

from flowsense.ensemble.council import Code
from flowsense.schema import BEAT, CONTROL, EVENT, GAP, Decimal, Instrument
from flowsense.serve import recent
from flowsense.serve.inbox import Inbox
from flowsense.serve.recent import Recent, joined, told
from flowsense.serve.records import beat, control
from flowsense.testing.toy import by_level, by_order, merge

TABLE = tuple(Instrument(s, "toy", Decimal(1, -2), Decimal(1, 0)) for s in ("A", "B"))


@pytest.fixture(scope="module")
def events():
    return merge(*(by_level(by_order(1_000, 7 + k, k)) for k in range(2)))


def books(parts):
    now = Recent(TABLE).folded(Recent(TABLE).books, joined(parts))
    return [told(book, TABLE[k], k, 0).tobytes() for k, book in enumerate(now)]


def test_who_is_stale_is_not_forgotten_when_the_queue_is_full(events):
    inbox = Inbox(TABLE, most=50)
    mark = control(int(events["ts_recv"][0]), Code.STALE, 1, 0)
    inbox.put(mark, 0.0)
    for part in (events[:40], events[40:80], events[80:90]):
        inbox.put(part, 0.0)
    batch = inbox.take(1_000)
    assert (batch.events["action"] == CONTROL).sum() == 1 and inbox.conflations > 0
    assert inbox.dropped + len(batch.events) - inbox.made == 1 + 90


def test_time_that_passes_loses_no_book(events):
    inbox = Inbox(TABLE, most=10)
    only = events[events["instrument"] == 1][:20].view(EVENT)
    inbox.put(beat(int(only["ts_recv"][0])), 0.0)
    inbox.put(only, 0.0)
    got = inbox.take(1_000).events
    assert got["instrument"][got["bits"] & GAP > 0].tolist() == [1]


def test_a_queue_of_beats_alone_keeps_the_last():
    inbox = Inbox(TABLE, most=1)
    for ts in (1, 2, 3):
        inbox.put(beat(ts), 0.0)
    got = inbox.take(10).events
    assert got["ts_recv"].tolist() == [3] and got["action"].tolist() == [BEAT]


@pytest.mark.parametrize("most", [1, 7, 300])
def test_books_after_any_conflation_are_those_of_all_events(events, most):
    rng, inbox, out, at = np.random.default_rng(most), Inbox(TABLE, most=most), [], 0
    while at < len(events):
        n = int(rng.choice([1, 2, 7, 100]))
        inbox.put(events[at : at + n], 0.0)
        at += n
        if rng.random() < 0.3 and (batch := inbox.take(int(rng.choice([1, 500])))):
            out.append(batch.events)
    while batch := inbox.take(500):
        out.append(batch.events)
    assert inbox.conflations > 0
    assert books(out) == books([events]) == books([*inbox.recent.replay()])


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
    assert books([*kept.replay()]) == books([events])
