"""The fixed-size records of Databento's binary encoding, DBN 1 to 3, as numpy sees them in a file.

A record's type and length tell its layout, whatever version the file says: those whose layout
changed between versions changed their length too. Fields that nothing here reads are left out.
Every record begins with HEADER; live ones may end with the gateway's clock, 8 bytes more.
"""

from typing import Any, NamedTuple

import numpy as np

from flowsense.schema import DAY, SECOND

Place = tuple[str, str, int]  # name, type, byte

UNDEFINED = 2**63 - 1  # a price that is not there
NANO = -9  # exponent of prices: 1 is 1e-9
WORD = 4  # bytes: the unit of a record's length
TS_OUT = 8  # bytes that live records may end with
HEADER: tuple[Place, ...] = (
    ("length", "u1", 0),
    ("rtype", "u1", 1),
    ("publisher_id", "<u2", 2),
    ("instrument_id", "<u4", 4),
    ("ts_event", "<u8", 8),
)
PRICED: tuple[Place, ...] = (
    ("price", "<i8", 16),
    ("size", "<u4", 24),
    ("side", "u1", 29),
    ("flags", "u1", 30),
    ("ts_recv", "<u8", 32),
)
TRADED: tuple[Place, ...] = (*PRICED, ("action", "u1", 28))
SEQUENCE: Place = ("sequence", "<u4", 44)
F_LAST, F_TOB, F_SNAPSHOT, F_MBP, F_BAD_TS_RECV, F_MAYBE_BAD_BOOK = 128, 64, 32, 16, 8, 4

(MBO, MBP_10, MBP_1, CMBP_1, TBBO, BBO_1S, BBO_1M, TRADES) = range(8)  # feeds, the fullest first
(OHLCV_1S, OHLCV_1M, OHLCV_1H, OHLCV_1D, PHASE, DEFINITION, MAPPING, OTHER) = range(8, 16)
BARS = {OHLCV_1S: SECOND, OHLCV_1M: 60 * SECOND, OHLCV_1H: 3600 * SECOND, OHLCV_1D: DAY}
MARKET = range(PHASE + 1)


class Layout(NamedTuple):
    """What records of one type and length are."""

    name: str  # of the schema
    feed: int
    dtype: np.dtype[Any]
    levels: int = 0  # of the book row that each of them carries


def packed(**layout: Any) -> np.dtype[Any]:
    """The dtype of names, formats, offsets and itemsize."""
    found: np.dtype[Any] = np.dtype(layout)  # type: ignore[call-overload]
    return found


def fields(size: int, *places: Place) -> np.dtype[Any]:
    names, formats, offsets = zip(*HEADER, *places, strict=True)
    return packed(names=names, formats=formats, offsets=offsets, itemsize=size)


def row(size: int, first: int, levels: int, *places: Place) -> np.dtype[Any]:
    """Records with levels, best first; each level is bid and ask, price and then lots."""
    pair = packed(names=("px", "sz"), formats=("(2,)<i8", "(2,)<u4"), offsets=(0, 16), itemsize=32)
    names, formats, offsets = zip(*HEADER, *places, strict=True)
    return packed(
        names=[*names, "levels"],
        formats=[*formats, (pair, (levels,))],
        offsets=[*offsets, first],
        itemsize=size,
    )


def definition(size: int, symbol: tuple[str, int], amount: int) -> np.dtype[Any]:
    return fields(
        size,
        ("ts_recv", "<u8", 16),
        ("min_price_increment", "<i8", 24),
        ("display_factor", "<i8", 32),
        ("min_price_increment_amount", "<i8", amount),
        ("raw_symbol", *symbol),
    )


ORDERS = fields(
    56,
    ("order_id", "<u8", 16),
    ("price", "<i8", 24),
    ("size", "<u4", 32),
    ("flags", "u1", 36),
    ("action", "u1", 38),
    ("side", "u1", 39),
    ("ts_recv", "<u8", 40),
    ("sequence", "<u4", 52),
)
BAR = fields(
    56,
    *((n, "<i8", 16 + 8 * k) for k, n in enumerate(("open", "high", "low", "close"))),
    ("volume", "<u8", 48),
)
STATUS = fields(40, ("ts_recv", "<u8", 16), ("action", "<u2", 24))
QUOTE, SAMPLE = row(80, 48, 1, *TRADED, SEQUENCE), row(80, 48, 1, *PRICED, SEQUENCE)
JOINED, JOINED_SAMPLE = row(80, 48, 1, *TRADED), row(80, 48, 1, *PRICED)

LAYOUTS = {
    (0x00, 48): Layout("trades", TRADES, fields(48, *TRADED, SEQUENCE)),
    (0x01, 80): Layout("mbp-1", MBP_1, QUOTE, 1),
    (0x0A, 368): Layout("mbp-10", MBP_10, row(368, 48, 10, *TRADED, SEQUENCE), 10),
    (0x12, 40): Layout("status", PHASE, STATUS),
    (0x13, 360): Layout("definition", DEFINITION, definition(360, ("S22", 200), 96)),
    (0x13, 400): Layout("definition", DEFINITION, definition(400, ("S71", 200), 96)),
    (0x13, 520): Layout("definition", DEFINITION, definition(520, ("S71", 238), 88)),
    (0x14, 112): Layout("imbalance", OTHER, fields(112)),
    (0x15, 80): Layout("error", OTHER, fields(80, ("err", "S64", 16))),
    (0x15, 320): Layout("error", OTHER, fields(320, ("err", "S302", 16), ("code", "u1", 318))),
    (0x16, 80): Layout("symbol mapping", MAPPING, fields(80, ("stype_out_symbol", "S22", 38))),
    (0x16, 176): Layout("symbol mapping", MAPPING, fields(176, ("stype_out_symbol", "S71", 89))),
    (0x17, 80): Layout("system", OTHER, fields(80)),
    (0x17, 320): Layout("system", OTHER, fields(320)),
    (0x18, 64): Layout("statistics", OTHER, fields(64)),
    (0x18, 80): Layout("statistics", OTHER, fields(80)),
    (0x20, 56): Layout("ohlcv-1s", OHLCV_1S, BAR),
    (0x21, 56): Layout("ohlcv-1m", OHLCV_1M, BAR),
    (0x22, 56): Layout("ohlcv-1h", OHLCV_1H, BAR),
    (0x23, 56): Layout("ohlcv-1d", OHLCV_1D, BAR),
    (0x24, 56): Layout("ohlcv-eod", OHLCV_1D, BAR),
    (0xA0, 56): Layout("mbo", MBO, ORDERS),
    (0xB1, 80): Layout("cmbp-1", CMBP_1, JOINED, 1),
    (0xC0, 80): Layout("cbbo-1s", BBO_1S, JOINED_SAMPLE, 1),
    (0xC1, 80): Layout("cbbo-1m", BBO_1M, JOINED_SAMPLE, 1),
    (0xC2, 80): Layout("tcbbo", TBBO, JOINED, 1),
    (0xC3, 80): Layout("bbo-1s", BBO_1S, SAMPLE, 1),
    (0xC4, 80): Layout("bbo-1m", BBO_1M, SAMPLE, 1),
}
TYPES = frozenset(rtype for rtype, _ in LAYOUTS)
SCHEMAS = (  # by their number in the metadata
    *("mbo", "mbp-1", "mbp-10", "tbbo", "trades"),
    *("ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"),
    *("definition", "statistics", "status", "imbalance", "ohlcv-eod"),
    *("cmbp-1", "cbbo-1s", "cbbo-1m", "tcbbo", "bbo-1s", "bbo-1m"),
)
ANY_BAR = 0x11  # before DBN 1, when the schema alone told the interval
