"""Candles as they were recorded."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from candled import HOUR, MINUTE, PRICES, all_bars

from flowsense.errors import InputError
from flowsense.sources.candles import Candles, claims, open


@pytest.mark.parametrize(
    ("folder", "files", "bars", "interval"),
    [
        ("bitfinex_1h", 7, 162_927, HOUR),
        ("binance_5m_freqtrade", 10, 57_546, 5 * MINUTE),
        pytest.param("bitfinex_5m", 7, 1_712_614, 5 * MINUTE, marks=pytest.mark.slow),
        pytest.param("bitfinex_1m", 7, 3_235_484, MINUTE, marks=pytest.mark.slow),
    ],
)
def test_recorded_candles(data, folder, files, bars, interval):
    paths = [p for p in sorted((data / folder).iterdir()) if claims(p, b"")]
    sources = open(paths)
    assert len(sources) == files and {s.form.interval for s in sources} == {interval}
    found = [all_bars(s) for s in sources]
    assert sum(map(len, found)) == bars
    for each in found:
        closed = each["ts_recv"] + 1
        assert (closed - each["ts_open"] == interval).all() and (closed % interval == 0).all()
        assert (np.diff(each["ts_recv"]) > 0).all()


def test_recorded_prices_come_back(data):
    path = data / "bitfinex_1h/BTCUSD.parquet"
    raw, bars = pq.read_table(path), all_bars(Candles(path))
    for name in PRICES:
        assert np.array_equal(bars[name], raw[f"{name}_e8"].to_numpy())
    assert np.allclose(bars["lots"] * 1e-8, raw["volume"].to_numpy(), rtol=1e-12, atol=1e-8)


def test_recorded_closes_of_funds(data):
    source = Candles(data / "daily_etf/etf_close_2008-2014.csv.zst", "close=*")
    bars = all_bars(source)
    assert len(source.instruments) == 23 and len(bars) == 23 * 1763
    first = np.datetime64(int(bars["ts_recv"][0]) + 1, "ns")
    assert first == np.datetime64("2008-01-03") and source.form.interval == 24 * HOUR
    spy = [i.symbol for i in source.instruments].index("SPY")
    price = bars[bars["instrument"] == spy]["close"][0] * float(source.instruments[spy].tick)
    assert price == pytest.approx(144.92999267578125, rel=1e-15)


def test_a_recorded_index_with_wrong_ranges_is_read_by_its_closes(data):
    path = data / "altdata/vix-daily_1990-2018.csv.zst"
    with pytest.raises(InputError, match=r"row 534, column 'HIGH': '18.570000' is a high"):
        Candles(path)
    assert len(all_bars(Candles(path, "open=,high=,low="))) == 7304
