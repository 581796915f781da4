"""Spans go in whole or not at all, in order, from one writer at a time."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from lakes import (
    NOON,
    TABLE,
    A,
    bars,
    file,
    fill,
    kept,
    observations,
    pieces,
    read,
    recording,
    same,
    two_days,
)

from flowsense.errors import InputError
from flowsense.schema import DAY, EVENT, EVERY, NEVER, Chunk, zeros
from flowsense.sources.lake import Lake
from flowsense.sources.recorded import Recorded
from flowsense.store import lake_write
from flowsense.store.lake import places, recordings
from flowsense.store.lake_spool import Spool
from flowsense.store.lake_write import Unwritable, days, locked, ordered, record
from flowsense.testing.streams import cut

NONE = bars(0), observations(0)


def alone(events):
    return Chunk(events, *NONE)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def stops(chunks, after, error=KeyboardInterrupt):
    """These chunks, and then no more."""
    for number, chunk in enumerate(chunks):
        if number == after:
            raise error("enough")
        yield chunk


def test_a_file_lies_where_its_names_say(tmp_path):
    done = fill(tmp_path, pieces(two_days()))
    first = f"events/venue=toy/instrument=B%2FUSD/day=2023-12-09/{done.id}-000000-1.parquet"
    assert done.done and [span.day for span in done.spans] == [19_700, 19_701]
    assert first in files(tmp_path) and len(files(tmp_path)) == 4 + 3  # manifest, mark, lock
    assert sum(p.rows for span in done.spans for p in span.parts) == len(two_days())


def test_a_file_of_a_later_day_is_a_recording_by_itself(tmp_path):
    done = fill(tmp_path, pieces(two_days()))
    *_, path = (p for p, _, number, part in places(tmp_path, [done]) if part.instrument == 1)
    events = np.concatenate(list(Recorded(path)))
    positions = pq.read_table(path)["position"].to_numpy()
    opened = int((positions < 0).sum())
    assert opened > 5 and (np.diff(positions) > 0).all()
    assert (events["ts_recv"][:opened] == 19_701 * DAY).all() and not events["instrument"].any()
    assert Recorded(path).instruments == TABLE[1:]


def test_a_day_of_many_events_becomes_several_spans(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_write, "SPAN", 300)
    done = fill(tmp_path, pieces(two_days()))
    assert len(done.spans) == 8
    assert all(a.last <= b.first for a, b in pairwise(done.spans))
    assert same(read(tmp_path), [two_days(), *NONE])


def test_an_interrupted_recording_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_write, "SPAN", 300)
    monkeypatch.setattr(lake_write, "OFTEN", 1)
    told = pieces(two_days())
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, stops(told, 15))
    (half,) = recordings(tmp_path)
    before = {p: p.stat().st_mtime_ns for p, *_ in places(tmp_path, [half])}
    assert not half.done and len(before) == 6 and len(files(tmp_path)) == 9
    with locked(tmp_path):
        record(tmp_path, half, told, kept)
    assert same(read(tmp_path), [two_days(), *NONE])
    assert before.items() <= {p: p.stat().st_mtime_ns for p in Lake(tmp_path).files}.items()


@pytest.mark.slow
def test_what_goes_on_is_what_an_undisturbed_call_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_write, "SPAN", 300)
    monkeypatch.setattr(lake_write, "OFTEN", 1)
    told = [*cut(Chunk(two_days(), bars(20), observations(9)), tuple(range(150, 3_000, 150)))]
    whole = fill(tmp_path / "a", told, kinds=("fear",))
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "b", stops(told, 15), kinds=("fear",))
    (half,) = recordings(tmp_path / "b")
    with locked(tmp_path / "b"):
        assert record(tmp_path / "b", half, told, kept) == whole
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_source_that_fails_leaves_nothing_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_write, "OFTEN", 1)
    fill(tmp_path, pieces(two_days()), name="good")
    before = files(tmp_path)
    other = recording("bad", (A._replace(symbol="C"), TABLE[1]._replace(symbol="D")), order=1)
    with pytest.raises(InputError, match="enough"), locked(tmp_path):
        record(tmp_path, other, stops(pieces(two_days()), 30, InputError), kept)
    assert files(tmp_path) == before


def test_a_source_that_becomes_shorter_is_refused(tmp_path):
    told = pieces(two_days())
    done = fill(tmp_path, told)
    why = "f: gives other records than those of it that are in the lake: delete .*json and"
    with locked(tmp_path), pytest.raises(InputError, match=why):
        record(tmp_path, done, told[:3], kept)
    assert recordings(tmp_path) == (done,)


def test_every_chunk_passes_the_watch_and_what_it_gives_is_kept(tmp_path):
    seen = []

    def watch(chunk):
        seen.append(len(chunk.events))
        return chunk._replace(events=chunk.events[chunk.events["instrument"] == 0])

    with locked(tmp_path):
        record(tmp_path, recording(), pieces(two_days()), watch)
    events = two_days()
    assert sum(seen) == len(events)
    assert same(read(tmp_path), [events[events["instrument"] == 0], *NONE])


def test_only_one_writer_at_a_time(tmp_path):
    with locked(tmp_path):
        why = rf"process {os.getpid()} writes to it \(ingest, record or serve\): wait"
        with pytest.raises(InputError, match=why), locked(tmp_path):
            pass
    with locked(tmp_path):
        pass


def test_a_writer_cleans_up_after_one_that_was_killed(tmp_path):
    done = fill(tmp_path, pieces(two_days()))
    (path, *_), *_ = places(tmp_path, [done])
    shutil.copy(path, path.with_name(f"{done.id}-000009-0.parquet"))
    mine = path.with_name("mine.parquet")
    shutil.copy(path, mine)
    (tmp_path / ".drafts").mkdir(exist_ok=True)
    (tmp_path / ".drafts" / "half").touch()
    before = {*files(tmp_path)}
    with locked(tmp_path):
        gone = before - {*files(tmp_path)}
    assert {name.split("/")[-1] for name in gone} == {"half", f"{done.id}-000009-0.parquet"}
    assert mine.exists()


def test_two_recordings_of_one_kind_for_all_at_one_time_are_refused(tmp_path):
    told = observations(9)
    told["instrument"] = EVERY
    chunk = Chunk(two_days()[:0], bars(0), told)
    how = {"table": (), "kinds": ("fear",)}
    fill(tmp_path, [chunk], name="one", **how)
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"two: tells of fear at the same time as one: leave"):
        fill(tmp_path, [chunk], name="two", order=1, **how)
    assert files(tmp_path) == before


def test_a_value_that_is_not_finite_stays_out(tmp_path):
    told = observations(9)
    told["value"][4] = np.inf
    with pytest.raises(InputError, match="observations: value inf at 4: leave it out"):
        fill(tmp_path, [Chunk(two_days()[:0], bars(0), told)])
    assert not list(tmp_path.rglob("*.parquet"))


def test_two_recordings_of_one_instrument_at_one_time_are_refused(tmp_path):
    fill(tmp_path, pieces(two_days()), name="one")
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"two: tells of A at toy at the same time as one: leave"):
        fill(tmp_path, pieces(two_days()), name="two", order=1)
    assert files(tmp_path) == before
    later = two_days()
    later["ts_recv"] += 9 * DAY
    fill(tmp_path, pieces(later), name="three", order=1)
    assert len(np.concatenate(list(Lake(tmp_path)))) == 2 * len(later)


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (alone(two_days()[::-1]), "events: ts_recv falls"),
        (Chunk(zeros(EVENT), bars(3)[::-1], NONE[1]), "bars: ts_recv falls"),
    ],
)
def test_records_out_of_order_are_refused(chunk, why):
    with pytest.raises(InputError, match=why):
        ordered(chunk, 2, -NEVER)


def test_instruments_that_are_not_told_are_refused():
    events, everyone = two_days()[:9], observations(3)
    with pytest.raises(InputError, match="events: an instrument that is not among the 1 told"):
        ordered(alone(events), 1, -NEVER)
    assert ordered(Chunk(zeros(EVENT), NONE[0], everyone), 2, -NEVER) == everyone["ts_recv"][-1]
    everyone["instrument"] = -2
    with pytest.raises(InputError, match="observations: an instrument"):
        ordered(Chunk(zeros(EVENT), NONE[0], everyone), 2, -NEVER)
    with pytest.raises(InputError, match=f"events: ts_recv falls near {NOON}"):
        ordered(alone(events), 2, NOON + 1)


def test_days_are_cut_at_midnight_utc():
    events = np.zeros(4, EVENT)
    events["ts_recv"] = [DAY - 1, DAY, 2 * DAY - 1, 9 * DAY]
    found = [(day, len(chunk.events)) for day, chunk in days(alone(events))]
    assert found == [(0, 1), (1, 2), (9, 1)]
    assert not list(days(alone(events[:0])))


@pytest.mark.parametrize("size", [1, 7, 64, 1_000, 10**6])
def test_a_spool_gives_back_each_instrument_in_order(tmp_path, monkeypatch, size):
    monkeypatch.setattr("flowsense.store.lake_spool.RUN", 100)
    rng, spool = np.random.default_rng(size), Spool("events", tmp_path)
    events = zeros(EVENT, 1_500)
    events["instrument"] = np.minimum(rng.integers(0, 40, len(events)), 9)
    for start in range(0, len(events), 37):
        spool.add(events[start : start + 37], start)
    for who in spool.instruments():
        groups = list(spool.of(who, size))
        assert all(len(g) == size for g in groups[:-1]) and 0 < len(groups[-1]) <= size
        positions = np.concatenate(groups)["position"]
        assert positions.tolist() == np.flatnonzero(events["instrument"] == who).tolist()
    spool.close()
    assert not list(tmp_path.iterdir())


FULL = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from lakes import fill, pieces, two_days
fill(Path({folder!r}), pieces(two_days(60_000)))
"""


def mounted(folder, how, code):
    """What `code` says on a small disk of its own; skips where that is not allowed."""
    mount = f"mount -t tmpfs -o {how} none {folder} && {{}}; exit $?"
    call = ["unshare", "-rm", "sh", "-c", mount]
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            [*call[:-1], mount.format("true")], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("a disk of one's own cannot be mounted here")
    run = mount.format(f'{sys.executable} -c "$CODE"')
    env = os.environ | {"CODE": code}
    return subprocess.run([*call[:-1], run], capture_output=True, text=True, env=env, check=False)


@pytest.mark.slow
def test_a_full_disk_is_named_with_the_bytes_left(tmp_path):
    code = FULL.format(path=sys.path, folder=str(tmp_path / "lake"))
    found = mounted(tmp_path, "size=2m", code)
    last = found.stderr.splitlines()[-1]
    assert "lake: cannot be written: No space left on device (" in last and "bytes free)" in last
    assert "the same command goes on from it" in last


@pytest.mark.slow
def test_a_disk_that_may_only_be_read_is_named(tmp_path):
    code = FULL.format(path=sys.path, folder=str(tmp_path / "lake"))
    last = mounted(tmp_path, "ro", code).stderr.splitlines()[-1]
    assert "cannot be written: Read-only file system" in last


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    fill(tmp_path / "lake", pieces(two_days()))
    (tmp_path / "lake").chmod(0o500)
    with pytest.raises(InputError, match="lake: cannot be written: Permission denied"):
        fill(tmp_path / "lake", pieces(two_days()), name="other")


def test_a_disk_that_fails_is_named_and_the_call_goes_on_later(tmp_path, monkeypatch):
    monkeypatch.setattr(lake_write, "OFTEN", 1)
    told, real = pieces(two_days()), os.fsync

    def failing(handle):
        if any((tmp_path / "lake").glob("recordings/*.json")):
            raise OSError(5, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(Unwritable, match="lake: cannot be written: Input/output error: make room"):
        fill(tmp_path / "lake", told)
    monkeypatch.setattr(os, "fsync", real)
    (half,) = recordings(tmp_path / "lake")
    assert len(half.spans) == 1 and not half.done
    with locked(tmp_path / "lake"):
        record(tmp_path / "lake", half, told, kept)
    assert same(read(tmp_path / "lake"), [two_days(), *NONE])


def test_files_are_known_by_content():
    one, other = recording("a"), recording("b")
    assert one.id != other.id
    renamed = recording("a").files[0]._replace(name="elsewhere")
    assert file("a") != renamed and recording("a").id == one.id
