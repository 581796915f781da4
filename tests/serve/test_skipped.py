"""A recording has all that was heard; read as the engine was given it, it has what it was given."""

import numpy as np
import pytest
from serve.test_inbox import NOW, TABLE, closed

from flowsense.ensemble.code import Code
from flowsense.schema import EVENT, Chunk
from flowsense.serve.inbox import KEPT, Inbox
from flowsense.serve.recent import joined
from flowsense.serve.records import beat, control
from flowsense.serve.skipped import given as read
from flowsense.serve.skipped import marks
from flowsense.serve.turns import keep
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.testing.toy import by_level, by_order, merge


class Kept(list):
    """What would be written."""

    def put(self, events, bars):
        self.append((events, bars))


def lived(most, seed):
    """Events and bars as they were heard, as they were given, and as they were kept."""
    events = merge(*(by_level(by_order(600, 7 + k, k)) for k in range(2)))
    rng, table = np.random.default_rng(seed), (TABLE[0], TABLE[1]._replace(depth=0))
    inbox, heard, given, kept, at = Inbox(table, most), [], [], Kept(), 0
    only = events[events["instrument"] == 0].view(EVENT)

    def taken():
        if batch := inbox.take(int(rng.choice([1, 500]))):
            given.append((batch.events, batch.bars))
            keep(kept, batch, [batch.events])

    while at < len(only):
        part = only[at : at + int(rng.choice([1, 2, 7, 40]))].view(EVENT)
        at, ts = at + len(part), int(part["ts_recv"][-1])
        more = [part, control(ts, Code.STALE, 1, 0), beat(ts), closed(ts, 1)]
        for one in more[: 1 + int(rng.integers(4))]:
            one, bars = one if isinstance(one, tuple) else (one, NO_BARS)
            inbox.put(one, NOW, bars)
            heard.append(one)
        if rng.random() < 0.2:
            taken()
    while inbox.queue:
        taken()
    assert inbox.conflations > 1 or most > 1_000
    return joined(heard), given, kept


def cut(events, bars, sizes, rng):
    """Chunks as a lake may cut them: bars with the events that they come before."""
    at, done = 0, 0
    while at < len(events):
        end = min(at + int(rng.choice(sizes)), len(events))
        known = int(np.searchsorted(bars["ts_recv"], events["ts_recv"][end - 1], "right"))
        yield Chunk(events[at:end].view(EVENT), bars[done:known], NO_OBSERVATIONS)
        at, done = end, max(done, known)


@pytest.mark.parametrize("most", [3, 25, 100_000])
@pytest.mark.parametrize("sizes", [(1,), (5, 60), (100_000,)], ids=str)
def test_what_was_skipped_is_kept_and_left_out_again(most, sizes):
    heard, given, kept = lived(most, most)
    events = joined([e for e, _ in kept])
    bars = np.concatenate([b for _, b in kept])
    chunks = [*read(cut(events, bars, sizes, np.random.default_rng(1)))]
    assert joined([c.events for c in chunks]).tobytes() == joined([e for e, _ in given]).tobytes()
    assert np.concatenate([c.bars for c in chunks]).tobytes() == bars.tobytes()
    assert (np.diff(events["ts_recv"]) >= 0).all()
    at, rows = 0, [row.tobytes() for row in heard]
    for row in events[~marks(events)]:
        at += at < len(rows) and row.tobytes() == rows[at]
    assert at == len(rows)


def test_what_memory_is_not_for_is_not_kept_and_a_replay_is_the_same(monkeypatch):
    monkeypatch.setattr("flowsense.serve.inbox.KEPT", 10)
    _, given, kept = lived(3, 4)
    events = joined([e for e, _ in kept])
    found = [*read([Chunk(events, NO_BARS, NO_OBSERVATIONS)])]
    assert joined([c.events for c in found]).tobytes() == joined([e for e, _ in given]).tobytes()
    assert KEPT > 10**6


def test_once_memory_is_full_nothing_is_kept_behind_a_hole(monkeypatch):
    """Of 5, 9 and 5 that are conflated there is room for 10."""
    monkeypatch.setattr("flowsense.serve.inbox.KEPT", 10)
    events, inbox, at = by_level(by_order(600, 7)), Inbox(TABLE, 4), 100
    for n in (5, 9, 5):
        inbox.put(events[at : at + n].view(EVENT), NOW)
        at += n
    skipped = inbox.take(1).skipped
    assert skipped.tobytes() == events[100:105].tobytes() and inbox.unkept == 14
