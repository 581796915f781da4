"""Bars and requests that a person writes, for the tests of a venue of bars."""

import numpy as np

from flowsense.exchange.client import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REJECTED,
    REPLACED,
    Why,
)
from flowsense.exchange.matching import REQUEST
from flowsense.schema import BAR, CLOSE, EVENT, LAST, SECOND, Decimal, Instrument, zeros
from flowsense.testing import Recording

X = Instrument("X", "v", Decimal(1, 0), Decimal(1, 0), depth=0)
Y = X._replace(symbol="Y")
MINUTE = 60 * SECOND
WHAT = {ACCEPTED: "accepted", FILLED: "filled", CANCELLED: "gone", REJECTED: "no", REPLACED: "now"}


def bars(*rows, start=0, step=MINUTE):
    """Each row: open, high, low, close, lots; one after the other."""
    out = zeros(BAR, len(rows))
    out["ts_open"] = start + step * np.arange(len(rows))
    out["ts_recv"] = out["ts_open"] + step - 1
    for k, name in enumerate(("open", "high", "low", "close", "lots")):
        out[name] = [row[k] for row in rows]
    return out


def flat(*prices, lots=1000, start=0, step=MINUTE):
    """Bars that open, stay and close at a price."""
    return bars(*((p, p, p, p, lots) for p in prices), start=start, step=step)


def requests(*rows):
    """Each row: ts, order id, kind, side, lots, price[, instrument]."""
    out = zeros(REQUEST, len(rows))
    for q, (ts, order_id, kind, side, lots, price, *who) in zip(out, rows, strict=True):
        q["ts"], q["order_id"], q["kind"], q["side"] = ts, order_id, kind, side
        q["lots"], q["price"], q["instrument"] = lots, price, (*who, 0)[0]
    return out


def closes(made):
    """The event that comes with each bar."""
    out = zeros(EVENT, len(made))
    for name in ("ts_recv", "lots", "instrument"):
        out[name] = made[name]
    out["price"], out["action"], out["bits"] = made["close"], CLOSE, LAST
    return out


def recording(made, instruments=(X,), chunk=2_000):
    return Recording(instruments, closes(made), chunk, "bars", made)


def said(reports):
    """(order id, what, price or why, lots), acceptances left out."""
    out = []
    for r in reports:
        if r["what"] != ACCEPTED:
            refused = r["what"] in (CANCELLED, REJECTED)
            told = Why(r["why"]).name if refused else int(r["price"])
            out.append((int(r["order_id"]), WHAT[int(r["what"])], told, int(r["lots"])))
    return out
