"""A venue of bars on random walks: against plain Python, and against those who want free money."""

from itertools import pairwise

import numpy as np
import pytest
from backtest.candles import X, Y, bars, closes, requests

from flowsense.backtest.bars import STOP, BarVenue, Frictions
from flowsense.exchange.client import ACCEPTED, FILLED
from flowsense.exchange.matching import LIMIT, MARKET, REQUEST, WITHDRAW
from flowsense.sources import NO_EVENTS

NONE = requests()


class Oracle:
    """The rules of a bar in plain Python; slippage by size apart."""

    def __init__(self, half, share):
        self.half, self.share, self.resting, self.lots = half, share, [], []

    @property
    def held(self):
        return sum(side for side, _ in self.lots)

    def bar(self, b, orders):
        self.out, self.room = [], int(self.share * b["lots"])
        self.lots = [(side, None) for side, _ in self.lots]  # of this bar: with its price
        fresh = {o["order_id"] for o in orders}
        self.resting += [dict(zip(REQUEST.names, o.item(), strict=True)) for o in orders]
        for o in self.resting:
            price = self.worse(o["side"], b["open"])
            if o["kind"] == MARKET:
                self.fill(o, price)
                o["lots"] = 0
            elif o["kind"] == STOP and (b["open"] - o["price"]) * o["side"] >= 0:
                self.stop(o, b["open"])
            elif o["order_id"] in fresh and o["kind"] == LIMIT and self.takes(o, price):
                self.fill(o, price)
        side = self.leads()
        for s in (side, -side):
            self.limits(b, s, fresh)
            self.stops(b, -s)
        self.resting = [o for o in self.resting if o["lots"]]
        return self.out

    def takes(self, o, price):
        return (o["price"] - price) * o["side"] >= 0

    def leads(self):
        stops = [o["side"] for o in self.resting if o["kind"] == STOP and o["lots"]]
        return int(np.sign(self.held)) or (-stops[0] if stops else 1)

    def limits(self, b, side, fresh):
        for o in self.resting:
            prices = [o["price"], *[b["open"]] * (o["order_id"] in fresh)]
            through = b["low"] < min(prices) if side > 0 else b["high"] > max(prices)
            if o["side"] == side and o["kind"] == LIMIT and through:
                self.fill(o, o["price"])

    def stops(self, b, side):
        for o in self.resting:
            touched = b["high"] >= o["price"] if side > 0 else b["low"] <= o["price"]
            if o["side"] == side and o["kind"] == STOP and touched:
                self.stop(o, (max if side > 0 else min)(b["open"], o["price"]))

    def stop(self, o, base):
        side, held = o["side"], -o["side"] * self.held
        if held <= 0 or not o["lots"]:
            return
        o["price"] = -side * 10**9  # what is left of it goes on at once
        self.gone(side, LIMIT)
        mine = self.lots[: min(o["lots"], held)]
        entries = [price for _, price in self.lots if price is not None]
        worst = (max if side > 0 else min)([base, *entries])
        at = [base if price is None else worst for _, price in mine]
        for price in sorted(set(at), reverse=side < 0):
            self.fill(o, max(self.worse(side, price), 1), at.count(price))

    def worse(self, side, base):
        return int((np.ceil if side > 0 else np.floor)(base + side * self.half * base))

    def gone(self, side, kind):
        for o in self.resting:
            if o["side"] == side and o["kind"] == kind:
                o["lots"] = 0

    def fill(self, o, price, most=10**9):
        """Lot by lot: the oldest of the other side goes first."""
        lots, held = min(o["lots"], self.room, most), -o["side"] * self.held
        for _ in range(lots):
            if self.lots and self.lots[0][0] != o["side"]:
                self.lots.pop(0)
            else:
                self.lots.append((o["side"], price))
        if lots:
            self.out.append((o["order_id"], price, lots))
            o["lots"] -= lots
            self.room -= lots
            if 0 < held <= lots:
                self.gone(o["side"], STOP)


def walk(n, seed, kinds=(MARKET, LIMIT)):
    """Random bars, and some orders after each but the last."""
    rng = np.random.default_rng(seed)
    opens = 1000 + np.cumsum(rng.integers(-5, 6, n))
    ends = opens + rng.integers(-5, 6, n)
    high = np.maximum(opens, ends) + rng.integers(0, 4, n)
    low = np.minimum(opens, ends) - rng.integers(0, 4, n)
    made = bars(*zip(opens, high, low, ends, rng.integers(0, 200, n), strict=True))
    orders, k = [], 0
    for b in made[:-1]:
        rows = []
        for _ in range(rng.integers(0, 4)):
            k += 1
            kind, side, lots = rng.choice(kinds), rng.choice([-1, 1]), rng.integers(1, 30)
            price = b["close"] + rng.integers(-8, 9)
            rows.append((b["ts_recv"] + 1, k, kind, side, lots, price))
        orders.append(requests(*rows))
    return made, orders


@pytest.mark.parametrize("kinds", [(MARKET, LIMIT), (MARKET, LIMIT, STOP), (LIMIT, STOP)])
def test_every_execution_is_that_of_plain_python(kinds):
    made, orders = walk(300, 7, kinds)
    v, oracle, stopped = BarVenue((X,), Frictions(0.001, 0, 0.2), most=1000), Oracle(0.001, 0.2), 0
    v.push(NO_EVENTS, NONE, made[:1])
    ids = {q["order_id"] for every in orders for q in every if q["kind"] == STOP}
    for b, q in zip(made[1:], orders, strict=True):
        told = v.push(NO_EVENTS, q, np.array([b]))
        found = [(r["order_id"], r["price"], r["lots"]) for r in told if r["what"] == FILLED]
        assert found == oracle.bar(b, q)
        assert v.places["position"][0] == oracle.held
        stopped += sum(k in ids for k, _, _ in found)
    assert stopped > 30 or STOP not in kinds


def paths(n, seed):
    """Bars of a random walk of sixty steps each: nobody can earn on it."""
    steps = np.random.default_rng(seed).normal(0, 8, (n, 60)).cumsum().reshape(n, 60)
    ends = 10_000 + np.round(steps).astype(int)
    starts = np.r_[10_000, ends[:-1, -1]]
    high, low = np.maximum(ends.max(1), starts), np.minimum(ends.min(1), starts)
    return bars(*zip(starts, high, low, ends[:, -1], [1000] * n, strict=True))


def earned(made, side, entry, stop, frictions):
    """By an entry and a stop so far from each close; what is held at a close goes at the next."""
    v, cash, lots, k = BarVenue((X,), frictions), 0, 0, 0
    v.push(NO_EVENTS, NONE, made[:1])
    for before, b in pairwise(made):
        ts, price, k = before["ts_recv"] + 1, int(before["close"]), k + 2
        rest = [(ts, o, WITHDRAW, 0, 99, 0) for o in (k - 3, k - 2) if o > 0]
        out = [(ts, k - 1, MARKET, -int(np.sign(lots)), abs(lots), 0)]
        rows = [(ts, k - 1, LIMIT, side, 5, price - side * entry)]
        rows += [(ts, k, STOP, -side, 5, price - side * stop)]
        for r in v.push(NO_EVENTS, requests(*rest, *(out if lots else rows)), np.array([b])):
            if r["what"] == FILLED:
                lots += int(r["side"] * r["lots"])
                cash -= int(r["side"] * r["lots"] * r["price"])
    return cash + lots * int(made["close"][-1])


FURTHER = [(30, -1000), (30, 60), (5, -5), (-5, 0)]


@pytest.mark.compiled
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("entry", "stop"),
    [(30, 10), *(pytest.param(*k, marks=pytest.mark.slow) for k in FURTHER)],
)
def test_no_entry_with_a_stop_earns_on_a_random_walk(side, entry, stop):
    """Where the stop is at the entry or better, not even without costs."""
    made = paths(600, 3)
    assert earned(made, side, entry, stop, Frictions()) < 0
    if stop <= entry:
        assert earned(made, side, entry, stop, Frictions(0, 0, None)) <= 0


def test_executions_stay_within_bar_volume_and_order():
    """What a bar could give: prices in it (costs apart), at most the share, no more than sent."""
    made, orders = walk(300, 8)
    v, sent, done = BarVenue((X,), Frictions(0, 0, 0.2), most=1000), {}, {}
    for b, q in zip(made, [requests(), *orders], strict=True):
        sent |= dict(zip(q["order_id"].tolist(), q["lots"].tolist(), strict=True))
        fills = [r for r in v.push(NO_EVENTS, q, np.array([b])) if r["what"] == FILLED]
        assert sum(r["lots"] for r in fills) <= 0.2 * b["lots"]
        for r in fills:
            assert b["low"] <= r["price"] <= b["high"] or r["maker"]
            done[r["order_id"]] = done.get(r["order_id"], 0) + r["lots"]
    assert all(lots <= sent[k] for k, lots in done.items()) and len(done) > 100


def test_cuts_and_snapshots_change_nothing():
    """Two instruments, pushed whole, one at a time, and through a snapshot at each cut."""
    made, orders = walk(60, 9)
    both = np.repeat(made, 2)
    both["instrument"][1::2] = 1
    events = closes(both)
    asked = np.concatenate(orders).view(REQUEST)
    asked["instrument"] = asked["order_id"] % 2
    asked["ts"] = 0
    whole = BarVenue((X, Y), most=500).push(events, asked, both)
    v, pieces = BarVenue((X, Y), most=500), []
    for k, (a, b) in enumerate(pairwise(range(len(both) + 1))):
        pieces.append(v.push(events[a:b], asked if k == 0 else NONE, both[a:b]))
        data, v = v.snapshot(), BarVenue((X, Y), most=500)
        v.restore(data)
    assert np.array_equal(whole, np.concatenate(pieces)) and (whole["what"] == ACCEPTED).any()
