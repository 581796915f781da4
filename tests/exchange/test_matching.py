from collections import deque

import numpy as np
import pytest
from numba import config

from flowsense.errors import InputError
from flowsense.exchange.matching import (
    ENGINE,
    LEVEL,
    LIMIT,
    MARKET,
    ORDER,
    REPLACE,
    REQUEST,
    SLOT_BITS,
    WITHDRAW,
)
from flowsense.exchange.venue import Venue
from flowsense.schema import ADD, CANCEL, EVENT, FILL, LAST, MODIFY, TRADE, checked, zeros


class Oracle:
    """A matching engine that a person can read: a deque of orders at each price."""

    def __init__(self):
        self.book = {1: {}, -1: {}}  # side -> price -> deque of [serial, lots]
        self.where = {}  # serial -> (side, price)
        self.serial, self.out = 0, []

    def best(self, side):
        prices = self.book[side]
        return (max(prices) if side > 0 else min(prices)) if prices else None

    def match(self, side, price, lots):
        while lots and (best := self.best(-side)) is not None:
            if price is not None and (best - price) * side > 0:
                break
            first = self.book[-side][best][0]
            taken = min(lots, first[1])
            self.out.append((TRADE, first[0], side, best, taken))
            self.out.append((FILL, first[0], -side, best, taken))
            first[1] -= taken
            lots -= taken
            if not first[1]:
                self.remove(first[0])
        return lots

    def remove(self, serial):
        side, price = self.where.pop(serial)
        queue = self.book[side][price]
        queue.remove(next(o for o in queue if o[0] == serial))
        if not queue:
            del self.book[side][price]

    def rest(self, serial, side, price, lots):
        self.where[serial] = side, price
        self.book[side].setdefault(price, deque()).append([serial, lots])

    def order(self, serial):
        side, price = self.where[serial]
        return side, price, next(o for o in self.book[side][price] if o[0] == serial)

    def limit(self, side, price, lots, serial=None):
        if serial is None:
            self.serial = serial = self.serial + 1
        lots = self.match(side, price, lots)
        if lots:
            self.rest(serial, side, price, lots)
            self.out.append((ADD, serial, side, price, lots))

    def withdraw(self, serial, lots):
        if serial in self.where:
            side, price, order = self.order(serial)
            taken = min(lots, order[1])
            order[1] -= taken
            if not order[1]:
                self.remove(serial)
            self.out.append((CANCEL, serial, side, price, taken))

    def replace(self, serial, price, lots):
        if serial not in self.where:
            return
        side, old, order = self.order(serial)
        other = self.best(-side)
        if price == old and lots <= order[1]:
            order[1] = lots
            self.out.append((MODIFY, serial, side, price, lots))
            return
        self.remove(serial)
        if other is not None and (price - other) * side >= 0:
            self.out.append((CANCEL, serial, side, old, order[1]))
            self.limit(side, price, lots, serial)
        else:
            self.rest(serial, side, price, lots)
            self.out.append((MODIFY, serial, side, price, lots))

    def events(self):
        """Of the last action."""
        out = [(*e, LAST if e is self.out[-1] else 0) for e in self.out]
        self.out = []
        return out

    def resting(self, side):
        prices = sorted(self.book[side], reverse=side > 0)
        return [(serial, p, lots) for p in prices for serial, lots in self.book[side][p]]


def request(kind, side=0, price=0, lots=1, order_id=0, instrument=0, ts=0):
    out = zeros(REQUEST, 1)
    out[0] = (ts, order_id, price, lots, instrument, kind, side)
    return out


def send(venue, *args, **named):
    q = request(*args, **named)
    return venue.push(q), int(q["order_id"][0])


def plain(events):
    names = ("action", "order_id", "side", "price", "lots", "bits")
    rows = zip(*(events[n].tolist() for n in names), strict=True)
    return [(a, i >> SLOT_BITS, s, p, x, b) for a, i, s, p, x, b in rows]


def resting(venue, side, instrument=0):
    return [(i >> SLOT_BITS, p, x) for i, p, x in venue.resting(instrument, side)]


def step(rng, venue, slow, ids):
    """One random action to both; -> what each of them told."""
    kind = int(rng.choice((LIMIT, LIMIT, LIMIT, MARKET, WITHDRAW, REPLACE)))
    side, price = int(rng.choice((-1, 1))), int(rng.integers(-8, 9))
    lots = int(rng.integers(1, 9))
    old = ids[int(rng.integers(max(0, len(ids) - 12), len(ids)))] if ids else 0
    events, new = send(venue, kind, side, price, lots, old)
    if kind == LIMIT:
        slow.limit(side, price, lots)
        ids.append(new)
    elif kind == MARKET:
        slow.match(side, None, lots)
    elif kind == WITHDRAW:
        slow.withdraw(old >> SLOT_BITS, lots)
    else:
        slow.replace(old >> SLOT_BITS, price, lots)
    return plain(events), slow.events()


def run_programs(seeds, length=60):
    for seed in seeds:
        rng, venue, slow, ids = np.random.default_rng(seed), Venue(), Oracle(), []
        for _ in range(length):
            ours, theirs = step(rng, venue, slow, ids)
            assert ours == theirs, seed
        for side in (1, -1):
            assert resting(venue, side) == slow.resting(side), seed


def test_equals_the_oracle_on_random_programs():
    run_programs(range(10 if config.DISABLE_JIT else 25))


@pytest.mark.slow
def test_equals_the_oracle_on_two_thousand_random_programs():
    run_programs(range(1_000, 1_300) if config.DISABLE_JIT else range(1_000, 3_000), 30)


@pytest.mark.soak
def test_equals_the_oracle_on_ten_thousand_random_programs():
    run_programs(range(1_000, 11_000), 30)


def test_a_sweep_pays_the_resting_prices_oldest_first():
    venue = Venue()
    for price, lots in ((101, 5), (101, 2), (102, 5)):
        send(venue, LIMIT, -1, price, lots)
    events, _ = send(venue, LIMIT, 1, 101, 9)
    assert plain(events) == [
        (TRADE, 1, 1, 101, 5, 0),
        (FILL, 1, -1, 101, 5, 0),
        (TRADE, 2, 1, 101, 2, 0),
        (FILL, 2, -1, 101, 2, 0),
        (ADD, 4, 1, 101, 2, LAST),
    ]


def test_fewer_lots_keep_the_place_and_more_go_to_the_back():
    venue = Venue()
    (_, first), (_, second) = (send(venue, LIMIT, 1, 99, 5) for _ in range(2))
    events, _ = send(venue, REPLACE, 0, 99, 3, first)
    assert plain(events) == [(MODIFY, 1, 1, 99, 3, LAST)]
    assert resting(venue, 1) == [(1, 99, 3), (2, 99, 5)]
    send(venue, REPLACE, 0, 99, 4, first)
    assert resting(venue, 1) == [(2, 99, 5), (1, 99, 4)]
    assert second >> SLOT_BITS == 2


def test_a_replace_that_crosses_leaves_then_trades_under_its_own_id():
    venue = Venue()
    send(venue, LIMIT, -1, 101, 2)
    _, mine = send(venue, LIMIT, 1, 99, 5)
    events, _ = send(venue, REPLACE, 0, 101, 6, mine)
    assert [e[:5] for e in plain(events)] == [
        (CANCEL, 2, 1, 99, 5),
        (TRADE, 1, 1, 101, 2),
        (FILL, 1, -1, 101, 2),
        (ADD, 2, 1, 101, 4),
    ]


def test_what_finds_no_counterpart_or_no_order_tells_nothing():
    venue = Venue()
    _, mine = send(venue, LIMIT, 1, 99, 5)
    send(venue, WITHDRAW, lots=9, order_id=mine)
    for kind in (MARKET, WITHDRAW, REPLACE):
        assert len(send(venue, kind, 1, 99, 1, mine)[0]) == 0
    assert venue.engines["refused"][0] == 2 and list(venue.resting(0, 1)) == []


def test_an_id_is_never_used_twice():
    venue = Venue()
    _, old = send(venue, LIMIT, 1, 99, 5)
    send(venue, WITHDRAW, lots=5, order_id=old)
    _, new = send(venue, LIMIT, 1, 99, 5)
    assert new != old and len(send(venue, WITHDRAW, lots=5, order_id=old)[0]) == 0
    assert resting(venue, 1) == [(2, 99, 5)]


def test_a_full_pool_refuses():
    venue = Venue(orders=2)
    told = [len(send(venue, LIMIT, 1, 99, 1)[0]) for _ in range(3)]
    assert told == [1, 1, 0] and venue.engines["refused"][0] == 1


def test_a_full_table_of_levels_refuses_what_needs_another():
    venue = Venue(levels=1)
    _, mine = send(venue, LIMIT, 1, 99, 1)
    send(venue, LIMIT, 1, 99, 1)
    assert len(send(venue, LIMIT, 1, 98, 1)[0]) == 0
    events, _ = send(venue, REPLACE, 0, 98, 1, mine)
    assert plain(events) == [(CANCEL, 1, 1, 99, 1, LAST)]
    assert venue.engines["refused"][0] == 2 and resting(venue, 1) == [(2, 99, 1)]


def test_a_batch_is_the_same_as_one_at_a_time():
    rng, n = np.random.default_rng(5), 400
    q = zeros(REQUEST, n)
    q["ts"], q["kind"] = np.sort(rng.integers(0, 10**9, n)), rng.choice((LIMIT, LIMIT, MARKET), n)
    q["side"], q["price"] = rng.choice((-1, 1), n), rng.integers(-8, 9, n)
    q["lots"], q["instrument"] = rng.integers(1, 40, n), rng.integers(0, 2, n)
    one, all_ = Venue(2, wire_ns=7), Venue(2, wire_ns=7)
    single = np.concatenate([one.push(q[i : i + 1]) for i in range(n)])
    whole = all_.push(q)
    assert whole.tobytes() == single.tobytes()
    assert (checked(whole, 2)["ts_recv"] - whole["ts_event"] == 7).all()
    assert set(whole["action"].tolist()) == {ADD, TRADE, FILL}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instrument", 1),
        ("instrument", -1),
        ("kind", 0),
        ("lots", 0),
        ("price", 2**60),
        ("side", 0),
        ("ts", -1),
    ],
)
def test_the_edge_names_the_request_and_the_value(name, value):
    q = request(LIMIT, 1, 99, 5)
    q[name] = value
    with pytest.raises(InputError, match=f"request 0: {name} {value}"):
        Venue().push(q)


def test_the_edge_refuses_other_records_and_sizes():
    with pytest.raises(InputError, match="not REQUEST"):
        Venue().push(zeros(EVENT, 1))
    with pytest.raises(InputError, match="orders"):
        Venue(orders=2**24)


@pytest.mark.parametrize("dtype", (REQUEST, ORDER, LEVEL, ENGINE), ids=("q", "o", "l", "e"))
def test_no_padding_and_no_name_that_an_array_has(dtype):
    assert dtype.itemsize == sum(dtype[name].itemsize for name in dtype.names)
    assert not any(hasattr(np.recarray, n) or hasattr(np.record, n) for n in dtype.names)
