"""SQL reads the lake, in numbers as people write them, and touches nothing else."""

import os
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from lakes import bars, fill, observations, two_days

from flowsense.errors import InputError
from flowsense.schema import DAY, TRADE, Chunk
from flowsense.sources.lake import aligned
from flowsense.store.lake_sql import connect, query, save


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    told = (iter([x]) for x in (two_days(), bars(20), observations(9)))
    fill(folder, aligned(*told), kinds=("fear",))
    return folder


@pytest.fixture
def ask(lake):
    connection = connect(lake)
    return lambda sql: rows(query(connection, sql))


def rows(answer):
    table = pa.Table.from_batches(list(answer.batches), answer.schema)
    return [tuple(row.values()) for row in table.to_pylist()]


def test_events_are_counted_by_instrument_and_day(ask):
    found = ask("SELECT instrument, day, count(*) FROM events GROUP BY ALL ORDER BY ALL")
    events = two_days()
    later = events["ts_recv"] >= 19_701 * DAY
    expected = [
        (name, day, int(np.sum((events["instrument"] == who) & (later == then))))
        for who, name in enumerate(("A", "B/USD"))
        for then, day in enumerate((date(2023, 12, 9), date(2023, 12, 10)))
    ]
    assert found == expected


def test_prices_are_numbers_to_the_last_digit(ask):
    trades = two_days()[two_days()["action"] == TRADE]
    found = ask("SELECT px, qty, what, ts::VARCHAR FROM events WHERE action = 5 ORDER BY position")
    assert [row[0] for row in found] == [float(f"{p}e-2") for p in trades["price"].tolist()]
    assert [row[1] for row in found] == trades["lots"].tolist()
    assert {row[2] for row in found} == {"trade"} and found[0][3].startswith("2023-12-09 12:00:")


def test_bars_and_observations_have_their_tables(ask):
    assert ask("SELECT close_px, open_px, qty FROM bars ORDER BY position LIMIT 2") == [
        (0.01, 0.0, 0.0),
        (0.02, 0.01, 0.0),
    ]
    found = ask("SELECT DISTINCT name, venue, instrument FROM observations ORDER BY ALL")
    assert found == [("fear", "toy", "B/USD"), ("fear", None, None)]


def test_instruments_tell_ticks(ask):
    (first, second) = ask("SELECT instrument, tick, lot, by_order, depth FROM instruments")
    assert first == ("A", 0.01, 1.0, True, 10) and second[0] == "B/USD"


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("SELECT px FROM evnts", "Table with name evnts does not exist"),
        ("SELECT 'a'::INT", "Could not convert string 'a' to INT32"),
        ("", "it gives no rows: write a SELECT"),
        ("COPY events TO '{}/out.csv'", "file system operations are disabled"),
        (
            "CREATE TABLE t (a INT); COPY t FROM '{}/lake.json'",
            "file system operations are disabled",
        ),
        ("SELECT * FROM read_text('{}/lake.json')", "file system operations are disabled"),
        ("SELECT * FROM '{}/lake.json'", "file system operations are disabled"),
        ("SELECT * FROM glob('/*')", "file system operations are disabled"),
        ("ATTACH '{}/x.db'", "file system operations are disabled"),
        ("INSTALL httpfs", "file system operations are disabled"),
        ("SET enable_external_access = true", "the configuration has been locked"),
        ("SELECT * FROM lake", "Table with name lake does not exist"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(lake, ask, sql, why):
    before = sorted(os.listdir(lake))
    with pytest.raises(InputError, match=why) as told:
        ask(sql.replace("{}", str(lake)))
    assert str(told.value).startswith("SQL: ") and "\n" not in str(told.value)
    assert sorted(os.listdir(lake)) == before


def test_an_error_among_the_rows_is_told_too(ask):
    with pytest.raises(InputError, match="SQL: "):
        ask("SELECT CASE WHEN position = 2000 THEN 'x'::INT ELSE 1 END FROM events")


def test_an_answer_is_saved_whole_or_not_at_all(lake, tmp_path):
    connection = connect(lake)
    for name, read in (("a.parquet", pl.read_parquet), ("a.csv", pl.read_csv)):
        count = save(query(connection, "SELECT price, lots FROM events"), tmp_path / name)
        frame = read(tmp_path / name)
        assert count == len(frame) == len(two_days())
        assert sorted(frame["price"]) == np.sort(two_days()["price"]).tolist()
    with pytest.raises(InputError, match=r"a.txt: write the name of a .parquet or .csv file"):
        save(query(connection, "SELECT 1"), tmp_path / "a.txt")
    wrong = "SELECT CASE WHEN position = 2000 THEN 'x'::INT END FROM events"
    with pytest.raises(InputError, match="SQL: "):  # from either: DuckDB starts before it is asked
        save(query(connection, wrong), tmp_path / "b.csv")
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.parquet"]


def test_an_empty_lake_has_empty_tables(tmp_path):
    fill(tmp_path, [Chunk(two_days()[:0], bars(0), observations(0))])
    connection = connect(tmp_path)
    for name in ("events", "bars", "observations"):
        assert rows(query(connection, f"SELECT count(*) FROM {name}")) == [(0,)]
