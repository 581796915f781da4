"""A book of dicts, slow and obvious, and the kernels over whole programs."""

import numpy as np
from numba import types

from flowsense._jit import array, compiled, records
from flowsense.book import tables
from flowsense.book.orders import ORDER, l3
from flowsense.book.sides import LEVEL, SIDES, TICKS, TOUCH, l2, show
from flowsense.schema import (
    ADD,
    BOOK,
    CANCEL,
    CLEAR,
    DEPTH,
    EVENT,
    FILL,
    LAST,
    MODIFY,
    NO_ASK,
    NO_BID,
    SET,
)

STATE = np.dtype([("sides", SIDES), ("touch", TOUCH), ("book", BOOK)])


class Oracle:
    """`levels` {price: lots} of bids and asks; `orders` {id: [k, price, lots, born]}."""

    def __init__(self):
        self.levels, self.orders, self.moved = ({}, {}), {}, [None, None]

    def apply(self, e):
        """-> delta, age, ahead. What changed stands in `sets` (side, price, lots), as L2 has it."""
        self.delta, self.age, self.ahead, self.sets = 0, -1, -1, []
        ts, oid, price, lots, action, side = e
        k = 0 if side > 0 else 1
        if action == CLEAR:
            self.levels, self.orders, self.moved = ({}, {}), {}, [None, None]
        elif action == SET:
            self.change(k, price, lots - self.levels[k].get(price, 0))
        elif action in (ADD, MODIFY) and lots:
            self.place(oid, k, price, lots, ts)
        elif action in (ADD, MODIFY) and oid in self.orders:
            self.take(oid, self.orders[oid][2], ts)
        elif action in (CANCEL, FILL) and oid in self.orders:
            self.take(oid, lots, ts)
        elif action in (CANCEL, FILL):
            self.change(k, price, -lots)
        return self.delta, self.age, self.ahead

    def change(self, k, price, lots):
        """The level grows by lots, never below 0. -> lots before."""
        before = self.levels[k].pop(price, 0)
        now = max(before + lots, 0)
        if now:
            self.levels[k][price] = now
        self.delta = now - before
        if self.delta:
            self.sets.append((1 - 2 * k, price, now))
            if self.moved[k] is not None:
                self.moved[k].add(price)
        return before

    def place(self, oid, k, price, lots, ts):
        old = self.orders.get(oid)
        self.orders[oid] = [k, price, lots, old[3] if old else ts]
        if old:
            self.age = ts - old[3]
        if old and old[:2] == [k, price]:
            self.change(k, price, lots - old[2])
        else:
            if old:
                self.change(old[0], old[1], -old[2])
            self.ahead = self.change(k, price, lots)

    def take(self, oid, lots, ts):
        k, price, resting, born = self.orders.pop(oid)
        self.age = ts - born
        self.change(k, price, -min(lots, resting))
        if lots < resting:
            self.orders[oid] = [k, price, resting - lots, born]

    def show(self):
        """-> prices and lots of the best bids, then asks (40 numbers)."""
        self.moved, out = [set(), set()], []
        for k, empty in enumerate((NO_BID, NO_ASK)):
            prices = sorted(self.levels[k], reverse=k == 0)[:DEPTH]
            lots = [self.levels[k][p] for p in prices]
            out += prices + [empty] * (DEPTH - len(prices)) + lots + [0] * (DEPTH - len(prices))
        return out

    def depth(self, shown):
        """Per side, how many of the levels last shown are better than all that changed since."""
        out = []
        for k, sign in enumerate((1, -1)):
            moved = self.moved[k]
            if moved is None or not moved:
                out.append(0 if moved is None else DEPTH)
                continue
            best = max(p * sign for p in moved)
            out.append(sum(p * sign > best for p in shown[20 * k : 20 * k + DEPTH]))
        return out


@compiled(
    types.void(
        array(STATE),
        array(LEVEL),
        array(ORDER),
        array(EVENT, readonly=True),
        array(BOOK),
        array(TOUCH),
    )
)
def run(state, levels, orders, events, books, facts):
    s = state[0]
    for i in range(len(events)):
        if s.sides.order_slots:
            l3(s.touch, levels, s.sides, orders, events[i])
        else:
            l2(s.touch, levels, s.sides, events[i])
        if events[i].bits & LAST:
            show(s.book, levels, s.sides, s.touch)
        books[i] = s.book
        facts[i] = s.touch


class Kernels:
    """One book, by order or by level, whose tables begin small."""

    def __init__(self, by_order, slots=16):
        self.state = np.zeros(1, STATE)
        self.levels, self.orders = tables.allocate(self.state["sides"], by_order, slots)
        self.room = 0

    def push(self, events):
        """-> the BOOK and the TOUCH after each event."""
        books, facts, i = np.zeros(len(events), BOOK), np.zeros(len(events), TOUCH), 0
        while i < len(events):
            if self.room <= 0:
                grown = tables.make_room(self.state["sides"], self.levels, self.orders)
                self.levels, self.orders, self.room = grown
            part = slice(i, i + self.room)
            args = self.state, self.levels, self.orders, events[part], books[part], facts[part]
            run(*map(records, args))
            self.room, i = self.room - len(events[part]), i + len(events[part])
        return books, facts

    def copy(self):
        other = Kernels(self.state["sides"]["order_slots"][0] > 0)
        arrays = self.state, self.levels, self.orders
        other.state, other.levels, other.orders = (a.copy().view(a.dtype) for a in arrays)
        return other

    def contents(self):
        """{price: lots} of bids and asks, from wherever they lie; the counts must agree."""
        s, out = self.state["sides"][0], []
        for k, sign in enumerate((1, -1)):
            table = self.levels[s["start"][k] :][: s["slots"][k]]
            table = table[table["lots"] != 0]
            at = np.flatnonzero(s["ladder"][k])
            keys = s["floor"][k] + (at - s["floor"][k]) % TICKS
            bits = (s["bits"][k][:, None] >> np.arange(32)) & 1
            assert np.array_equal(np.flatnonzero(bits.ravel()), at)
            assert (len(table), len(table) + len(at)) == (s["outside"][k], s["held"][k])
            pairs = [*zip(table["key"], table["lots"], strict=True)]
            pairs += zip(keys, s["ladder"][k][at], strict=True)
            out.append({int(key) * sign: int(lots) for key, lots in pairs})
            assert len(out[k]) == len(pairs)
        return tuple(out)


def events_of(rows, lasts):
    """EVENTs of (ts, order id, price, lots, action, side) and a LAST bit each."""
    return np.array(
        [
            (ts, ts, oid, price, lots, 0, 0, action, side, last * LAST, 0)
            for (ts, oid, price, lots, action, side), last in zip(rows, lasts, strict=True)
        ],
        EVENT,
    ).view(EVENT)


def shown(books):
    """(n, 40): of each BOOK what `Oracle.show` says of it."""
    return np.concatenate([books[k] for k in ("bid_px", "bid_sz", "ask_px", "ask_sz")], axis=1)


def compare(rows, lasts, by_order):
    """A program through kernels and oracle: what is shown, the facts, all levels, the L2 feed."""
    oracle, kernels = Oracle(), Kernels(by_order)
    books, facts = kernels.push(events_of(rows, lasts))
    told = np.column_stack([facts[k] for k in ("depth", "delta", "age", "ahead")]).tolist()
    sets, whole, best, depth = [], {}, [0] * 40, [0, 0]
    after = iter(shown(books[np.array(lasts)]).tolist())
    for row, last, fact in zip(rows, lasts, told, strict=True):
        expected = oracle.apply(row)
        sets += [(row[0], 0, price, lots, SET, side) for side, price, lots in oracle.sets]
        sets += [row] * (row[4] == CLEAR)
        if last:
            depth, best = oracle.depth(best), oracle.show()
            assert next(after) == best
            whole[len(sets)] = best
        assert fact == [*depth, *expected]
    assert kernels.contents() == oracle.levels
    if by_order:
        assert kernels.state["sides"]["resting"].tolist() == [len(oracle.orders)]
        by_level(sets, whole)
    return kernels


def by_level(sets, whole):
    """An L2 feed of the same market shows the same wherever the L3 book was whole."""
    lasts = [n in whole for n in range(1, len(sets) + 1)]
    if sets:
        books, _ = Kernels(False).push(events_of(sets, lasts))
        got = shown(books).tolist()
        assert all(got[n - 1] == best for n, best in whole.items() if n)


PLACES = (
    lambda rng, n: rng.integers(-12, 13, n),  # about 0, both signs, crossed
    lambda rng, n: 100_000 + rng.integers(-300, 301, n),
    lambda rng, n: 100_000 + np.cumsum(rng.integers(-40, 41, n)) * 25 + rng.integers(-15, 16, n),
    lambda rng, n: rng.integers(-3 * TICKS, 3 * TICKS, n),  # most outside the ladder
    lambda rng, n: rng.integers(-40, 41, n) * 1_000_000,  # one level a window
    lambda rng, n: rng.choice((-1, 1), n) * (2**53 - rng.integers(0, 40, n)),  # schema.LARGEST
    lambda rng, n: 5_000 + rng.integers(-9, 10, n) * rng.choice((1, 1, TICKS // 2, TICKS), n),
)


def program(seed, by_order):
    """Up to 500 random operations, and which of them leave the book whole."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 501))
    price = PLACES[rng.integers(len(PLACES))](rng, n)
    large = 2**53 // 4096 if rng.random() < 0.1 else 9
    lots = rng.integers(1, large + 1, n)
    side = rng.choice((1, -1), n) if rng.random() < 0.9 else np.ones(n, int)
    oid = rng.integers(1, int(rng.integers(2, 400)), n)
    oid = np.where(
        rng.random(n) < 0.1, np.uint64(2**64 - 1) - oid.astype(np.uint64), oid.astype(np.uint64)
    )
    if by_order:
        action = rng.choice((ADD, MODIFY, CANCEL, FILL), n, p=(0.5, 0.1, 0.25, 0.15))
        lots[rng.random(n) < 0.02] = 0  # some feeds modify to nothing
    else:
        action = np.full(n, SET)
        lots[rng.random(n) < rng.choice((0.1, 0.4, 0.6))] = 0
    action[rng.random(n) < 0.004] = CLEAR
    lasts = rng.random(n) < rng.choice((0.1, 0.5, 1.0))
    ts = np.cumsum(rng.integers(0, 50, n))
    columns = (ts, oid, price, lots, action, side)
    return [*zip(*(c.tolist() for c in columns), strict=True)], lasts.tolist()
