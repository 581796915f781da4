import datetime
import gzip
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowsense.errors import InputError
from flowsense.schema import DAY, EVERY, SECOND, Decimal, kind_of
from flowsense.sources import Broad, chunks, kinds_of
from flowsense.sources.observations import Observations, claims, open
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit, shared

HOUR = 3600 * SECOND
LONG = """\
date,known_at,name,value,symbol
2024-01-02,2024-01-02T21:00,vix,13.2,
2024-01-02,2024-01-03T08:00,short,0.5,ABC
2024-01-02,2024-01-03T08:00,short,0.25,XYZ
2024-01-03,2024-01-03T21:00,vix,14,
2024-01-02,2024-01-04T09:00,vix,13.25,
"""
WIDE = """\
ts,momentum,depth,note
1,0.5,,a
2,-1e-3,7,b
3,,8,c
"""


def written(tmp_path, text, name="alt.csv"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def records(source):
    return np.concatenate([chunk.observations for chunk in source.chunks()])


def told(source):
    """The observations as tuples; kinds by their names."""
    names = {kind_of(name): name for name in source.kinds}
    return [
        (int(r["ts_event"]), int(r["ts_recv"]), names[int(r["kind"])], float(r["value"]),
         int(r["instrument"]))
        for r in records(source)
    ]  # fmt: skip


def moment(text):
    return int(np.datetime64(text, "ns").astype(np.int64))


def test_a_long_table_is_told_in_order_of_knowing(tmp_path):
    source = Observations(written(tmp_path, LONG), venue="x")
    second, third = moment("2024-01-02"), moment("2024-01-03")
    assert source.kinds == ("vix", "short")
    assert told(source) == [
        (second, second + 21 * HOUR, "vix", 13.2, EVERY),
        (second, third + 8 * HOUR, "short", 0.5, 0),
        (second, third + 8 * HOUR, "short", 0.25, 1),
        (third, third + 21 * HOUR, "vix", 14.0, EVERY),
        (second, third + DAY + 9 * HOUR, "vix", 13.25, EVERY),  # corrected: one more
    ]


def test_instruments_that_are_named_tell_no_tick(tmp_path):
    source = Observations(written(tmp_path, LONG), venue="x")
    assert [(i.symbol, i.venue, i.depth) for i in source.instruments] == [
        ("ABC", "x", 0),
        ("XYZ", "x", 0),
    ]
    assert {i.tick for i in source.instruments} == {Decimal(0, 0)}
    book = source.instruments[0]._replace(tick=Decimal(5, -2), lot=Decimal(3, 0), depth=10)
    units = shared([*source.instruments, book])
    assert units["ABC", "x"] == (Unit(5, -2), Unit(3, 0))
    found = source.in_units(units)
    assert found.instruments[0].tick == Decimal(5, -2) and told(found) == told(source)
    assert source.among([book]).instruments == (book, source.instruments[1])


def test_a_wide_table_has_a_kind_in_each_column_of_numbers(tmp_path):
    source = Observations(written(tmp_path, WIDE), unit="s", lag="500ms")
    assert source.kinds == ("momentum", "depth") and source.instruments == ()
    half = SECOND // 2
    assert told(source) == [
        (SECOND, SECOND + half, "momentum", 0.5, EVERY),
        (2 * SECOND, 2 * SECOND + half, "momentum", -0.001, EVERY),
        (2 * SECOND, 2 * SECOND + half, "depth", 7.0, EVERY),
        (3 * SECOND, 3 * SECOND + half, "depth", 8.0, EVERY),
    ]


def test_it_is_a_broad_source_without_events(tmp_path):
    source = Observations(written(tmp_path, WIDE), unit="s", lag="0s")
    assert isinstance(source, Broad) and list(source) == [] and source.files == (source.path,)
    (chunk,) = chunks(source)
    assert len(chunk.events) == len(chunk.bars) == 0 and len(chunk.observations) == 4
    assert kinds_of(source) == ("momentum", "depth")


def test_a_table_that_does_not_say_when_it_was_known_is_refused(tmp_path):
    path = written(tmp_path, WIDE)
    with pytest.raises(InputError, match=r"alt.csv: no column says when its values were known, .*"):
        Observations(path, unit="s")
    assert all(r[0] == r[1] for r in told(Observations(path, unit="s", lag="0s")))


def test_a_table_that_says_it_takes_no_lag(tmp_path):
    path = written(tmp_path, LONG)
    with pytest.raises(InputError, match="column 'known_at' says when its values were known"):
        Observations(path, lag="1d")
    with pytest.raises(InputError, match=r"two values of vix for 2024-01-02"):
        Observations(path, "known=", lag="1d", sort=True)  # one of them is the correction
    path = written(tmp_path, LONG[: LONG.rindex("2024-01-02,")])
    late = Observations(path, "known=", lag="1d")
    assert [r[1] - r[0] for r in told(late)] == [DAY] * 4


def test_without_a_time_of_its_own_a_value_happened_when_it_was_known(tmp_path):
    source = Observations(written(tmp_path, "published,x\n5,1\n"), unit="s")
    assert told(source) == [(5 * SECOND, 5 * SECOND, "x", 1.0, EVERY)]


def test_a_value_may_be_known_before_it_happens(tmp_path):
    source = Observations(written(tmp_path, "ts,known,x\n9,5,1\n"), unit="s")
    assert told(source)[0][:2] == (9 * SECOND, 5 * SECOND)


def test_frames_of_ready_features():
    frame = pl.DataFrame({"ts": [1, 2], "f": [0.5, None], "g": [1, 2], "word": ["a", "b"]})
    source = Observations.of(frame, "features", unit="s", lag="0s", prefix="my.")
    assert source.kinds == ("my.f", "my.g") and source.files == ()
    assert [r[2:4] for r in told(source)] == [("my.f", 0.5), ("my.g", 1.0), ("my.g", 2.0)]


def test_frames_of_several_instruments():
    table = pa.table(
        {"ts": [1, 1, 2], "symbol": ["A", "B", "A"], "f": [1.0, 2.0, 3.0], "g": [None, 5.0, 6.0]}
    )
    source = Observations.of(table, unit="s", lag="0s")
    assert [(r[2], r[3], r[4]) for r in told(source)] == [
        ("f", 1.0, 0),
        ("f", 2.0, 1),
        ("g", 5.0, 1),
        ("f", 3.0, 0),
        ("g", 6.0, 0),
    ]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (pa.array([1, 2], pa.int8()), True),
        (pa.array([1, 2], pa.float32()), True),
        (pa.array([True, False]), True),
        (pa.array(["", "1.5"]), True),
        (pa.array(["", " "]), True),
        (pa.array([None, "x"]), False),
        (pa.array([datetime.date(2024, 1, 1)] * 2), False),
    ],
)
def test_which_columns_hold_numbers(cells, numbers):
    source = Observations.of(pa.table({"ts": [1, 2], "x": cells, "y": [1, 2]}), unit="s", lag="0s")
    assert ("x" in source.form.columns.values) is numbers


def test_other_times_of_a_wide_table_are_no_values():
    columns = {"timestamp": [1, 2], "date": [3, 4], "close_time": [5, 6], "x": [7, 8]}
    assert Observations.of(pa.table(columns), unit="s", lag="0s").kinds == ("x",)


def test_columns_are_mapped(tmp_path):
    path = written(tmp_path, "day,when,what,how_much\n1,2,a,3\n")
    mapping = "ts=day,known=when,name=what,value=how_much"
    assert told(Observations(path, mapping, unit="s")) == [(SECOND, 2 * SECOND, "a", 3.0, EVERY)]
    one = Observations(path, "ts=day,value=how_much", unit="s", lag="0s")
    assert one.kinds == ("how_much",)


def test_rows_are_sorted_by_knowing_when_asked(tmp_path):
    path = written(tmp_path, "ts,known,x\n1,9,1\n2,5,2\n")
    with pytest.raises(InputError, match=r"row 2, column 'known': '5' is known before the row abo"):
        Observations(path, unit="s")
    source = Observations(path, unit="s", sort=True)
    assert [r[1] for r in told(source)] == [5 * SECOND, 9 * SECOND]


def test_chunks_hold_whole_instants_however_the_table_is_cut():
    rng = np.random.default_rng(2)
    n = 20_000
    columns = {
        "known": np.sort(rng.integers(0, n // 3, n)),
        "ts": np.arange(n),
        "name": rng.choice(["a", "b", "c"], n),
        "value": rng.normal(size=n),
    }
    table = pa.table(columns)
    cut = pa.concat_tables([table.slice(k, 777) for k in range(0, n, 777)])
    found = list(Observations.of(cut, unit="s").chunks())
    ends = [(c.observations["ts_recv"][0], c.observations["ts_recv"][-1]) for c in found]
    assert len(found) > 3 and all(a[1] < b[0] for a, b in pairwise(ends))
    joined = np.concatenate([c.observations for c in found])
    assert np.array_equal(joined["value"], columns["value"])
    assert np.array_equal(joined["ts_recv"], columns["known"] * SECOND)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz"])
def test_files_that_say_when_they_were_known_are_recognised(tmp_path, name):
    if name.endswith("gz"):
        path = written(tmp_path, LONG, name)
    else:
        path = tmp_path / name
        pq.write_table(pl.read_csv(LONG.encode()).to_arrow(), path)
    source = open_source(path)
    assert isinstance(source, Observations) and len(told(source)) == 5


@pytest.mark.parametrize(
    ("header", "claimed"),
    [("date,known_at,name,value", True), ("Published At,x", True), ("ts,x", False), ("", False)],
)
def test_claims_what_says_when_it_was_known(tmp_path, header, claimed):
    assert claims(written(tmp_path, header + "\n"), b"") is claimed
    assert not claims(tmp_path / "a.json", b"")


@pytest.mark.parametrize(
    ("content", "options", "what"),
    [
        ("ts,known,x\n1,2,nan\n", {}, "row 1, column 'x': 'nan' is not a finite number: correct"),
        ("ts,known,x\n1,2,1\n1,3,inf\n", {}, "row 2, column 'x': 'inf' is not a finite number"),
        ("ts,known,x\n1,2,1\n1,3,word\n", {}, "row 2, column 'x': 'word' is not a finite number"),
        ("ts,known,x\n1,,1\n", {}, "row 1, column 'known': '' is no time: fill it in or remove"),
        ("ts,known,x\n,1,1\n", {}, "row 1, column 'ts': '' is no time: fill it in or remove"),
        ("ts,known,x\n-1,1,1\n", {}, "row 1, column 'ts': '-1' is before 1970"),
        ("ts,known,x\n1,2,1\n1,2,1\n", {}, "two values of x for 1970-01-01T00:00:01.000000000, kn"),
        ("ts,known,name,value\n1,2,,1\n", {}, "row 1, column 'name': '' is no symbol or name"),
        ("ts,known,name\n1,2,a\n", {}, "no column for value: the columns are ts, known, name"),
        ("ts,known,note\n1,2,a\n", {}, "alt.csv: no column of numbers: the columns are ts, known"),
        ("x,y\n1,2\n", {}, "no column for when it happened: the columns are x, y"),
        ("ts,known,x\n", {}, "alt.csv: holds no value: leave it out"),
        ("ts,known,x\n1,2,\n", {}, "alt.csv: holds no value: leave it out"),
        ("ts,known,x,x\n1,2,3,4\n", {"columns": "value=x"}, "more than one column 'x'"),
        ("ts,known,x\n1,2,3\n", {"columns": "wen=x"}, "--columns 'wen=x': write FIELD=COLUMN"),
        ("ts,known,x\n1,2,3\n", {"unit": "h"}, "unit 'h': write one of s, ms, us, ns, iso"),
        ("ts,x\n1,3\n", {"lag": "later"}, "duration 'later': write a whole number and a unit"),
        ("", {}, "alt.csv: line 1 is empty"),
        ("ts,known,x\r1,2,3\r", {}, "alt.csv: line 1 holds a carriage return: end lines with"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path, content, options, what):
    with pytest.raises(InputError) as error:
        told(Observations(written(tmp_path, content), **({"unit": "s"} | options)))
    assert what in str(error.value) and "\n" not in str(error.value)


def test_floats_that_are_no_number_are_refused_and_blank_ones_are_not():
    table = {"ts": [1, 2], "x": pa.array([1.0, None]), "y": pa.array([1.0, float("nan")])}
    with pytest.raises(InputError, match=r"row 2, column 'y': 'nan' is not a finite number"):
        Observations.of(pa.table(table), unit="s", lag="0s")


def test_two_names_of_one_number_are_refused():
    numbers, k = {}, 0
    while numbers.setdefault(kind_of(str(k)), k) == k:
        k += 1
    names = [str(numbers[kind_of(str(k))]), str(k)]
    table = pa.table({"ts": [1, 2], "name": names, "value": [1, 2]})
    with pytest.raises(InputError, match=f"'{names[1]}' and '{names[0]}' have the same number"):
        Observations.of(table, unit="s", lag="0s")


def test_a_table_that_changed_and_a_cut_one(tmp_path):
    source = Observations(written(tmp_path, LONG))
    written(tmp_path, LONG.replace("XYZ", "NEW").replace("ABC", "OLD"))
    with pytest.raises(InputError, match="changed while it was read"):
        told(source)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(LONG.encode())[:-20])
    with pytest.raises(InputError, match=r"its .gz compression is damaged or cut off"):
        Observations(cut)


def test_each_file_is_a_source(tmp_path):
    paths = [written(tmp_path, WIDE, name) for name in ("a.csv", "b.csv")]
    a, b = open(paths, lag="0s", unit="s")
    assert (a.name, b.name) == tuple(map(str, paths)) and told(a) == told(b)


def test_recorded_volatility_index(data):
    path = data / "altdata/vix-daily_1990-2018.csv.zst"
    source = open_source(
        path, format="observations", lag="1d", columns="value=CLOSE", prefix="vix."
    )
    found = records(source)
    assert source.kinds == ("vix.CLOSE",) and len(found) == 7304
    assert (found["ts_recv"] - found["ts_event"] == DAY).all()
    assert found["ts_event"][[0, -1]].tolist() == [moment("1990-01-02"), moment("2018-12-31")]
    assert found["value"][:2].tolist() == [17.24, 18.19]


def test_recorded_fear_and_greed(data):
    path = data / "altdata/crypto_fear_greed_2018-2026.csv.zst"
    source = open_source(path, format="observations", lag="1d")
    assert source.kinds == ("fear_greed_index", "fear_greed_log_return")
    index = records(source)
    index = index[index["kind"] == kind_of("fear_greed_index")]
    assert len(index) == 2977 and 0 <= index["value"].min() <= index["value"].max() <= 100
    assert index["value"][:3].tolist() == [30, 15, 40]


def test_kinds_are_called_as_the_columns_option_says(tmp_path):
    wide = Observations(written(tmp_path, WIDE), columns="value.vix = momentum", lag="0s")
    assert wide.kinds == ("vix", "depth")
    path = written(tmp_path, LONG, "long.csv")
    long = Observations(
        path, columns="value.short_share=short,value=value", prefix="us.", venue="x"
    )
    assert long.kinds == ("us.vix", "us.short_share")
    assert {r[2] for r in told(long)} == set(long.kinds)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ("value.vix=momentun", "vix=momentun': write value.NAME=COLUMN with one of ts, momentum"),
        ("value.a b=momentum", "--columns 'value.a b=momentum': write value.NAME=COLUMN"),
        ("value.vix=", "--columns 'value.vix=': write value.NAME=COLUMN"),
        ("value.vix", "--columns 'value.vix': write value.NAME=COLUMN"),
        ("value.vix=note", "value.vix=note: there are values of momentum, depth only"),
        ("value.depth=momentum", "'depth' is a column itself: take another name"),
    ],
)
def test_a_kind_that_cannot_be_called_so_is_refused(tmp_path, columns, why):
    with pytest.raises(InputError, match=why):
        Observations(written(tmp_path, WIDE), columns=columns, lag="0s")


def test_a_name_that_a_long_table_does_not_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"value\.vix=VIX: there are values of vix, short only"):
        Observations(written(tmp_path, LONG), columns="value.vix=VIX", venue="x")
