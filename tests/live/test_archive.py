"""Live recordings: what went in comes out, also where the process is killed in between."""

import shutil
from errno import ENOSPC

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.live.archive import Archive
from flowsense.schema import BAR, EVENT, SECOND, zeros
from flowsense.simulate.market import Market, simulate
from flowsense.sources import chunks
from flowsense.sources.open import open_source
from flowsense.store.journal import Journal
from flowsense.store.lake_spool import Spool
from flowsense.store.lake_write import Writer

START = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def market():
    found = simulate(Market(), 30.0, seed=3)
    return found.instruments, found.events


def pieces(events, seed):
    """The stream in random pieces that end with a message."""
    ends = np.flatnonzero(events["bits"] & 1) + 1
    cuts = np.sort(np.random.default_rng(seed).choice(ends[:-1], 40, replace=False))
    return [part.view(EVENT) for part in np.split(events, cuts)]


def read(folder):
    return np.concatenate(list(open_source([folder]))).view(EVENT)


def test_what_was_heard_is_in_the_lake_bit_for_bit(market, tmp_path):
    table, events = market
    archive = Archive(tmp_path / "lake", table, START, every_ns=5 * SECOND)
    for piece in pieces(events, 1):
        archive.put(piece)
    archive.close()
    assert read(tmp_path / "lake").tobytes() == events.tobytes()


@pytest.mark.parametrize("kept", [0, 1, 17, 39])
def test_after_a_kill_all_that_was_written_is_put_in_order(market, tmp_path, kept):
    table, events = market
    parts, place = pieces(events, 2), tmp_path / "lake"
    archive = Archive(place, table, START, every_ns=5 * SECOND)
    for piece in parts[:kept]:
        archive.put(piece)
    if archive.last is not None:
        archive.last.result()
    shutil.copytree(place, tmp_path / "killed")  # as a killed process leaves it
    archive.close()
    again = Archive(tmp_path / "killed", table, START + 3600 * SECOND)
    again.close()
    before = sum(map(len, parts[:kept]))
    if kept:
        assert read(tmp_path / "killed").tobytes() == events[:before].tobytes()
    assert 0 <= again.recovered <= before


def barred(parts):
    """With each piece the bars known by then, every other one told alone before it."""
    for k, events in enumerate(parts):
        bars = zeros(BAR, 2)
        bars["ts_recv"], bars["close"] = events["ts_recv"][[0, -1]], (k, k + 1)
        if k % 2:
            yield events[:0], bars[:1]
        yield events, bars[k % 2 :]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [3, 60])
def test_bars_are_kept_with_events_also_where_it_is_killed(market, tmp_path, kept):
    table, events = market
    parts, place = [*barred(pieces(events, 4))][:kept], tmp_path / "lake"
    archive = Archive(place, table, START, every_ns=5 * SECOND)
    for piece in parts:
        archive.put(*piece)
    archive.last.result()
    shutil.copytree(place, tmp_path / "killed")
    archive.close()
    Archive(tmp_path / "killed", table, START + 3600 * SECOND).close()
    for folder in (place, tmp_path / "killed"):
        found = [*chunks(open_source([folder]))]
        for kind in range(2):
            told = b"".join(part[kind].tobytes() for part in parts)
            assert b"".join(chunk[kind].tobytes() for chunk in found) == told


def test_two_cannot_write_one_lake(market, tmp_path):
    archive = Archive(tmp_path / "lake", market[0], START)
    with pytest.raises(InputError, match="writes to it"):
        Archive(tmp_path / "lake", market[0], START + 1)
    archive.close()


FULL = OSError(ENOSPC, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("what", [(Spool, "add"), (Writer, "part"), (Journal, "_open")])
@pytest.mark.parametrize("first", [0, 11])
def test_a_disk_that_refuses_for_a_while_costs_nothing(market, tmp_path, monkeypatch, what, first):
    table, events = market
    place, refused = tmp_path / "lake", []
    archive = Archive(place, table, START, every_ns=3 * SECOND)

    def refuse(*args):
        refused.append(args)
        raise FULL

    for k, piece in enumerate(pieces(events, 3)):
        with monkeypatch.context() as disk:
            if first <= k < first + 8:
                disk.setattr(*what, refuse)
            archive.put(piece)
            archive.last.result()
            assert not refused or k > first + 7 or "cannot be written" in archive.trouble
        if k == first + 4:
            shutil.copytree(place, tmp_path / "killed")
    archive.close()
    assert refused and read(place).tobytes() == events.tobytes()
    Archive(tmp_path / "killed", table, START + 3600 * SECOND).close()
    left = read(tmp_path / "killed").tobytes() if first else b""
    assert events.tobytes().startswith(left) and bool(left) == bool(first)


def test_what_the_disk_takes_at_the_end_is_in_the_lake(market, tmp_path, monkeypatch):
    table, events = market
    archive = Archive(tmp_path / "lake", table, START)
    with monkeypatch.context() as disk:
        disk.setattr(Spool, "add", lambda *args: (_ for _ in ()).throw(FULL))
        archive.put(events)
        archive.last.result()
    archive.close()
    assert read(tmp_path / "lake").tobytes() == events.tobytes()


def test_what_no_memory_would_hold_ends_the_recording_where_it_is_whole(
    market, tmp_path, monkeypatch
):
    """A disk that refuses for too long: what waited is written, what came later is counted."""
    table, events = market
    parts, most = pieces(events, 4), 2_000
    archive = Archive(tmp_path / "lake", table, START, most=most)
    with monkeypatch.context() as disk:
        disk.setattr(Journal, "append", refused)
        for part in parts:
            archive.put(part)
            archive.last.result()
    assert "No space left" in archive.trouble and archive.lost
    archive.next = 0  # the while is over
    archive.put(parts[0])
    archive.last.result()
    assert "the recording has ended" in archive.trouble
    archive.close()
    got = read(tmp_path / "lake")
    assert events.tobytes().startswith(got.tobytes()) and most < len(got) < most + 2_000
    assert len(got) + archive.lost == len(events) + len(parts[0])


def refused(*args):
    raise FULL
