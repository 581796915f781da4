"""What went into the lake comes out of it, bit for bit, whole or in part."""

import numpy as np
import pytest
from lakes import A, B, bars, fill, joined, observations, pieces, read, recording, same, two_days

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.schema import DAY, EVENT, LAST, SNAPSHOT, Chunk, zeros
from flowsense.sources import chunks
from flowsense.sources.ingest import ingest
from flowsense.sources.lake import Lake, aligned, claims
from flowsense.sources.merge import Merged
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit
from flowsense.store.lake import escaped, save
from flowsense.store.lake_parts import HELD, group_size, in_order, stored
from flowsense.testing import tape_of

LATER = "2023-12-10"  # the second of the two days
NONE = bars(0), observations(0)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lakes") / "lake"
    told = (iter([x]) for x in (two_days(), bars(8), observations(7)))
    fill(folder, aligned(*told), kinds=("fear",))
    return folder


def of_second_day(records):
    return records[records["ts_recv"] >= 19_701 * DAY]


def test_a_stream_over_midnight_is_read_bit_equal(lake):
    for _ in range(2):
        assert same(read(lake), [two_days(), bars(8), observations(7)])
    source = Lake(lake)
    assert source.instruments == (A, B) and source.kinds == ("fear",)
    assert source.name == str(lake) and all(path.is_file() for path in source.files)
    assert np.concatenate(list(source)).tobytes() == two_days().tobytes()


@pytest.mark.slow
def test_chunks_end_with_a_whole_message_and_hold_what_came_before_their_end(tmp_path):
    told = [Chunk(two_days(9_000), *NONE)]
    fill(tmp_path, told)
    found = list(chunks(Lake(tmp_path)))
    assert len(found) > 2
    assert all(chunk.events["bits"][-1] & LAST for chunk in found)


def test_chunks_keep_bars_and_observations_in_their_place():
    events, end = two_days(), 0
    parts = iter(np.array_split(events, 50)), iter([bars(8)]), iter([observations(7)])
    found = list(aligned(*parts))
    assert same(joined(found), (events, bars(8), observations(7)))
    for chunk in found:
        times = np.concatenate([records["ts_recv"] for records in chunk])
        assert times.min() >= end
        end = times.max()


def test_of_a_lake_without_events_come_bars_and_observations(tmp_path):
    told = Chunk(zeros(EVENT), bars(8), observations(7))
    fill(tmp_path, [told], kinds=("fear",))
    assert same(read(tmp_path), told)
    assert not list(Lake(tmp_path))


@pytest.mark.parametrize(
    "address",
    ["/toy/B%2FUSD", "/*/B*", "/events/venue=toy/instrument=B%2FUSD", "/venue=toy/B%2FUSD"],
)
def test_one_instrument_is_what_the_whole_says_of_it(lake, address):
    source = open_source(f"{lake}{address}")
    expected = two_days()[two_days()["instrument"] == 1].copy()
    expected["instrument"] = 0
    assert source.instruments == (B,)
    assert np.concatenate(list(source)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("days", ["@2023-12-09", "@..2023-12-09", "@2023-12-01..2023-12-09"])
def test_the_first_day_is_the_first_part(lake, days):
    found = joined(chunks(open_source(f"{lake}{days}")))
    assert found[0].tobytes() == two_days()[two_days()["ts_recv"] < 19_701 * DAY].tobytes()


@pytest.mark.parametrize("days", [f"@{LATER}", f"@{LATER}..", f"/toy/*/day={LATER}"])
def test_a_later_day_begins_with_a_snapshot_of_each_book(lake, days):
    events, *others = joined(chunks(open_source(f"{lake}{days}")))
    own = of_second_day(two_days())
    opening = events[: -len(own)]
    assert events[-len(own) :].tobytes() == own.tobytes()
    assert (opening["bits"] & SNAPSHOT).all() and (opening["ts_recv"] == 19_701 * DAY).all()
    assert np.unique(opening["instrument"]).tolist() == [0, 1]
    assert same(others, [of_second_day(bars(8)), of_second_day(observations(7))])


@pytest.mark.compiled
def test_books_of_a_later_day_are_those_of_the_whole(lake):
    grid = spec(("depth",), ("interval:100ms",))
    rows = [
        tape_of(grid, (A, B), np.concatenate(list(open_source(at))).view(EVENT)).rows[0]
        for at in (lake, f"{lake}@{LATER}")
    ]
    whole, part = (r.book[r.ts > int(two_days()["ts_recv"][1_500])] for r in rows)
    assert len(part) > 100 and whole.tobytes() == part.tobytes()


@pytest.mark.parametrize("symbol", ["X[0]", "*", "a?b", "_a%2Ab", "ü/..", "."])
def test_every_name_is_found_as_the_folders_have_it(symbol, tmp_path):
    table = (A._replace(symbol=symbol), B._replace(symbol="X0"))
    fill(tmp_path, pieces(two_days(200)), table=table)
    folder = tmp_path / "events" / "venue=toy" / f"instrument={escaped(symbol)}"
    assert [i.symbol for i in open_source(folder).instruments] == [symbol]
    address = f"{tmp_path}/toy/instrument={escaped(symbol)}@2023-12-09"
    assert [i.symbol for i in open_source(address).instruments] == [symbol]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("/toy/C", r"holds none of that: it has toy/A, toy/B%2FUSD from 2023-12-09 to 2023-12-10"),
        ("@2024-01-01", "holds none of that"),
        ("@2023-12-10..2023-12-09", "its first day is after its last: swap them"),
        ("@2023-13-10", "month must be in 1..12: write days like"),
        ("/toy/A/day=x", "write days like 2012-06-21"),
        ("/toy/A/2023-12-09/more", "write DIR/VENUE/INSTRUMENT@DAY..DAY"),
        ("/toy/A/2023-12-09@2023-12-09", "write DIR/VENUE/INSTRUMENT@DAY..DAY"),
    ],
)
def test_an_address_of_nothing_is_refused(lake, address, why):
    with pytest.raises(InputError, match=why):
        open_source(f"{lake}{address}")


def test_an_empty_lake_says_so(tmp_path):
    fill(tmp_path, [])
    assert not list(open_source(tmp_path)) and open_source(tmp_path).instruments == (A, B)
    with pytest.raises(InputError, match="holds none of that: it is empty"):
        open_source(tmp_path / "nasdaq")


def test_what_lies_in_no_lake_is_not_claimed(lake, tmp_path):
    assert claims(lake, b"") and not claims(tmp_path, b"") and not claims(lake / "lake.json", b"")
    with pytest.raises(InputError, match="lies in no lake: check the name"):
        Lake(tmp_path)


def test_a_lake_in_a_folder_is_found_as_one(lake):
    assert [s.name for s in (open_source(lake.parent),)] == [str(lake)]


def test_other_units_are_refused(lake):
    source = Lake(lake)
    units = {("A", "toy"): (Unit(1, -2), Unit(1, 0)), ("B/USD", "toy"): (Unit(1, -2), Unit(1, 0))}
    assert source.in_units(units) is source
    with pytest.raises(InputError, match=r"its tick 0\.01 is another"):
        source.in_units({key: (Unit(1, -3), Unit(1, 0)) for key in units})


def damaged(folder, how):
    """A lake whose second file was changed."""
    fill(folder, pieces(two_days()))
    path = Lake(folder).files[1]
    how(path)
    return path


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "damaged, its SHA-256"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9] + b"~" * 9), "damaged, its SHA-256"),
        (lambda path: path.write_bytes(b""), "damaged, its SHA-256"),
    ],
    ids=["gone", "cut", "changed", "empty"],
)
def test_a_damaged_file_is_named(tmp_path, how, why):
    path = damaged(tmp_path, how)
    with pytest.raises(InputError, match=why) as told:
        read(tmp_path)
    assert str(told.value).startswith(f"{path}: ")
    assert "recordings/" in str(told.value) and "ingest f again" in str(told.value)


def test_what_is_not_complete_is_read_as_far_as_it_goes(tmp_path):
    fill(tmp_path, pieces(two_days()))
    half = recording()
    whole = Lake(tmp_path).source.recording
    save(tmp_path, type(whole)(half.files, "{}", "f", (A, B), (), 0, whole.spans[:1], False))
    events, *_ = read(tmp_path)
    assert events.tobytes() == two_days()[two_days()["ts_recv"] < 19_701 * DAY].tobytes()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 5))]
)
def test_files_of_many_instruments_come_back_in_order(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("flowsense.store.lake_parts.ENOUGH", 256)
    monkeypatch.setattr("flowsense.store.lake_write.group_size", lambda parts: 64)
    rng = np.random.default_rng(seed)
    events = zeros(EVENT, 5_000)
    events["instrument"] = np.minimum(rng.geometric(0.1, len(events)), 40) - 1
    events["sequence"], events["bits"] = np.arange(len(events)), LAST
    table = tuple(A._replace(symbol=f"S{k}") for k in range(40))
    fill(tmp_path, pieces(events), table=table)
    stream = Lake(tmp_path).source
    files = [stored(tmp_path, stream.recording, *one) for one in stream.parts()]
    found = list(in_order(files, "events"))
    assert len(found) > 5 and max(map(len, found)) < 5_000
    assert np.concatenate(found).tobytes() == events.tobytes()


def test_row_groups_are_small_where_many_are_read_at_once():
    assert [group_size(n) for n in (1, 8, 100, 10**6)] == [HELD // 8, HELD // 8, 10_485, 1_024]


RECORDED = {
    "lobster": ["lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst"],
    "merged": [
        "lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst",
        "lobster/AMZN_2012-06-21_34200000_52200000_message_5.csv.zst",
    ],
    "binance": [
        "binance_ws_raw/usdm_btcusdt_20240718.jsonl.zst",
        "binance_ws_raw/usdm_btcusdt_20240719.jsonl.zst",
        "binance_ws_raw/spot_ethusdt_20240808.jsonl.zst",
    ],
    "mixed": [
        "bitfinex_1m/BTCUSD_2018.parquet",
        "binance_ws_raw/spot_ethusdt_20240808.jsonl.zst",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("names", RECORDED.values(), ids=RECORDED)
def test_recordings_are_read_bit_equal(data, tmp_path, names):
    paths = [data / name for name in names]
    list(ingest(paths, tmp_path))
    source, found = open_source(paths), open_source(tmp_path)
    assert found.instruments == source.instruments
    assert isinstance(source, Merged) == (len(found.source.sources) > 1 if len(names) > 1 else 0)
    assert same(joined(chunks(found)), joined(chunks(source)))
