"""Files as Databento writes them, by its own encoder, and what ours makes of them."""

from datetime import date
from types import SimpleNamespace

import databento_dbn as dbn
import numpy as np
import pyarrow as pa

from flowsense.schema import CLEAR, DAY, LAST, SECOND, SNAPSHOT, Decimal, checked
from flowsense.sources.dbn import Dbn

NOON = 1_703_462_400 * SECOND + DAY // 2  # 2023-12-25
MIDNIGHT = NOON - DAY // 2
NANO = 1_000_000_000
UNDEFINED = 2**63 - 1
F_LAST, F_TOB, F_SNAPSHOT, F_BAD = 128, 64, 32, 4
ID, PUBLISHER = 17077, 1
EMPTY = (CLEAR, 0, 0, 0, 0, SNAPSHOT | LAST)
TICK = Decimal(1, 0)
RESTING = ("A 7 A 101 5 LAST", "A 8 A 101 4 LAST")
FIELDS = ["action", "order_id", "side", "price", "lots", "bits"]
NO_LEVEL = (None, 0, None, 0)


def mapping(symbol, *spans):
    """A symbol, and from which day of December 2023 to which it is that of an id."""
    intervals = [
        SimpleNamespace(
            start_date=date(2023, 12, first), end_date=date(2023, 12, last), symbol=str(number)
        )
        for first, last, number in spans
    ]
    return SimpleNamespace(raw_symbol=symbol, intervals=intervals)


def metadata(start=MIDNIGHT, end=None, schema=None, symbol="ESH4", **other):
    mappings = [mapping(symbol, (1, 31, ID))]
    given = {
        "dataset": "GLBX.MDP3",
        "start": start,
        "end": end or MIDNIGHT + DAY,
        "stype_in": dbn.SType.RAW_SYMBOL,
        "stype_out": dbn.SType.INSTRUMENT_ID,
        "schema": schema,
        "symbols": [symbol],
        "mappings": mappings if symbol else [],
    }
    return dbn.Metadata(**(given | other)).encode()


def order(text, k=0, **other):
    """A record of ``A 7 B 100 5`` or ``T 0 A 100 5 LAST``: action, id, side, price, size, flags."""
    action, number, side, price, size, *flags = text.split()
    marks = sum({"LAST": F_LAST, "TOB": F_TOB, "SNAP": F_SNAPSHOT, "BAD": F_BAD}[f] for f in flags)
    given = {
        "publisher_id": PUBLISHER,
        "instrument_id": ID,
        "ts_event": NOON + k // 100,
        "order_id": int(number),
        "price": UNDEFINED if price == "-" else round(float(price) * NANO),
        "size": int(size),
        "action": dbn.Action.from_str(action),
        "side": dbn.Side.from_str(side),
        "ts_recv": NOON + k,
        "flags": marks,
        "sequence": k,
    }
    return bytes(dbn.MBOMsg(**(given | other)))


def orders(*texts):
    return b"".join(order(text, k) for k, text in enumerate(texts))


def quote(kind, levels, action="A", side="N", price=UNDEFINED, size=0, flags=F_LAST, k=0):
    """A record with a book row of `levels`: (bid, its size, ask, its size), None for no price."""
    deep = kind is dbn.MBP10Msg
    pairs = [
        dbn.BidAskPair(
            UNDEFINED if bid is None else round(bid * NANO),
            UNDEFINED if ask is None else round(ask * NANO),
            bids,
            asks,
        )
        for bid, bids, ask, asks in [*levels, *[NO_LEVEL] * 9][: 10 if deep else 1]
    ]
    given = {
        "publisher_id": PUBLISHER,
        "instrument_id": ID,
        "ts_event": NOON + k,
        "price": price if price == UNDEFINED else round(price * NANO),
        "size": size,
        "side": dbn.Side.from_str(side),
        "ts_recv": NOON + k,
        "flags": flags,
        "levels": pairs if deep else pairs[0],
    }
    if kind is dbn.BBOMsg:
        return bytes(kind(rtype=dbn.RType.BBO_1S, **given))
    return bytes(kind(action=dbn.Action.from_str(action), depth=0, **given))


def trade(side, price, size, k=0, **other):
    given = {
        "publisher_id": PUBLISHER,
        "instrument_id": ID,
        "ts_event": NOON + k,
        "price": round(price * NANO),
        "size": size,
        "action": dbn.Action.TRADE,
        "side": dbn.Side.from_str(side),
        "depth": 0,
        "ts_recv": NOON + k,
    }
    return bytes(dbn.TradeMsg(**(given | other)))


def bar(rtype, prices, volume, ts):
    values = [round(price * NANO) for price in prices]
    return bytes(dbn.OHLCVMsg(rtype, PUBLISHER, ID, ts, *values, volume))


def status(action, k=0):
    return bytes(dbn.StatusMsg(PUBLISHER, ID, NOON + k, NOON + k, action))


def write(folder, records, name="mbo.dbn", head=None):
    """A file, compressed where its name says so."""
    content = (metadata() if head is None else head) + records
    if name.endswith(".zst"):
        content = pa.compress(content, codec="zstd", asbytes=True)
    path = folder / name
    path.write_bytes(content)
    return path


def told(*paths, tick=TICK, **options):
    """(action, id, side, price, lots, bits) of every event."""
    source = Dbn(tuple(paths), tick=tick, **options)
    events = np.concatenate(list(source))
    return checked(events, len(source.instruments))[FIELDS].tolist()


def of_orders(folder, *texts, **options):
    return told(write(folder, orders(*texts), **options))
