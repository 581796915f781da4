"""Which files go into the lake, once, in its units, and which are refused."""

import os

import numpy as np
import pytest
from lakes import TABLE, A, B, same, saved, two_days
from lakes import read as all_of

from flowsense.errors import InputError
from flowsense.schema import DAY, SECOND, Decimal
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.sources.ingest import ingest
from flowsense.sources.lake import Lake
from flowsense.sources.open import open_source
from flowsense.store import lake_write
from flowsense.store.lake import recordings

TRADES = "ts,symbol,price,size\n" + "".join(f"{k}.5,X,{10 + k / 10},{k}\n" for k in range(1, 9))


def states(*call, **how):
    return [(one.name.split("/")[-1], one.state) for one in ingest(*call, **how)]


@pytest.fixture
def day(tmp_path):
    return saved(tmp_path / "day.parquet", two_days())


@pytest.fixture
def lake(tmp_path):
    return tmp_path / "lake"


def test_a_file_goes_in_once_whatever_it_is_called(day, lake, tmp_path):
    assert states(day, lake) == [("day.parquet", "ingested")]
    assert states(day, lake) == [("day.parquet", "there already")]
    (tmp_path / "copy.parquet").write_bytes(day.read_bytes())
    assert states(tmp_path / "copy.parquet", lake) == [("copy.parquet", "there already")]
    assert same(all_of(lake), [two_days(), NO_BARS, NO_OBSERVATIONS])


def test_twice_in_one_call_is_once(day, lake, tmp_path):
    (tmp_path / "copy.parquet").write_bytes(day.read_bytes())
    found = states([day, tmp_path / "copy.parquet"], lake)
    assert found == [("day.parquet", "ingested"), ("copy.parquet", "there already")]


def test_what_was_interrupted_is_continued(day, lake, monkeypatch):
    monkeypatch.setattr(lake_write, "SPAN", 300)
    monkeypatch.setattr(lake_write, "OFTEN", 1)
    count = 0

    def watch(chunk):
        nonlocal count
        count += 1
        if count == 1:
            return chunk
        raise KeyboardInterrupt

    later = two_days(4_000)
    saved(day, later)
    with pytest.raises(KeyboardInterrupt):
        states(day, lake, watch=watch)
    assert [len(r.spans) for r in recordings(lake)] == [1]
    assert states(day, lake) == [("day.parquet", "continued")]
    assert same(all_of(lake), [later, NO_BARS, NO_OBSERVATIONS])


def test_other_options_are_another_recording(tmp_path, lake):
    table = tmp_path / "t.csv"
    table.write_text(TRADES)
    assert states(table, lake) == [("t.csv", "ingested")]
    why = "t.csv: tells of X at file at the same time as .*t.csv: leave it out, or delete .*json"
    with pytest.raises(InputError, match=why):
        states(table, lake, columns="ts=ts,price=price,size=size,symbol=symbol")
    assert len(recordings(lake)) == 1


def test_options_of_one_path_are_told_apart_too(tmp_path, lake):
    (tmp_path / "t.csv").write_text(TRADES)
    (tmp_path / "u.csv").write_text(TRADES.replace("X", "Y"))
    assert [state for _, state in states([f"{tmp_path}/t.csv?tick=0.05"], lake)] == ["ingested"]
    both = [f"{tmp_path}/t.csv?tick=0.05", tmp_path / "u.csv"]
    assert [state for _, state in states(both, lake)] == ["there already", "ingested"]
    assert [i.tick for i in Lake(lake).instruments] == [Decimal(5, -2), Decimal(1, -1)]


def test_later_files_are_read_in_the_ticks_of_the_lake(tmp_path, lake):
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(TRADES)
    second.write_text("ts,symbol,price,size\n100.5,X,11,2\n101.5,X,12,3\n")
    list(ingest(first, lake))
    list(ingest(second, lake))
    (instrument,) = Lake(lake).instruments
    assert instrument.tick == Decimal(1, -1)
    prices = np.concatenate(list(Lake(lake)))
    assert prices[prices["ts_recv"] > 100 * SECOND]["price"].max() == 120


def test_a_finer_tick_than_that_of_the_lake_is_refused(tmp_path, lake):
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(TRADES)
    second.write_text("ts,symbol,price,size\n100.5,X,11.123,2\n101.5,X,12,3\n")
    list(ingest(first, lake))
    with pytest.raises(InputError, match=r"2\.csv: .*11\.123"):
        list(ingest(second, lake))
    assert len(recordings(lake)) == 1


def test_an_instrument_that_is_described_otherwise_is_refused(day, lake, tmp_path):
    list(ingest(day, lake))
    events = two_days()
    events["ts_recv"] += 9 * DAY
    other = saved(tmp_path / "o.parquet", events, (A, B._replace(depth=5)))
    with pytest.raises(InputError, match=r"o.parquet: Instrument.*in a source before it"):
        list(ingest(other, lake))
    tick = saved(tmp_path / "t.parquet", events, (A, B._replace(tick=Decimal(1, -3))))
    with pytest.raises(InputError, match=r"t.parquet: its tick 0.01 is another"):
        list(ingest(tick, lake))
    assert len(recordings(lake)) == 1


def test_a_damaged_source_leaves_nothing_and_those_before_it_stay(day, lake, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text(TRADES + "9.5,X,nan,1\n")
    with pytest.raises(InputError, match=r"bad.csv.*nan"):
        list(ingest([day, bad], lake))
    with pytest.raises(InputError, match="no such file"):
        list(ingest(tmp_path / "none", lake))
    assert [r.name for r in recordings(lake)] in ([str(day)], [])


def test_a_file_that_changes_while_it_is_read_is_refused(day, lake):
    def watch(chunk):
        os.utime(day, ns=(1, 1))
        return chunk

    with pytest.raises(InputError, match=r"day.parquet: changed while it was read: ingest it when"):
        list(ingest(day, lake, watch=watch))
    assert recordings(lake) == ()


def test_a_lake_goes_into_another_but_not_into_itself(day, lake, tmp_path):
    list(ingest(day, lake))
    with pytest.raises(InputError, match=r"lies in .* itself: name another lake"):
        list(ingest(lake, lake))
    assert states(f"{lake}/toy/A", tmp_path / "other") == [("A", "ingested")]
    assert Lake(tmp_path / "other").instruments == TABLE[:1]


@pytest.mark.slow
def test_a_chain_of_files_grows(data, lake):
    days = [data / "binance_ws_raw" / f"usdm_btcusdt_202407{d}.jsonl.zst" for d in (18, 19)]
    first = states(days[:1], lake)
    assert [state for _, state in first] == ["ingested"]
    (grown,) = ingest(days, lake)
    assert grown.state == "continued" and len(grown.recording.spans) == 2
    whole = np.concatenate(list(open_source(days)))
    assert np.concatenate(list(Lake(lake))).tobytes() == whole.tobytes()
    assert [state for _, state in states(days[1:], lake)] == ["there already"]
