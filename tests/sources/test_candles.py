import datetime
import gzip
import tracemalloc
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from candled import HOUR, MINUTE, PRICES, T0, all_bars, table, told, written

from flowsense.errors import InputError
from flowsense.schema import CLOSE, LAST, MILLISECOND, SECOND, Decimal, checked
from flowsense.sources import Broad, chunks
from flowsense.sources.candles import Candles, claims, open
from flowsense.sources.observations import Observations
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit, shared


def test_a_bar_is_known_when_its_candle_closed(tmp_path):
    source = Candles(table(tmp_path))
    assert source.form.interval == MINUTE
    assert source.instruments[0][:4] == ("BTC", "file", Decimal(25, -2), Decimal(5, -1))
    assert source.instruments[0].depth == 0
    t = T0 * SECOND
    assert told(source) == [
        (t, t + MINUTE, 6, 9, 5, 8, 21, 0, 0),
        (t + MINUTE, t + 2 * MINUTE, 8, 10, 8, 10, 0, 0, 0),
        (t + 3 * MINUTE, t + 4 * MINUTE, 10, 10, 7, 8, 8, 0, 0),
    ]


def test_each_bar_comes_with_its_close(tmp_path):
    (chunk,) = Candles(table(tmp_path)).chunks()
    events = checked(chunk.events, 1)
    assert events["ts_recv"].tolist() == events["ts_event"].tolist()
    assert events["ts_recv"].tolist() == chunk.bars["ts_recv"].tolist()
    assert events["price"].tolist() == [8, 10, 8] and events["lots"].tolist() == [21, 0, 8]
    assert set(events["action"]) == {CLOSE} and set(events["bits"]) == {LAST}
    assert len(chunk.observations) == 0


def test_it_is_a_broad_source_that_observes_nothing(tmp_path):
    source = Candles(table(tmp_path))
    assert isinstance(source, Broad) and source.kinds == () and source.files == (source.path,)
    assert np.array_equal(np.concatenate(list(source)), next(chunks(source)).events)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("time,open,high,low,close,volume", "closed=time"),
        ("close_time,open,high,low,close,volume", ""),
        ("close_time,open,high,low,close,volume", "ts=close_time"),
    ],
)
def test_times_of_the_close_are_not_moved(tmp_path, header, columns):
    source = Candles(table(tmp_path, header=header), columns)
    first = told(source)[0]
    assert first[:2] == (T0 * SECOND - MINUTE, T0 * SECOND)


def test_the_open_goes_before_the_close_of_a_table_that_has_both(tmp_path):
    rows = "60000,1,1,1,1,5,119999\n120000,1,1,1,1,5,179999\n"
    path = table(tmp_path, rows, "open_time,open,high,low,close,volume,close_time")
    assert told(Candles(path, unit="ms"))[0][:2] == (MINUTE, 2 * MINUTE)
    closed = told(Candles(path, "closed=close_time", unit="ms"))
    assert [row[1] for row in closed] == [119_999 * MILLISECOND, 179_999 * MILLISECOND]


def test_the_interval_is_what_every_step_is_a_multiple_of(tmp_path):
    rows = "".join(f"{t},1,1,1,1,1\n" for t in (0, 7200, 10800, 18000))
    assert Candles(table(tmp_path, rows)).form.interval == HOUR


def test_a_given_interval_is_taken_at_its_word(tmp_path):
    rows = "2024-03-09T05:00Z,1,1,1,1,1\n2024-03-10T05:00Z,1,1,1,1,1\n2024-03-11T04:00Z,2,2,2,2,1\n"
    path = table(tmp_path, rows)
    with pytest.raises(InputError, match=r"come after 23h, but not always after multiples of it"):
        Candles(path)  # midnights of New York: a clock was put forward
    closed = [row[1] for row in told(Candles(path, interval="1d"))]
    assert np.diff(closed).tolist() == [24 * HOUR, 23 * HOUR]
    assert told(Candles(table(tmp_path, rows[:27]), interval="1d"))


def test_columns_are_mapped_and_usual_names_found(tmp_path):
    path = table(tmp_path, "0,1,2,1,2,9,3\n60,2,2,1,1,8,0\n", "when,o,h,l,last,v,count")
    source = Candles(path, "ts=when,close=last", unit="s")
    assert told(source)[0] == (0, MINUTE, 1, 2, 1, 2, 9, 3, 0)
    assert [row[7] for row in told(Candles(path, "ts=when,trades=", unit="s"))] == [0, 0]


def test_columns_without_names_are_counted(tmp_path):
    path = written(tmp_path, "60000,1,2,1,2,9\n120000,2,2,1,1,8\n")
    assert not claims(path, b"")
    source = Candles(path, "ts=1,open=2,high=3,low=4,close=5,volume=6", unit="ms")
    assert [row[1] for row in told(source)] == [2 * MINUTE, 3 * MINUTE]


def test_several_instruments_of_one_time_are_one_instant(tmp_path):
    rows = "0,A,1,1,1,1\n0,B,20,20,20,20\n60,A,1,2,1,2\n60,B,30,30,10,10\n"
    source = Candles(table(tmp_path, rows, "ts,symbol,open,high,low,close"), unit="s", venue="x")
    assert [(i.symbol, i.venue, i.tick) for i in source.instruments] == [
        ("A", "x", Decimal(1, 0)),
        ("B", "x", Decimal(10, 0)),
    ]
    assert [(row[1], row[5], row[-1]) for row in told(source)] == [
        (MINUTE, 1, 0),
        (MINUTE, 2, 1),
        (2 * MINUTE, 2, 0),
        (2 * MINUTE, 1, 1),
    ]


def test_a_table_by_instrument_is_sorted_when_asked(tmp_path):
    rows = "0,A,1\n60,A,2\n0,B,3\n60,B,4\n"
    path = table(tmp_path, rows, "ts,symbol,close")
    with pytest.raises(InputError, match=r"row 3, column 'ts': '0' goes back in time: sort"):
        Candles(path, unit="s")
    source = Candles(path, unit="s", sort=True)
    assert [(row[5], row[-1]) for row in told(source)] == [(1, 0), (3, 1), (2, 0), (4, 1)]


def test_closes_alone_have_no_range(tmp_path):
    source = Candles(table(tmp_path, "0,5\n60,7\n", "ts,close"), unit="s")
    assert [row[2:7] for row in told(source)] == [(5, 5, 5, 5, 0), (7, 7, 7, 7, 0)]
    same = table(tmp_path, header="time,open,high,low,close,volume")
    assert told(Candles(same, "open=,high=,low="))[0][2:6] == (4, 4, 4, 4)


def test_a_wide_table_holds_an_instrument_in_each_column(tmp_path):
    path = table(tmp_path, "2024-01-02,1.5,\n2024-01-03,2,30\n2024-01-05,,31\n", "Date,SPY,TLT")
    source = Candles(path, "close=*")
    assert [i.symbol for i in source.instruments] == ["SPY", "TLT"]
    assert source.instruments[0].tick == Decimal(5, -1)
    assert [(row[5], row[-1]) for row in told(source)] == [(3, 0), (4, 0), (30, 1), (31, 1)]


def test_floats_are_read_to_fifteen_digits():
    frame = pl.DataFrame(
        {
            "ts": [0, 60],
            "open": [5.330000000000001e-05, 5.29e-05],
            "high": [5.330000000000001e-05, 5.30e-05],
            "low": [5.288000000000001e-05, 5.29e-05],
            "close": [5.2900000000000005e-05, 5.29e-05],
            "volume": [220.27686226999998, 466.31141999999994],
        }
    )
    source = Candles.of(frame, "ADA", unit="s")
    assert source.instruments[0].tick == Decimal(2, -8)
    assert source.instruments[0].lot == Decimal(1, -8)
    assert told(source)[0][2:7] == (2665, 2665, 2644, 2645, 22_027_686_227)
    assert source.files == () and source.name == "ADA"


def test_text_and_floats_of_any_length_are_read_alike(tmp_path):
    rng = np.random.default_rng(5)
    close = np.round(np.exp(rng.normal(size=200)) * 100, 6)
    rows = "".join(f"{60 * k},{x!r}\n" for k, x in enumerate(close.tolist()))
    text = Candles(table(tmp_path, rows, "ts,close"), unit="s", symbol="X")
    frame = Candles.of(pa.table({"ts": np.arange(200) * 60, "close": close}), "X", unit="s")
    assert told(text) == told(frame) and text.instruments == frame.instruments
    tick = float(text.instruments[0].tick)
    assert np.allclose(all_bars(text)["close"] * tick, close, rtol=1e-15, atol=0)


def test_prices_times_ten_to_a_power_say_so_in_their_names():
    names = [f"{name}_e8" for name in PRICES]
    columns = {name: [137_500_000, 150_000_000] for name in names}
    source = Candles.of(pa.table({"ts_ms": [0, 1000], **columns}), unit="ms")
    assert source.instruments[0].tick == Decimal(125, -3)
    assert [row[5] for row in told(source)] == [11, 12]


def test_narrow_floats_are_read_as_they_print():
    close = pa.array([1.1, 1.2], pa.float32())
    source = Candles.of(pa.table({"ts": [0, 60], "close": close}), unit="s")
    assert source.instruments[0].tick == Decimal(1, -1)


def test_the_sum_of_volumes_fits_too(tmp_path):
    rows = "".join(f"{60 * k},1,123456789.0123456\n" for k in range(2000))
    source = Candles(table(tmp_path, rows, "ts,close,volume"), unit="s")
    assert source.instruments[0].lot == Decimal(123456789012346, -6)
    assert source.form.decimals[1] == 6


def test_units_that_are_given(tmp_path):
    source = Candles(table(tmp_path), tick="0.05", lot="0.1")
    assert source.instruments[0][2:4] == (Decimal(5, -2), Decimal(1, -1))
    assert told(source)[0][2:7] == (30, 45, 25, 40, 105)
    for units, what in (
        ({"tick": "0.5"}, "the tick 0.5 does not divide 2.25: give a finer one"),
        ({"lot": "1"}, "the lot 1 does not divide 10.5: give a finer one"),
        ({"tick": "0.00000000000000005"}, "is too fine for 1.5: give a coarser one"),
        ({"tick": "0." + "0" * 40 + "1"}, "suits no number: give another"),
    ):
        with pytest.raises(InputError, match=what):
            told(Candles(table(tmp_path), **units))


def test_files_of_one_instrument_agree_on_their_units(tmp_path):
    header = "ts,symbol,close\n"
    a = written(tmp_path, header + "0,X,1.5\n60,X,3\n", "a.csv")
    b = written(tmp_path, header + "120,X,1.25\n180,X,2.5\n", "b.csv")
    first, second = open([a, b], unit="s")
    assert first.instruments == second.instruments
    assert first.instruments[0].tick == Decimal(25, -2)
    assert [row[5] for row in told(first) + told(second)] == [6, 12, 5, 10]


def test_other_units_change_the_numbers_and_nothing_else(tmp_path):
    source = Candles(table(tmp_path))
    same = source.in_units(shared(list(source.instruments)))
    finer = source.in_units({("BTC", "file"): (Unit(5, -2), Unit(25, -2))})
    assert told(same) == told(source)
    assert np.array_equal(all_bars(finer)["close"], all_bars(source)["close"] * 5)
    assert np.array_equal(all_bars(finer)["lots"], all_bars(source)["lots"] * 2)
    assert np.array_equal(all_bars(finer)["ts_recv"], all_bars(source)["ts_recv"])


@pytest.mark.slow
def test_chunks_hold_whole_instants_however_the_table_is_cut():
    n, symbols = 9000, 3
    rng = np.random.default_rng(3)
    columns = {
        "ts": np.repeat(np.arange(n) * 60, symbols),
        "symbol": np.tile(["A", "B", "C"], n),
        "close": rng.integers(1, 100, n * symbols),
    }
    whole = Candles.of(pa.table(columns), unit="s")
    parts = [pa.table(columns).slice(k, 1000) for k in range(0, n * symbols, 1000)]
    cut = Candles.of(pa.concat_tables(parts), unit="s")
    found = list(cut.chunks())
    assert all(len(c.bars) == len(c.events) < 5000 for c in found) and len(found) > 5
    assert all(np.array_equal(c.bars["ts_recv"], c.events["ts_recv"]) for c in found)
    ends = [(c.bars["ts_recv"][0], c.bars["ts_recv"][-1]) for c in found]
    assert all(a[1] < b[0] for a, b in pairwise(ends))
    assert told(cut) == told(whole)


@pytest.mark.slow
@pytest.mark.parametrize("make", [Candles, partial(Observations, lag="0s")])
def test_memory_does_not_grow_with_the_table(tmp_path, make):
    peaks = []
    for n in (50_000, 200_000):
        path = tmp_path / f"{n}.parquet"
        close = pa.array(np.arange(n) % 97 + 1)
        pq.write_table(pa.table({"ts": pa.array(np.arange(n) * 60), "close": close}), path)
        tracemalloc.start()
        assert sum(len(c.bars) + len(c.observations) for c in make(path, unit="s").chunks()) == n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.csv.gz"])
def test_formats_of_tables_are_read_alike(tmp_path, name):
    utc = datetime.UTC
    when = [datetime.datetime.fromtimestamp(T0 + 60 * k, utc) for k in (0, 1)]
    content = pa.table({"date": when, **{name: [1.5, 2.0] for name in PRICES}})
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(
            gzip.compress(
                b"date,open,high,low,close\n2023-11-14T22:13:20Z,1.5,1.5,1.5,1.5\n"
                b"2023-11-14T22:14:20Z,2,2,2,2\n"
            )
        )
    elif name.endswith("parquet"):
        pq.write_table(content, path)
    else:
        pyarrow.feather.write_feather(content, str(path))
    source = open_source(path)
    assert isinstance(source, Candles)
    assert [row[1] for row in told(source)] == [(T0 + 60 * k) * SECOND for k in (1, 2)]
