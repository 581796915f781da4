"""Tables of candles, and what a source reads of them."""

import gzip

import numpy as np

from flowsense.schema import SECOND

T0 = 1_700_000_000  # s, not on a whole minute
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
HEADER = "time,open,high,low,close,volume"
ROWS = """\
1700000000,1.5,2.25,1.25,2.0,10.5
1700000060,2.0,2.5,2.0,2.5,0
1700000180,2.5,2.5,1.75,2.0,4
"""
PRICES = ("open", "high", "low", "close")


def written(tmp_path, text, name="BTC.csv"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def table(tmp_path, rows=ROWS, header=HEADER):
    return written(tmp_path, f"{header}\n{rows}")


def all_bars(source):
    return np.concatenate([chunk.bars for chunk in source.chunks()])


def told(source):
    """The bars as tuples, with the time of the close: the nanosecond after `ts_recv`."""
    names = ("ts_open", "ts_recv", *PRICES, "lots", "trades", "instrument")
    return [tuple(int(bar[n]) + (n == "ts_recv") for n in names) for bar in all_bars(source)]
