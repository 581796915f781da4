"""The replayed venue as a person would write it first: dicts, lists, nothing remembered twice."""

from math import ceil

from flowsense.exchange.client import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    POST,
    REJECTED,
    REPLACED,
    Why,
)
from flowsense.exchange.matching import MARKET, REPLACE, WITHDRAW
from flowsense.schema import (
    ADD,
    BEAT,
    CANCEL,
    CLEAR,
    FILL,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
)


class Order:
    """One of ours."""

    def __init__(self, q):
        self.id, self.side, self.price, self.lots = q.order_id, q.side, q.price, q.lots
        self.kind, self.ahead, self.before, self.traded = q.kind, 0.0, set(), 0.0
        self.came = 0  # when it took its place
        self.late = []  # [until when, lots] that changes of the level told before the execution

    def stamp(self):
        return max((until for until, _ in self.late), default=-1)

    def meets(self, price):
        """Whether it executes at this price of the other side."""
        return self.kind == MARKET or (self.price - price) * self.side >= 0


class Oracle:
    """One instrument in one phase after another; events are whole messages without gaps."""

    def __init__(self, by_order, power=None):
        self.by_order, self.power = by_order, power
        self.book, self.orders = {1: {}, -1: {}}, {}  # side: {price: lots}; id: (side, price, lots)
        self.own, self.eaten, self.told = [], {}, []
        self.phase, self.whole, self.now = TRADING, False, 0

    # what is said

    def tell(self, what, o, price, lots, why=0, maker=0, left=None):
        left = o.lots if left is None else left
        row = (self.now, o.id, price, lots, left, what, int(why), o.side, maker)
        self.told.append(tuple(map(int, row)))

    def fill(self, o, price, lots, maker):
        o.lots -= lots
        self.tell(FILLED, o, price, lots, maker=maker)
        self.own = [x for x in self.own if x.lots]

    # what the book holds

    def prices(self, side):
        """Best first."""
        return sorted(self.book[side], reverse=side > 0)

    def free(self, side, price):
        return self.book[side].get(price, 0) - self.eaten.get((side, price), 0)

    def change(self, side, price, lots):
        self.book[side].pop(price, None)
        if lots > 0:
            self.book[side][price] = lots

    # what we ask

    def act(self, q, now):
        self.now = now
        old = next((o for o in self.own if o.id == q.order_id), None)
        if q.kind in (WITHDRAW, REPLACE):
            if old is None:
                q = q._replace(side=1 if q.side >= 0 else -1)
                self.tell(REJECTED, Order(q), q.price, q.lots, Why.UNKNOWN, left=0)
            elif q.kind == WITHDRAW:
                lots = min(old.lots, q.lots)
                old.lots -= lots
                self.own = [o for o in self.own if o.lots]
                self.tell(CANCELLED, old, old.price, lots)
            else:
                self.replace(old, q)
            return
        o = Order(q)
        if why := self.refused(o, q.price):
            self.tell(REJECTED, o, q.price, q.lots, why, left=0)
            return
        self.tell(ACCEPTED, o, q.price, q.lots)
        self.enter(o)

    def refused(self, o, price):
        if self.phase != TRADING:
            return Why.NOT_TRADING
        if not self.whole:
            return Why.NO_BOOK
        touch = next((p for p in self.prices(-o.side) if self.free(-o.side, p) > 0), None)
        crosses = touch is not None and (price - touch) * o.side >= 0
        return Why.WOULD_CROSS if o.kind == POST and crosses else None

    def replace(self, o, q):
        if why := self.refused(o, q.price):
            self.tell(REJECTED, o, o.price, 0, why)
        elif q.price == o.price and q.lots <= o.lots:
            o.lots = q.lots
            self.tell(REPLACED, o, o.price, o.lots)
        else:
            self.own.remove(o)
            o.price, o.lots = q.price, q.lots
            self.tell(REPLACED, o, o.price, o.lots)
            self.enter(o)

    def take(self, o, maker):
        for price in self.prices(-o.side):
            lots = min(o.lots, self.free(-o.side, price))
            if lots > 0 and o.meets(price):
                where = -o.side, price
                self.eaten[where] = self.eaten.get(where, 0) + lots
                self.fill(o, o.price if maker else price, lots, maker)

    def enter(self, o):
        self.take(o, 0)
        if o.lots and o.kind == MARKET:
            lots, o.lots = o.lots, 0
            self.tell(CANCELLED, o, o.price, lots, Why.NO_COUNTERPART)
        elif o.lots:
            o.came, o.traded, o.ahead = self.now, 0.0, float(self.book[o.side].get(o.price, 0))
            o.before = {i for i, x in self.orders.items() if x[:2] == (o.side, o.price)}
            self.own.append(o)

    # what the market does

    def observe(self, e):
        self.now, live = e.ts, self.whole and self.phase == TRADING
        if e.action == STATUS:
            self.phase = e.lots
        if e.action == TRADE and live:
            self.trade(e)
        if e.action in (ADD, MODIFY, CANCEL, FILL):
            self.order(e)
        if e.action == SET:
            self.level(e)
        if e.action == CLEAR:
            self.book, self.orders, self.whole = {1: {}, -1: {}}, {}, self.whole
        if e.bits & LAST and e.action != BEAT:
            self.close(e)

    def trade(self, e):
        left, side = e.lots, -e.side
        ours = sorted(self.own, key=lambda o: -o.side * o.price)  # stable: oldest first
        ours = [o for o in ours if o.side == side and o.came < e.was]
        for o in ours:
            if left and (o.price - e.price) * side > 0:
                lots = min(left, o.lots)
                left -= lots
                self.fill(o, o.price, lots, 1)
        for o in [o for o in ours if o.price == e.price]:
            known = min(sum(lots for _, lots in o.late), e.lots) if e.was <= o.stamp() else 0
            o.late = [(o.stamp(), sum(lots for _, lots in o.late) - known)] if known else []
            moved = left if self.by_order else max(left - known, 0)
            lots = min(o.lots, max(int(moved) - ceil(self.front(o)), 0))
            o.ahead, o.traded = max(o.ahead - moved, 0.0), o.traded + e.lots - known
            if lots:
                left -= lots
                self.fill(o, o.price, lots, 1)

    def front(self, o):
        return sum(self.orders[i][2] for i in o.before) if self.by_order else o.ahead

    def order(self, e):
        side, price, lots = self.orders.pop(e.order_id, (e.side, e.price, 0))
        left = lots - e.lots if e.action in (CANCEL, FILL) else e.lots
        here = (side, price) if e.action in (CANCEL, FILL) else (e.side, e.price)
        keeps = 0 < left <= lots and here == (side, price)
        if not keeps:
            for o in self.own:
                o.before.discard(e.order_id)
        self.change(side, price, self.book[side].get(price, 0) - lots)
        if left > 0:
            self.orders[e.order_id] = (*here, left)
            self.change(*here, self.book[here[0]].get(here[1], 0) + left)

    def level(self, e):
        before = self.book[e.side].get(e.price, 0)
        self.change(e.side, e.price, e.lots)
        for o in self.own if self.whole else []:
            if (o.side, o.price) == (e.side, e.price):
                cut, front = before - o.traded - e.lots, o.ahead
                if self.power and cut > 0:
                    back = max(before - o.traded - o.ahead, 0.0)
                    x, y = o.ahead**self.power, back**self.power
                    o.ahead -= cut - (min(cut * y / (x + y), back) if x + y else 0.0)
                o.ahead, o.traded = max(min(o.ahead, e.lots), 0.0), 0.0
                o.late += [(e.was, front - o.ahead)] * (o.ahead < front)

    def close(self, e):
        self.eaten = {w: min(x, self.book[w[0]].get(w[1], 0)) for w, x in self.eaten.items()}
        self.whole = self.whole or bool(e.bits & SNAPSHOT)
        bid, ask = (next(iter(self.prices(side)), None) for side in (1, -1))
        crossed = bid is not None and ask is not None and bid >= ask
        if self.whole and self.phase == TRADING and not crossed:
            for o in sorted(self.own, key=lambda o: (-o.side, -o.side * o.price)):
                self.take(o, 1)
