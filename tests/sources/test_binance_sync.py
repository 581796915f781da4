"""The rules of each market, one boundary at a time, and many random streams against a true book."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from flowsense.schema import BEAT, CLEAR, GAP, LAST, SET, SNAPSHOT, TRADE, Decimal
from flowsense.sources.binance_decode import Feed, State, decode
from flowsense.sources.binance_lines import Market
from flowsense.sources.binance_sync import BUFFER, Sync
from flowsense.sources.files import Block

HERE, NS, MS = Path("recording.jsonl"), 1_700_000_000_000_000_000, 1_700_000_000_000
SPOT, USDM = (Feed("BTCUSDT", m, Decimal(1, -1), Decimal(1, -3)) for m in list(Market)[:2])
BID, ASK = [["9.0", "1.000"]], [["10.0", "2.000"]]


def update(first, last, previous=None, bids=BID, asks=ASK, at=None):
    pu = {} if previous is None else {"pu": previous}
    when = MS + (last if at is None else at)
    body = {"e": "depthUpdate", "E": when, "s": "BTCUSDT", "U": first, "u": last, **pu}
    return {"stream": "btcusdt@depth@100ms", "data": {**body, "b": bids, "a": asks}}


def snapshot(number, bids=BID, asks=ASK):
    return {"lastUpdateId": number, "bids": bids, "asks": asks}


def trade(number, maker=True, **more):
    body = {"e": "trade", "s": "BTCUSDT", "t": number, "p": "9.5", "q": "0.007", "T": MS + number}
    return {"stream": "btcusdt@trade", "data": {**body, "m": maker, **more}}


def run(feed, *messages, cuts=()):
    lines = [f"{NS + i} {json.dumps(m)}\n".encode() for i, m in enumerate(messages)]
    state, parts, edges = State(Sync(feed.market)), [], [0, *cuts, len(lines)]
    for a, b in pairwise(edges):
        state, events = decode(feed, state, HERE, Block(a + 1, b"".join(lines[a:b])))
        parts.append(events)
    return np.concatenate(parts), dict(state.counts)


def told(events):
    """(name, sequence) of each message, by its last event."""
    names = {CLEAR: "clear", SET: "set", TRADE: "trade", BEAT: "beat"}
    out = []
    for e in events:
        name = "gap" if e["bits"] & GAP else names[int(e["action"])]
        if e["bits"] & LAST or e["action"] != SET:
            out.append((name, int(e["sequence"])))
    return out


BOOK = [("clear", 10), ("set", 10)]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (8, 10, []),  # u <= id: dropped, and the snapshot goes on waiting
        (11, 12, [*BOOK, ("set", 12)]),  # U == id + 1
        (9, 11, [*BOOK, ("set", 11)]),  # u == id + 1
        (5, 30, [*BOOK, ("set", 30)]),
        (12, 13, []),  # U > id + 1: 11 is lost
    ],
)
@pytest.mark.parametrize("order", [1, -1], ids=["snapshot newer", "snapshot older"])
def test_spot_first_update_after_the_snapshot(first, last, expected, order):
    events, _ = run(SPOT, *[snapshot(10), update(first, last)][::order])

    assert told(events) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (8, 9, []),  # u < id: dropped
        (8, 10, [*BOOK, ("set", 10)]),  # u == id is not dropped
        (10, 12, [*BOOK, ("set", 12)]),  # U == id
        (11, 12, []),  # U > id, where spot would go on
    ],
)
@pytest.mark.parametrize("order", [1, -1], ids=["snapshot newer", "snapshot older"])
def test_futures_first_update_after_the_snapshot(first, last, expected, order):
    events, _ = run(USDM, *[snapshot(10), update(first, last, 7)][::order])

    assert told(events) == expected


@pytest.mark.parametrize(("first", "broken"), [(13, False), (14, True), (12, True)])
def test_spot_updates_must_begin_one_after_the_last(first, broken):
    events, counts = run(SPOT, snapshot(10), update(11, 12), update(first, 15))

    assert told(events)[3:] == [("gap" if broken else "set", 15)]
    assert counts.get("gap", 0) == broken


@pytest.mark.parametrize(("previous", "broken"), [(12, False), (13, True), (11, True)])
def test_futures_updates_must_name_the_last(previous, broken):
    events, _ = run(USDM, snapshot(10), update(10, 12, 9), update(14, 15, previous))

    assert told(events)[3:] == [("gap" if broken else "set", 15)]


def test_a_gap_silences_the_book_until_a_snapshot_and_its_updates_join():
    events, counts = run(
        SPOT, snapshot(10), update(11, 12), update(14, 15), trade(1), update(16, 17), snapshot(15),
        update(18, 19),
    )  # fmt: skip

    joined = [("clear", 15), ("set", 15), ("set", 17), ("set", 19)]
    assert told(events) == [*BOOK, ("set", 12), ("gap", 15), ("trade", 1), *joined]
    assert counts["gap"] == 1 and counts["book"] == 2
    unready = events[[e["action"] == TRADE or e["bits"] & GAP != 0 for e in events]]
    assert not np.any(unready["bits"] & LAST)


def test_a_snapshot_heard_before_the_gap_is_seen_still_serves():
    events, _ = run(SPOT, snapshot(10), update(11, 12), snapshot(20), update(19, 22))

    assert told(events)[3:] == [("gap", 22), ("clear", 20), ("set", 20), ("set", 22)]


def test_a_snapshot_in_step_changes_nothing():
    events, _ = run(SPOT, snapshot(10), update(11, 12), snapshot(12), update(13, 13))

    assert told(events) == [*BOOK, ("set", 12), ("set", 13)]


def test_an_old_snapshot_waits_for_a_newer_one():
    events, counts = run(SPOT, update(14, 15), snapshot(10), update(16, 17), snapshot(16))

    assert told(events) == [("clear", 16), ("set", 16), ("set", 17)]
    assert counts["snapshot older than the updates"] == 1


def test_a_loss_among_the_updates_kept_is_not_bridged():
    lost = update(12, 13), update(15, 16), snapshot(12)
    events, _ = run(SPOT, *lost, snapshot(14), update(17, 18))

    assert told(events) == [("clear", 14), ("set", 14), ("set", 16), ("set", 18)]


def test_repeats_change_nothing_and_are_counted():
    clean = update(9, 10), snapshot(10), update(11, 12), trade(5), update(13, 14), trade(6)
    twice = [m for m in clean for _ in range(2)] + list(clean)
    events, counts = run(SPOT, *twice)

    assert told(events) == told(run(SPOT, *clean)[0])
    assert counts["repeated depth"] == 6 and counts["repeated trade"] == 4


def test_ids_that_fall_while_time_rises_are_a_new_session():
    fresh = update(2, 3, at=50), snapshot(3), update(4, 5, at=60), trade(2, T=MS + 60)
    events, _ = run(SPOT, snapshot(10), update(11, 12), trade(9), *fresh)

    after = [("gap", 3), ("clear", 3), ("set", 3), ("set", 5), ("trade", 2)]
    assert told(events) == [*BOOK, ("set", 12), ("trade", 9), *after]


@pytest.mark.slow
def test_the_updates_kept_are_bounded_and_the_oldest_go():
    many = [update(i, i, bids=[], asks=[]) for i in range(1, BUFFER + 3)]

    assert told(run(SPOT, *many, snapshot(1))[0]) == []
    assert len(told(run(SPOT, *many, snapshot(2))[0])) == 2 + BUFFER


def test_a_snapshot_of_nothing_is_closed_and_an_update_of_nothing_is_a_beat():
    events, _ = run(SPOT, snapshot(10, [], []), update(11, 12, bids=[], asks=[]))

    assert told(events) == [("clear", 10), ("beat", 12)]
    assert events["bits"].tolist() == [SNAPSHOT | LAST, 0]


def test_one_update_by_hand():
    bids, asks = [["9.1", "0.250"], ["9.0", "0"]], [["10.0", "1.5"]]
    events, _ = run(SPOT, snapshot(10), update(11, 12, bids=bids, asks=asks))

    last = events[3:]
    assert last["price"].tolist() == [91, 90, 100]
    assert last["lots"].tolist() == [250, 0, 1500]
    assert last["side"].tolist() == [1, 1, -1]
    assert last["bits"].tolist() == [0, 0, LAST]
    assert set(last["ts_recv"]) == {NS + 1}
    assert set(events["ts_event"]) == {(MS + 12) * 1_000_000}
    assert events["bits"][:3].tolist() == [SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST]


def test_the_taker_is_the_aggressor_and_prints_off_the_book_are_counted():
    events, counts = run(SPOT, trade(1, True), trade(2, False), trade(3, X="NA", p="0", q="0"))

    assert events["side"].tolist() == [-1, 1]
    assert events["price"].tolist() == [95, 95] and events["lots"].tolist() == [7, 7]
    assert counts == {"trade": 2, "trade NA": 1}


class Venue:
    """A true book by update id, and the messages that a recorder may get of it."""

    def __init__(self, seed, futures):
        self.rng, self.futures = np.random.default_rng(seed), futures
        self.books, self.updates = {0: ({}, {})}, []
        number, before = 0, 0
        for _ in range(14):
            number += 1 + (int(self.rng.integers(3)) if futures else 0)
            first, touched = number, set()
            for step in range(int(self.rng.integers(1, 4))):
                number += step and 1
                touched.add(self.change(number))
            now = self.books[number]
            levels = [[[p, now[k].get(p, "0")] for j, p in touched if j == k] for k in (0, 1)]
            self.updates.append(update(first, number, before if futures else None, *levels))
            before = number

    def change(self, number):
        bids, asks = (dict(side) for side in self.books[max(self.books)])
        side, price = int(self.rng.integers(2)), f"{self.rng.integers(1, 6)}.0"
        (bids, asks)[side][price] = f"{self.rng.integers(1, 9)}"
        if self.rng.random() < 0.4:
            del (bids, asks)[side][price]
        self.books[number] = (bids, asks)
        return side, price

    def heard(self):
        """Lost, repeated and late messages, and replies that hold any moment of the book."""
        out = []
        for i, message in enumerate(self.updates):
            luck = self.rng.random()
            out += [message] * (0 if luck < 0.05 else 2 if luck < 0.1 else 1)
            if self.rng.random() < 0.25:
                late = int(np.clip(i + self.rng.integers(-4, 5), 0, len(self.updates) - 1))
                low, high = (self.updates[late]["data"][k] for k in "Uu")
                number = int(self.rng.integers(low, high + 1))
                out.append(
                    snapshot(number, *([[*x] for x in s.items()] for s in self.books[number]))
                )
        return out


def wrong_books(venue, events):
    """-> books told as whole, and how many of them the venue never had."""
    book, whole, wrong, ready = ({}, {}), 0, 0, False
    for e in events:
        if e["action"] == CLEAR:
            book, ready = ({}, {}), False
        elif e["action"] == SET:
            side = book[int(e["side"] < 0)]
            side[f"{e['price'] // 10}.0"] = f"{e['lots'] // 1000}"
        ready |= bool(e["bits"] & LAST and e["bits"] & SNAPSHOT)
        if ready and e["bits"] & LAST:
            held = tuple({p: q for p, q in side.items() if q != "0"} for side in book)
            whole, wrong = whole + 1, wrong + (held != venue.books[int(e["sequence"])])
    return whole, wrong


def check_seeds(seeds):
    whole = wrong = 0
    for seed in seeds:
        venue = Venue(seed, bool(seed % 2))
        messages = venue.heard()
        cuts = np.sort(venue.rng.integers(0, len(messages), 3)).tolist()
        events, _ = run(USDM if venue.futures else SPOT, *messages, cuts=cuts)
        found = wrong_books(venue, events)
        whole, wrong = whole + found[0], wrong + found[1]
    assert wrong == 0 and whole > 2 * len(seeds), f"{wrong} of {whole} books"


def test_no_book_is_ever_wrong_whatever_is_lost_late_or_repeated():
    check_seeds(range(200))


@pytest.mark.slow
def test_no_book_is_ever_wrong_in_two_thousand_streams():
    check_seeds(range(200, 2_200))


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_no_book_is_ever_wrong_in_thirty_thousand_streams():
    check_seeds(range(200, 30_200))


@pytest.mark.parametrize("feed", [SPOT, USDM], ids=["spot", "usdm"])
def test_cuts_at_any_line_change_nothing(feed):
    messages = Venue(4, feed is USDM).heard()
    whole = run(feed, *messages)

    for at in range(len(messages) + 1):
        parts = run(feed, *messages, cuts=[at])
        assert parts[0].tobytes() == whole[0].tobytes() and parts[1] == whole[1]
