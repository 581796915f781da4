"""Bad rows put aside: which, why, and what is left is what a clean file would have given."""

import csv

import numpy as np
import pytest
from binance_wire import spot, written
from test_bad_input import BOOK, MESSAGE, QUOTES, books, changed, messages, quotes, text

from flowsense.errors import InputError
from flowsense.schema import CLEAR, GAP
from flowsense.sources import chunks
from flowsense.sources.files import Block, blocks
from flowsense.sources.open import open_source
from flowsense.sources.quarantine import Quarantine, sound

BAD_QUOTES = {
    6: "1700000002.5,nan,100.5,3,4",
    40: "1700000019.5,99.5,100.5,-3,4",
    41: "yesterday,99.5,100.5,3,4",
}


@pytest.fixture
def quarantine(tmp_path):
    return Quarantine(tmp_path / "aside")


def dirty(lines, bad):
    for row, line in bad.items():
        lines = changed(lines, row, line)
    return lines


def without(lines, rows):
    return [line for row, line in enumerate(lines, 1) if row not in rows]


def table(folder, name, header, lines):
    path = folder / name
    path.write_text(text([header, *lines]))
    return path


def told(source):
    """All records of a source as bytes."""
    parts = zip(*chunks(source), strict=True)
    return [np.concatenate(part).tobytes() for part in parts]


def test_a_bad_row_of_a_table_is_put_aside_and_the_rest_is_as_without_it(tmp_path, quarantine):
    path = table(tmp_path, "a.csv", QUOTES, dirty(quotes(), BAD_QUOTES))
    clean = table(tmp_path, "b.csv", QUOTES, without(quotes(), BAD_QUOTES))
    found = open_source(path, quarantine=quarantine)
    assert told(found) == told(open_source(clean))
    assert {row: bad.text for (_, row), bad in quarantine.rows.items()} == BAD_QUOTES


def test_without_a_quarantine_the_first_bad_row_refuses_its_file(tmp_path):
    path = table(tmp_path, "a.csv", QUOTES, dirty(quotes(), BAD_QUOTES))
    with pytest.raises(InputError, match="row 41, column 'ts': 'yesterday'"):
        told(open_source(path))


def test_what_was_put_aside_is_written_with_its_reason_and_counted(tmp_path, quarantine):
    path = table(tmp_path, "a.csv", QUOTES, dirty(quotes(), BAD_QUOTES))
    source = open_source(path, quarantine=quarantine)
    told(source), told(source)
    rows = list(csv.DictReader(quarantine.write().read_text().splitlines()))
    assert [int(r["row"]) for r in rows] == [6, 40, 41] and {r["file"] for r in rows} == {str(path)}
    assert "'nan' should be above 0" in rows[0]["reason"] and rows[2]["text"] == BAD_QUOTES[41]
    assert sum(quarantine.counts.values()) == 3


def test_a_row_that_goes_back_in_time(tmp_path, quarantine):
    lines = quotes()
    late = {9: lines[2], 100: lines[50]}
    path = table(tmp_path, "a.csv", QUOTES, dirty(lines, late))
    clean = table(tmp_path, "b.csv", QUOTES, without(lines, late))
    assert told(open_source(path, quarantine=quarantine)) == told(open_source(clean))
    assert quarantine.counts == {"goes back in time": 2}


@pytest.mark.parametrize(
    "bad", [11, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 300))]
)
def test_a_file_of_which_much_is_bad_is_refused(tmp_path, quarantine, bad):
    lines = dirty(quotes(), {k * 300 // bad + 1: "x,1,2,3,4" for k in range(bad)})
    path = table(tmp_path, "a.csv", QUOTES, lines)
    with pytest.raises(InputError, match=f"a.csv: {bad} of 300 rows are bad, .* more than 1%"):
        open_source(path, quarantine=quarantine)


def test_ten_bad_rows_are_put_aside_however_short_the_file(tmp_path, quarantine):
    lines = dirty(quotes(), {20 * k + 7: "x,1,2,3,4" for k in range(10)})
    told(open_source(table(tmp_path, "a.csv", QUOTES, lines), quarantine=quarantine))
    assert len(quarantine.rows) == 10


CANDLES = "ts,open,high,low,close,volume"
VALUES = "ts,known,vix"


def candles():
    return [f"{60 * k},10,12,9,{10 + k % 2},{k + 1}" for k in range(200)]


def values():
    return [f"{60 * k},{60 * k + 30},{20 + k % 5}" for k in range(200)]


@pytest.mark.parametrize(
    ("header", "lines", "bad"),
    [
        (CANDLES, candles(), {3: "120,10,9,9,10,1", 90: "5340,10,12,9,-1,4", 1: "?,1,1,1,1,1"}),
        (VALUES, values(), {1: "then,30,20", 77: "4560,4590,inf", 200: "11940,5,20"}),
    ],
    ids=["candles", "observations"],
)
def test_tables_of_bars_and_of_observations(tmp_path, quarantine, header, lines, bad):
    path = table(tmp_path, "a.csv", header, dirty(lines, bad))
    clean = table(tmp_path, "b.csv", header, without(lines, bad))
    first, second = (
        open_source(p, quarantine=q, **({"symbol": "X"} if header == CANDLES else {}))
        for p, q in ((path, quarantine), (clean, None))
    )
    assert told(first) == told(second) and {row for _, row in quarantine.rows} == set(bad)


def pair(folder, message, book):
    folder.mkdir()
    (folder / BOOK).write_text(text(book))
    (folder / MESSAGE).write_text(text(message))
    return folder / MESSAGE


def test_a_bad_row_of_either_file_of_a_pair(tmp_path, quarantine):
    message = dirty(messages(), {20: "34209.5,1,x,10,1000000,1", 50: "34224.5,1,50,-1,1000000,1"})
    book = dirty(books(), {70: "1000100,5,-1000000,7"})
    found = open_source(pair(tmp_path / "a", message, book), quarantine=quarantine)
    (events,) = (np.concatenate(list(found)),)
    clean = [without(lines, {20, 50, 70}) for lines in (messages(), books())]
    want = np.concatenate(list(open_source(pair(tmp_path / "b", *clean))))
    for name in set(events.dtype.names) - {"sequence"}:
        assert (events[name] == want[name]).all(), name
    assert not {20, 50, 70} & set(events["sequence"].tolist()) and events["sequence"][-1] == 300
    assert {(p.rsplit("_", 2)[1], row) for p, row in quarantine.rows} == {
        ("message", 20),
        ("message", 50),
        ("orderbook", 70),
    }


def test_the_first_row_of_a_pair_and_a_short_file_are_refused_all_the_same(tmp_path, quarantine):
    path = pair(tmp_path / "a", dirty(messages(), {1: "x,1,1,1,1,1"}), books())
    with pytest.raises(InputError, match="row 1"):
        told(open_source(path, quarantine=quarantine))
    path = pair(tmp_path / "b", messages(), books()[:-3])
    with pytest.raises(InputError, match="ends after row 297"):
        told(open_source(path, quarantine=quarantine))


def test_a_bad_line_of_a_feed_with_a_sequence_is_a_gap(tmp_path, quarantine):
    lines, _ = spot(500)
    lines[401] = lines[401][:-40]
    path = written(tmp_path / "a.jsonl", lines)
    events = np.concatenate(list(open_source(path, quarantine=quarantine)))
    (gap,) = np.flatnonzero(events["bits"] & GAP)
    assert events["action"][gap] == CLEAR and events["sequence"][gap] == 502
    assert [row for _, row in quarantine.rows] == [402]


@pytest.mark.slow
def test_a_recording_of_bitstamp(data, tmp_path, quarantine):
    path = data / "bitstamp_l3" / "2015-05-01_00-16h.log.zst"
    lines = next(blocks(path, 3_000)).data.splitlines()
    bad = {40: b"1430438400000 order_created {", 2_000: b"x", 2_500: lines[2_499][:40]}
    broken = [bad.get(row, line) for row, line in enumerate(lines, 1)]
    for name, rows in (("a", broken), ("b", without(lines, bad))):
        (tmp_path / f"{name}.log").write_bytes(b"\n".join(rows) + b"\n")
    found = open_source(tmp_path / "a.log", quarantine=quarantine)
    assert told(found) == told(open_source(tmp_path / "b.log"))
    assert {row for _, row in quarantine.rows} == set(bad)


def test_blocks_are_only_cut_where_a_line_is_bad(quarantine, tmp_path):
    def check(block):
        if b"x" in block.data:
            raise InputError(f"{tmp_path}: line {block.first}: holds an x")

    data = b"".join(b"x\n" if k in (5, 6, 90) else b"%d\n" % k for k in range(1, 101))
    parts = list(sound(tmp_path, [Block(1, data)], check, quarantine))
    kept = [int(line) for part in parts for line in part.data.split()]
    assert kept == [k for k in range(1, 101) if k not in (5, 6, 90)]
    assert all(int(part.data.split()[0]) == part.first for part in parts)
    assert quarantine.counts == {"holds an x": 3}


def test_a_hopeless_file_is_given_up_early(quarantine, tmp_path):
    def check(block):
        raise InputError("no")

    asked = iter([Block(1 + 500 * k, b"x\n" * 500) for k in range(100)])
    with pytest.raises(InputError, match="rows are bad"):
        list(sound(tmp_path, asked, check, quarantine))
    assert len(list(asked)) > 90


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Quarantine(tmp_path / "file" / "below")
