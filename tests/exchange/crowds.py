"""Markets whose queues are known: random requests matched by the matching engine."""

import numpy as np

from flowsense.exchange.client import POST
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, REQUEST, WITHDRAW
from flowsense.exchange.venue import Venue
from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    EVENT,
    FILL,
    HALT,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    STATUS,
    TRADING,
    zeros,
)

CROWD = (LIMIT, LIMIT, LIMIT, LIMIT, MARKET, WITHDRAW, REPLACE)
OURS = (LIMIT, LIMIT, LIMIT, POST, MARKET, WITHDRAW, REPLACE)


def request(rng, ts, kind, order_id, price=100, spread=6, lots=9):
    """Buys mostly below, sells mostly above `price`."""
    out, side = zeros(REQUEST, 1), int(rng.choice((-1, 1)))
    away = int(rng.integers(-1, spread))
    out[0] = (ts, order_id, price - side * away, rng.integers(1, lots), 0, kind, side)
    return out


def script(seed, n):
    """(n,) REQUEST of a crowd; the id of a WITHDRAW or REPLACE is the number of a request."""
    rng, ts, parts = np.random.default_rng(seed), 1_000, []
    for i in range(n):
        ts += 1 + int(rng.integers(40))
        kind = int(rng.choice(CROWD)) if i > 30 else LIMIT
        parts.append(request(rng, ts, kind, int(rng.integers(max(0, i - 40), i + 1))))
    return np.concatenate(parts)


def matched(requests, venue=None):
    """Events by order of these requests, from an empty book; -> and the id of each order."""
    venue, ids, parts = venue or Venue(), np.zeros(len(requests), np.int64), []
    for i, q in enumerate(requests):
        q = requests[i : i + 1].copy()
        q["order_id"] = ids[q["order_id"]]
        parts.append(venue.push(q))
        ids[i] = q["order_id"][0] if q["kind"][0] == LIMIT else 0
    opened = written(CLEAR, 1_000, 0, SNAPSHOT | LAST)
    return np.concatenate([opened, *parts]).view(EVENT), ids


def written(action, ts, lots, bits):
    out = zeros(EVENT, 1)
    out["action"], out["ts_event"], out["ts_recv"], out["lots"] = action, ts, ts, lots
    out["bits"] = bits
    return out


def crowd(seed, n, halts=False):
    """Events by order of n random requests; an instant holds one message."""
    events, _ = matched(script(seed, n))
    if not halts:
        return events
    ends = np.flatnonzero(events["bits"] & LAST)[60::97]
    for i, at in reversed(list(enumerate(ends))):
        phase = written(STATUS, events["ts_recv"][at], TRADING if i % 2 else HALT, LAST)
        events = np.concatenate([events[: at + 1], phase, events[at + 1 :]])
    return events.view(EVENT)


def levelled(events):
    """The same market as a feed by level: what orders change become SETs of their levels."""
    out, orders, book = [], {}, {}
    for e in events:
        if e["action"] not in (ADD, MODIFY, CANCEL, FILL):
            out.append(e.copy())
            continue
        oid, here = int(e["order_id"]), (int(e["side"]), int(e["price"]))
        where, lots = orders.pop(oid, (here, 0))
        left = lots - int(e["lots"]) if e["action"] in (CANCEL, FILL) else int(e["lots"])
        here = where if e["action"] in (CANCEL, FILL) else here
        book[where] = book.get(where, 0) - lots
        if left > 0:
            orders[oid] = here, left
            book[here] = book.get(here, 0) + left
        changed = [where, here] if where != here else [here]
        for level in changed:
            copy = e.copy()
            copy["action"], copy["order_id"], copy["lots"] = SET, 0, book.get(level, 0)
            copy["side"], copy["price"] = level
            copy["bits"] = e["bits"] if level == changed[-1] else 0
            out.append(copy)
    return np.array(out, EVENT).view(EVENT)


def asked(seed, events, n):
    """Random requests of a client, among these events."""
    rng, parts = np.random.default_rng(seed), []
    span = int(events["ts_recv"][40]), int(events["ts_recv"][-1])
    for i, ts in enumerate(np.sort(rng.integers(*span, n))):
        kind = int(rng.choice(OURS))
        old = kind in (WITHDRAW, REPLACE)
        oid = max(i + 1 - int(rng.integers(1, 12)), 1) if old else i + 1
        parts.append(request(rng, ts, kind, oid, lots=6))
    return np.concatenate(parts).view(REQUEST)
