"""Which tables are candles, and what of them is refused."""

import gzip

import pytest
from candled import HEADER, ROWS, table, told, written

from flowsense.errors import InputError
from flowsense.sources.candles import Candles, claims


@pytest.mark.parametrize(
    ("header", "claimed"),
    [
        (HEADER, True),
        ("Open time,Open,High,Low,Close", True),
        ("t,o,h,l,c,v", True),
        ("ts,close", False),
        ("open,high,low,close", False),
        ("ts,price,size", False),
        ("ts,bid,ask,open,high,low,close", False),
    ],
)
def test_claims_tables_with_all_four_prices(tmp_path, header, claimed):
    path = written(tmp_path, header + "\n")
    assert claims(path, b"") is claimed


def test_claims_no_file_that_is_no_table_or_damaged(tmp_path):
    assert not claims(tmp_path / "a.json", b"")
    assert not claims(written(tmp_path, ""), b"")
    assert not claims(written(tmp_path, "PAR1", "a.parquet"), b"PAR1")


LINE = "1700000060,2.0,2.5,2.0,2.5,0"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1700000060,2.0,2.4,2.0,2.5,0", "row 2, column 'high': '2.4' is a high below open or cl"),
        ("1700000060,2.0,2.5,2.1,2.5,0", "row 2, column 'low': '2.1' is a low above open or close"),
        ("1700000060,nan,2.5,2.0,2.5,0", "row 2, column 'open': 'nan' is not a finite number"),
        ("1700000060,2.0,inf,2.0,2.5,0", "row 2, column 'high': 'inf' is not a finite number"),
        ("1700000060,2.0,2.5,x,2.5,0", "row 2, column 'low': 'x' is not a finite number"),
        ("1700000060,2.0,2.5,2.0,,0", "row 2, column 'close': '' is blank: fill it in or remove"),
        ("1700000060,2.0,2.5,0,2.5,0", "row 2, column 'low': '0' should be above 0"),
        ("1700000060,2.0,2.5,-1,2.5,0", "row 2, column 'low': '-1' should be above 0"),
        ("1700000060,2.0,1e300,2.0,2.5,0", "row 2, column 'high': '1e300' should be below 10**15"),
        ("1700000060,2.0,2.5,2.0,2.5,-1", "row 2, column 'volume': '-1' should not be below 0"),
        ("1700000060,2.0,2.5,2.0,2.5,", "row 2, column 'volume': '' is blank"),
        ("1700000060,2.0,2.5,2.0,2.5,1e16", "column 'volume': '1e16' should be below 10**15"),
        ("1700000000,2.0,2.5,2.0,2.5,0", "a second candle of BTC at 2023-11-14T22:13:20"),
        ("1699999999,2.0,2.5,2.0,2.5,0", "row 2, column 'time': '1699999999' goes back in time"),
        ("yesterday,2.0,2.5,2.0,2.5,0", "row 2, column 'time': 'yesterday' is not a finite"),
        (",2.0,2.5,2.0,2.5,0", "row 2, column 'time': '' is no time"),
        ("1700000060,2.0,2.5", "BTC.csv: damaged, or not what its name says"),
    ],
)
def test_a_wrong_candle_is_refused_with_its_place(tmp_path, line, what):
    with pytest.raises(InputError) as error:
        Candles(table(tmp_path, ROWS.replace(LINE, line)))
    assert what in str(error.value) and str(error.value).startswith(str(tmp_path / "BTC.csv"))


@pytest.mark.parametrize(
    ("content", "options", "what"),
    [
        (f"{HEADER}\n", {}, "BTC.csv: holds no row: leave it out"),
        (f"{HEADER}\n{ROWS[:34]}", {}, "BTC.csv: one candle tells no interval: say how long"),
        (f"{HEADER},open\n", {}, "more than one column 'open'"),
        ("time,open,high,close\n", {}, "no column for low: the columns are time, open, high"),
        ("open,high,low,close\n", {}, "no column for the time of a candle"),
        ("time,price\n", {}, "no column for close: the columns are time, price: write --columns"),
        (f"{HEADER}\n{ROWS}", {"columns": "close=x"}, "no column 'x': the columns are time, open"),
        (f"{HEADER}\n{ROWS}", {"columns": "what=x"}, "--columns 'what=x': write FIELD=COLUMN with"),
        (f"{HEADER}\n{ROWS}", {"unit": "h"}, "unit 'h': write one of s, ms, us, ns, iso"),
        (f"{HEADER}\n{ROWS}", {"interval": "0s"}, "interval '0s': a candle takes time: like 1m"),
        (f"{HEADER}\n{ROWS}", {"interval": "1y"}, "duration '1y': write a whole number and a unit"),
        (f"{HEADER}\n{ROWS}", {"tick": "x"}, "--tick 'x': write a number above 0, like 0.01"),
        ("ts,close\n-60,1\n0,1\n", {"unit": "s"}, "row 1, column 'ts': '-60' is before 1970"),
        ("ts,close,trades\n0,1,1.5\n", {"unit": "s"}, "'1.5' is no number of trades"),
        ("ts,symbol,close\n0,,1\n", {"unit": "s"}, "row 1, column 'symbol': '' is no symbol"),
        (
            "ts,symbol,close\n0,A,1\n0,B,1\n60,A,1\n120,B,1\n",
            {"unit": "s"},
            "candles are apart by several steps, A 1m and B 2m: say how long a candle is",
        ),
        (
            "ts,close\n0,900000000000000\n60,0.01\n",
            {"unit": "s"},
            "is too coarse for 0.01: keep prices so different in several tables",
        ),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path, content, options, what):
    with pytest.raises(InputError) as error:
        told(Candles(written(tmp_path, content), **options))
    assert what in str(error.value) and "\n" not in str(error.value)


def test_a_frame_that_is_none_and_a_table_that_changed(tmp_path):
    with pytest.raises(InputError, match=r"^table: int is no table: "):
        Candles.of(3)
    source = Candles(table(tmp_path, "0,A,1\n60,A,1\n", "ts,symbol,close"), unit="s")
    table(tmp_path, "0,A,1\n60,B,1\n", "ts,symbol,close")
    with pytest.raises(InputError, match="changed while it was read"):
        told(source)


def test_a_cut_file_is_refused(tmp_path):
    path = table(tmp_path, ROWS * 1)
    packed = gzip.compress(path.read_bytes())
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(packed[:-20])
    with pytest.raises(InputError, match=r"its .gz compression is damaged or cut off"):
        Candles(cut)
