import gzip

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from flowsense.errors import InputError
from flowsense.schema import (
    CLEAR,
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
    checked,
)
from flowsense.sources.columns import Mapping
from flowsense.sources.ticks import Ticks, claims, open

T0 = 1_700_000_000_000_000_000
OPEN = SNAPSHOT | LAST
TRADES = """\
Time,Px,Qty,Side
1700000000000,100.25,0.5,buy
1700000000001,100.50,1.0,SELL
1700000000001,101,2.5,
"""
QUOTES = """\
ts;bid;bid_size;ask;ask_size
1700000000;10.0;5;10.2;7
1700000001;10.1;4;10.2;6
1700000002;9.9;3;10.3;6
1700000003;;;10.3;6
"""
LEVELS = """\
timestamp,symbol,side,price,amount
2023-11-14T22:13:20Z,A,bid,99,3
2023-11-14T22:13:20Z,A,ask,101,4
2023-11-14T22:13:20.5Z,B,ask,7.5,1
2023-11-14T22:13:21Z,A,bid,99,0
"""
MIXED = """\
ts,kind,side,price,size
5,update,bid,99,1
6,snapshot,bid,100,3
6,snapshot,ask,102,4
7,trade,buy,102,1
7,update,ask,102,3
8,delete,bid,100,
9,clear,,,
"""


def written(tmp_path, text, name="BTC.csv"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def told(source):
    """The events as tuples: action, side, price, lots, bits."""
    events = np.concatenate(list(source))
    checked(events, len(source.instruments))
    return [tuple(int(e[k]) for k in ("action", "side", "price", "lots", "bits")) for e in events]


def test_trades_open_an_empty_book_and_are_each_a_message(tmp_path):
    source = Ticks(written(tmp_path, TRADES))
    assert source.instruments[0][:4] == ("BTC", "file", Decimal(25, -2), Decimal(5, -1))
    assert told(source) == [
        (CLEAR, 0, 0, 0, OPEN),
        (TRADE, 1, 401, 1, LAST),
        (TRADE, -1, 402, 2, LAST),
        (TRADE, 0, 404, 5, LAST),
    ]
    assert np.concatenate(list(source))["ts_recv"].tolist() == [T0, T0, T0 + 10**6, T0 + 10**6]


def test_a_quote_replaces_the_one_before(tmp_path):
    source = Ticks(written(tmp_path, QUOTES))
    assert source.instruments[0].tick == Decimal(1, -1)
    assert source.instruments[0].depth == 1
    assert told(source) == [
        (CLEAR, 0, 0, 0, SNAPSHOT),
        (SET, 1, 100, 5, SNAPSHOT),
        (SET, -1, 102, 7, SNAPSHOT | LAST),
        (SET, 1, 100, 0, SCROLL),  # a better bid came: the old one is still there, out of sight
        (SET, 1, 101, 4, 0),
        (SET, -1, 102, 6, LAST),
        (SET, 1, 101, 0, 0),  # the best went: the one below comes into sight
        (SET, -1, 102, 0, 0),
        (SET, 1, 99, 3, SCROLL),
        (SET, -1, 103, 6, SCROLL | LAST),
        (SET, 1, 99, 0, 0),
        (SET, -1, 103, 6, LAST),
    ]


def test_levels_of_several_instruments(tmp_path):
    source = Ticks(written(tmp_path, LEVELS))
    assert [(i.symbol, i.tick) for i in source.instruments] == [
        ("A", Decimal(1, 0)),
        ("B", Decimal(75, -1)),
    ]
    assert told(source) == [
        (CLEAR, 0, 0, 0, OPEN),
        (SET, 1, 99, 3, 0),  # one message: the same instrument at the same time
        (SET, -1, 101, 4, LAST),
        (CLEAR, 0, 0, 0, OPEN),
        (SET, -1, 1, 1, LAST),
        (SET, 1, 99, 0, LAST),
    ]


def test_a_column_of_kinds_mixes_trades_levels_and_snapshots(tmp_path):
    source = Ticks(written(tmp_path, MIXED), unit="ns")
    assert told(source) == [
        (CLEAR, 0, 0, 0, OPEN),
        (SET, 1, 99, 1, LAST),
        (CLEAR, 0, 0, 0, SNAPSHOT),
        (SET, 1, 100, 3, SNAPSHOT),
        (SET, -1, 102, 4, SNAPSHOT | LAST),
        (TRADE, 1, 102, 1, 0),
        (SET, -1, 102, 3, LAST),
        (SET, 1, 100, 0, LAST),
        (CLEAR, 0, 0, 0, LAST),
    ]


def test_the_same_table_in_any_format_gives_the_same_events(tmp_path):
    plain = Ticks(written(tmp_path, TRADES))
    table = pa.table(
        {
            "Time": pa.array([1700000000000, 1700000000001, 1700000000001], pa.timestamp("ms")),
            "Px": [100.25, 100.5, 101.0],
            "Qty": pa.array([0.5, 1, 2.5], pa.float32()),
            "Side": pa.array(["buy", "SELL", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "BTC.parquet")
    pa.feather.write_feather(table, tmp_path / "BTC.feather", compression="zstd")
    with pa.OSFile(str(tmp_path / "BTC.arrow"), "wb") as f, pa.ipc.new_stream(f, table.schema) as w:
        w.write_table(table)
    written(tmp_path, TRADES, "BTC.csv.gz")
    for name in ("BTC.parquet", "BTC.feather", "BTC.arrow", "BTC.csv.gz"):
        assert told(Ticks(tmp_path / name)) == told(plain), name
        assert Ticks(tmp_path / name).instruments == plain.instruments
    for frame in (table, pl.from_arrow(table)):
        assert told(Ticks.of(frame, "BTC")) == told(plain)


def test_a_file_without_names_is_read_by_the_number_of_the_column(tmp_path):
    path = written(tmp_path, "1,100.5,3,1700000000,true\n2,100.0,2,1700000001,false\n")
    source = Ticks(path, "ts=4,price=2,size=3", tick="0.01")
    assert told(source)[1:] == [(TRADE, 0, 10050, 3, LAST), (TRADE, 0, 10000, 2, LAST)]


def test_the_maker_flag_is_turned_into_the_aggressor(tmp_path):
    path = written(tmp_path, "t,p,q,isBuyerMaker\n1,2,3,true\n2,2,3,False\n")
    assert [e[1] for e in told(Ticks(path))[1:]] == [-1, 1]


def test_options_of_the_mapping(tmp_path):
    path = written(tmp_path, "seen,made,a,b,side\n2,1,5,6,ask\n1,1,5,0,ask\n")
    columns = Mapping(ts="seen", ts_event="made", price="a", size="b")
    source = Ticks(path, columns, unit="s", sort=True, symbol="X", venue="v", lot="0.5")
    assert source.instruments[0][:2] == ("X", "v")
    assert told(source) == [
        (CLEAR, 0, 0, 0, OPEN),
        (SET, -1, 1, 0, LAST),
        (SET, -1, 1, 12, LAST),
    ]
    assert np.concatenate(list(source))["ts_event"].tolist() == [10**9] * 3


@pytest.mark.parametrize(
    ("text", "columns", "why"),
    [
        (
            "time,px,quantty\n1,2,3\n",
            "",
            "no column for size: the columns are time, px, quantty: write --columns size=quantty",
        ),
        ("a,b\n1,2\n", "", "no column for ts"),
        ("ts,bid,ask,bid_size\n1,2,3,4\n", "", "no column for ask_size"),
        ("ts,price,size\n1,2,3\n", "price=prise", "no column 'prise'.*write --columns price=price"),
        ("ts,price,price,size\n1,2,2,3\n", "price=price", "more than one column 'price'"),
        ("ts,price,size\n1,2,3\n", "prize=price", "write FIELD=COLUMN with one of ts, ts_event"),
        ("ts,price,size\n1,2,3\n", "price", "write FIELD=COLUMN"),
        ("ts,price,size,bid,ask\n1,2,3,4,5\n", "", "has both trades and quotes"),
        ("ts,price,size\n1,2,3\n", "kind=levels", "levels have a side: write --columns side="),
        ("", "", "line 1 is empty"),
        ("ts,price,size\n", "", "holds no row"),
        ("ts,price,size\n1,2\n", "", "Expected 3 columns, got 2"),
        ("ts,price,size\n1,2,3\n1,nan,3\n", "", "row 2, column 'price': 'nan' is blank"),
        ("ts,price,size\n1,2,3\n1,inf,3\n", "", "row 2, column 'price': 'inf' is not a finite"),
        ("ts,price,size\n1,-2,3\n", "", "row 1, column 'price': '-2' should be above 0"),
        ("ts,price,size\n1,0,3\n", "", "'0' should be above 0"),
        ("ts,price,size\n1,2,0\n", "", "column 'size': '0' should be above 0 in a trade"),
        ("ts,price,size\n1,2,-1\n", "", "'-1' should not be below 0"),
        ("ts,price,size\n1,2,\n", "", "column 'size': '' is blank"),
        (
            "ts,price,size\n2,2,3\n1,2,3\n",
            "",
            "row 2, column 'ts': '1' goes back in time: .*--sort",
        ),
        ("ts,price,size\n,2,3\n", "", "row 1, column 'ts': '' is no time"),
        ("ts,price,size\n5,2,3\n,2,3\n", "", "row 2, column 'ts': '' is no time"),
        ("ts,price,size\nnoon,2,3\n", "", "'noon' is no time"),
        ("ts,price,size\n2024-01-01,2,3\nx,2,3\n", "", "row 2, column 'ts': 'x' is no time"),
        ("ts,price,size\n1.0000000001,2,3\n", "", "is finer than 1 ns in s"),
        ("ts,price,size,side\n1,2,3,up\n", "", "'up' is not one of"),
        ("ts,price,size,kind,side\n1,2,3,what,buy\n", "", "'what' is not one of add, book"),
        ("ts,price,size,side\n1,2,3,bid\n1,2,3,\n", "", "row 2, column 'side': '' should say bid"),
        ("ts,price,size,symbol\n1,2,3,A\n1,2,3,\n", "", "row 2, column 'symbol': '' is no symbol"),
        ("ts,price,size\n1,9e15,3\n1,0.01,3\n", "", "'9e15' is more than 2..53 times 0.01"),
        ("ts,price,size\n1,1e-19,3\n", "", "more than 18 decimals"),
        ("ts,price,size\n1,9e15,3\n1,0.000001,3\n", "", "too large with 6 decimals"),
        ("ts,bid,ask,bid_size,ask_size\n1,2,3,0,5\n", "", "column 'bid_size': '0' should be above"),
        ("ts,bid,ask,bid_size,ask_size\n1,2,,4,5\n", "", "column 'ask': '' should be above 0, or"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path, text, columns, why):
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=rf"(?s)(BTC.csv: |--columns).*{why}") as error:
        list(Ticks(path, columns))
    assert "\n" not in str(error.value)


def test_values_that_are_no_multiple_of_the_tick_are_refused(tmp_path):
    path = written(tmp_path, TRADES)
    with pytest.raises(
        InputError, match=r"row 1, column 'Px': '100.25' is no multiple of the tick"
    ):
        Ticks(path, tick="0.1")
    with pytest.raises(InputError, match=r"tick '-1': write a number above 0"):
        Ticks(path, tick="-1")
    with pytest.raises(InputError, match=r"unit 'h': write one of s, ms"):
        Ticks(path, unit="h")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.parquet", "a.feather", "a.arrow"])
def test_a_damaged_file_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(1_000))
    with pytest.raises(InputError, match=rf"{name}: "):
        list(Ticks(path))


def test_compression_that_is_cut_off_is_named(tmp_path):
    path = written(tmp_path, TRADES * 9, "a.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a.csv.gz: its .gz compression is damaged or cut off"):
        Ticks(path)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"ts,pr\xffce,size\n1,2,3\n", "line 1 is not UTF-8"),
        (b"ts,price,size\n1,\xff,3\n", "damaged, or not what its name says: .*UTF8"),
    ],
)
def test_text_that_is_not_utf8_is_named(tmp_path, data, why):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(InputError, match=rf"a.csv: {why}"):
        Ticks(tmp_path / "a.csv")


def test_prices_both_large_and_fine_are_refused():
    prices = pa.chunked_array([["9000000000000007"], ["0.0001"]])
    table = pa.table({"ts": [1, 2], "price": prices, "size": [1, 1]})
    with pytest.raises(InputError, match=r"table: column 'price' holds both large and fine"):
        Ticks.of(table)


def test_batches_without_rows_are_passed_over():
    part = pa.record_batch({"ts": [1, 2], "price": [1, 2], "size": [1, 2]})
    table = pa.Table.from_batches([part[:0], part[:1], part[:0], part[1:]])
    assert told(Ticks.of(table)) == told(Ticks.of(part))


def test_a_missing_file_and_an_unknown_one_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no.csv: no such file"):
        Ticks(tmp_path / "no.csv")
    with pytest.raises(InputError, match=r"a.xls: not the name of a table"):
        Ticks(written(tmp_path, TRADES, "a.xls"))
    with pytest.raises(InputError, match=r"table: list is no table"):
        Ticks.of([1, 2])


def test_a_file_that_changed_after_the_survey_is_refused(tmp_path):
    source = Ticks(written(tmp_path, TRADES))
    for line in ("1700000000002,100.3,1,buy\n", "1700000000002,100.255,1,buy\n"):
        written(tmp_path, TRADES + line)
        with pytest.raises(InputError, match="changed while it was read"):
            list(source)


def test_claims_and_options(tmp_path):
    path = written(tmp_path, TRADES)
    assert claims(path, b"") and claims(tmp_path / "x.csv.zst", b"")
    assert not claims(tmp_path / "x.txt", b"") and not claims(tmp_path / "x.parquet.gz", b"")
    (source,) = open([path], tick="0.05")
    assert (source.name, source.files) == (str(path), (path,))


def test_files_of_one_instrument_agree_on_its_units(tmp_path):
    days = [("1,10.5,2", "a.csv"), ("2,10.25,0.001", "b.csv"), ("3,1e6,4", "c.csv")]
    paths = [written(tmp_path, f"ts,price,size\n{row}\n", name) for row, name in days]
    sources = open(paths, symbol="X")
    (table,) = {source.instruments for source in sources}
    assert (table[0].tick, table[0].lot) == (Decimal(25, -2), Decimal(1, -3))
    assert [told(s)[-1][2:4] for s in sources] == [(42, 2000), (41, 1), (4_000_000, 4000)]


def random_table(rng, n):
    """Times that repeat, three instruments, sizes that are 0 now and then."""
    return pa.table(
        {
            "ts": np.sort(rng.integers(T0, T0 + n // 2, n)),
            "symbol": rng.choice(["A", "B", "C"], n),
            "kind": rng.choice(["trade", "update", "update", "snapshot"], n),
            "side": rng.choice(["bid", "ask"], n),
            "price": rng.integers(1, 50, n) * 0.05 // 0.01 / 100,
            "size": rng.integers(1, 9, n) / 8,
        }
    )


def test_where_the_batches_end_changes_nothing():
    table = random_table(np.random.default_rng(1), 150)
    whole = np.concatenate(list(Ticks.of(table)))
    for rows in (1, 7, 50):
        batches = pa.Table.from_batches(table.to_batches(max_chunksize=rows))
        cut = np.concatenate(list(Ticks.of(batches)))
        assert cut.tobytes() == whole.tobytes(), rows


def test_chunks_end_with_a_whole_message():
    table = random_table(np.random.default_rng(2), 30_000)
    chunks = list(Ticks.of(table))
    assert len(chunks) > 5
    assert all(chunk["bits"][-1] & LAST for chunk in chunks)


@pytest.mark.slow  # compiles
def test_quotes_give_rows_of_features_and_trades_alone_have_no_mid(tmp_path):
    from flowsense.features.catalogue import spec
    from flowsense.testing import tape_of

    clock = spec(("ofi",), ("interval:1s",))
    for text, mid in ((QUOTES, True), (TRADES + "1700000009000,101,2,buy\n", False)):
        source = Ticks(written(tmp_path, text))
        tape = tape_of(clock, source.instruments, np.concatenate(list(source)))
        rows = tape.rows[0]
        assert len(rows.ts) > 2
        assert (rows.book["bid_sz"][:, 0] > 0).any() == mid
