"""A market by level that a test writes line by line, and a client that sends to its replay."""

import numpy as np

from flowsense.exchange.client import ACCEPTED, CANCELLED, FILLED, POST, REJECTED, REPLACED
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, REQUEST, WITHDRAW
from flowsense.exchange.replay import Replay, Rules
from flowsense.schema import (
    CLEAR,
    EVENT,
    LAST,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
    Instrument,
    zeros,
)

WHAT = {ACCEPTED: "accepted", FILLED: "filled", CANCELLED: "cancelled", REPLACED: "replaced"}
WHAT |= {REJECTED: "rejected"}


def instrument(symbol="A", **more):
    return Instrument(symbol, "X", Decimal(1, -2), Decimal(1, 0), **more)


def event(action, side=0, price=0, lots=0, bits=LAST, oid=0):
    return action, side, price, lots, bits, oid


def level(side, price, lots, bits=LAST):
    return event(SET, side, price, lots, bits)


def traded(side, price, lots, bits=LAST, oid=0):
    return event(TRADE, side, price, lots, bits, oid)


def written(lines, ts, who=0):
    """EVENTs of these lines, received 1 ns after each other and at once."""
    out = zeros(EVENT, len(lines))
    for e, (action, side, price, lots, bits, oid) in zip(out, lines, strict=True):
        e["action"], e["side"], e["price"], e["lots"] = action, side, price, lots
        e["bits"], e["order_id"], e["instrument"] = bits, oid, who
    out["ts_event"] = out["ts_recv"] = ts + np.arange(len(lines))
    return out


def snapshot(bids, asks):
    sides = [level(1, p, x, SNAPSHOT) for p, x in bids] + [
        level(-1, p, x, SNAPSHOT) for p, x in asks
    ]
    return [event(CLEAR, bits=SNAPSHOT), *sides[:-1], (*sides[-1][:4], SNAPSHOT | LAST, 0)]


class Client:
    """Says each request and each event in turn; `heard` is what the venue said, in words."""

    def __init__(
        self, bids=((99, 10), (98, 20)), asks=((101, 10), (102, 20)), *, lines=None, **rules
    ):
        what = instrument(by_order=rules.pop("by_order", False))
        self.venue, self.ts, self.ids = Replay((what,), rules=Rules(**rules)), 1_000, 0
        self.heard, self.why = [], None
        self.market(*(lines or snapshot(bids, asks)))

    def market(self, *lines):
        events = written(lines, self.ts)
        self.ts += len(events)
        return self.hear(self.venue.push(events))

    def beat(self):
        """Time passes, and what was sent arrives."""
        return self.market(event(8, bits=0))

    def send(self, kind, side=0, price=0, lots=1, oid=0, who=0):
        self.ids += oid == 0
        q = zeros(REQUEST, 1)
        q[0] = (self.ts, oid or self.ids, price, lots, who, kind, side)
        self.hear(self.venue.push(zeros(EVENT), q))
        self.ts += 1
        self.beat()
        return oid or self.ids

    def hear(self, reports):
        told = [
            (WHAT[r["what"]], *(int(r[n]) for n in ("order_id", "price", "lots", "left")))
            for r in reports
        ]
        self.heard += told
        self.why = int(reports["why"][-1]) if len(reports) else self.why
        return told

    def limit(self, side, price, lots):
        return self.send(LIMIT, side, price, lots)

    def post(self, side, price, lots):
        return self.send(POST, side, price, lots)

    def at_market(self, side, lots):
        return self.send(MARKET, side, 0, lots)

    def withdraw(self, oid, lots=10**6):
        return self.send(WITHDRAW, 0, 0, lots, oid)

    def replace(self, oid, price, lots):
        return self.send(REPLACE, 0, price, lots, oid)

    def fills(self):
        return [told[1:] for told in self.heard if told[0] == "filled"]
