"""What a recorder keeps is what a venue said, through faults and kills, in virtual time."""

import shutil

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.live.archive import Archive
from flowsense.live.feed import Address
from flowsense.live.recorder import Recorder
from flowsense.live.tables import wanted
from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import EVENT, GAP, Decimal, Instrument
from flowsense.sources.open import open_source
from flowsense.testing.loop import run
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge

VENUE = "binance-spot"
SYMBOLS = ("AAAUSDT", "BBBUSDT")
TABLE = tuple(Instrument(s, VENUE, Decimal(1, -2), Decimal(1, 0)) for s in SYMBOLS)
WANTED = {VENUE: SYMBOLS}


def recorded(lake, *, faults=(), names=WANTED, seconds=3.0, look=lambda kept: None, **more):
    """What was kept of so many seconds, and all that the feeds told."""
    market = Recording(TABLE, merge(*(by_level(by_order(400, 7 + k, k)) for k in range(2))))
    heard = []

    async def go():
        said = speaker(VENUE)(TABLE)
        steps = script([*faults], "faults", SYMBOLS)
        async with Replay(Messages(market), said, faults=steps) as venue:
            address = {VENUE: Address(venue.stream, venue.rest)}
            recorder = Recorder(names, lake, addresses=address, **more)
            hear = recorder._hear
            recorder._hear = lambda what, told: (heard.append(told.events), hear(what, told))
            return await recorder.run(lambda: recorder.kept().seconds >= seconds, look=look)

    return run(go()), np.concatenate(heard or [np.zeros(0, EVENT)])


def read(lake):
    return np.concatenate(list(open_source([lake]))).view(EVENT)


@pytest.mark.slow
def test_what_was_heard_is_in_the_lake(tmp_path):
    kept, heard = recorded(tmp_path / "lake")
    found = read(tmp_path / "lake")
    assert kept.events == len(heard) > 200 and (kept.gaps, kept.reconnects) == (0, 0)
    assert found.tobytes() == heard.tobytes() and set(found["instrument"].tolist()) == {0, 1}


@pytest.mark.slow
def test_faults_are_counted_and_holes_are_kept_as_holes(tmp_path):
    faults = ({"at": 0.8, "do": "drop", "count": 2}, {"at": 1.5, "do": "reset"})
    kept, heard = recorded(tmp_path / "lake", faults=faults)
    assert kept.gaps >= 1 and kept.reconnects == 1
    found = read(tmp_path / "lake")
    assert found.tobytes() == heard.tobytes() and (found["bits"] & GAP).any()


@pytest.mark.slow
def test_a_killed_process_loses_what_was_not_written_and_nothing_else(tmp_path):
    copies = []

    def look(kept):
        if kept.seconds > 2 and not copies:
            copies.append((kept.events, tmp_path / "killed"))
            shutil.copytree(tmp_path / "lake", tmp_path / "killed")

    _, heard = recorded(tmp_path / "lake", look=look)
    ((events, lake),) = copies
    again = Archive(lake, TABLE, 1)
    again.close()
    assert read(lake).tobytes() == heard[: again.recovered].tobytes()
    assert 0.8 * events < again.recovered <= events


def test_what_cannot_be_recorded_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(InputError, match="CCCUSDT"):
        recorded(tmp_path / "lake", names={VENUE: ("CCCUSDT",)})
    assert not (tmp_path / "lake").exists()
    first = Archive(tmp_path / "lake", TABLE, 1)
    with pytest.raises(InputError, match="writes to it"):
        recorded(tmp_path / "lake")
    first.close()
    with pytest.raises(InputError, match="give 100 at most"):
        recorded(tmp_path / "lake", names={VENUE: tuple(f"A{k}" for k in range(101))})


@pytest.mark.slow
def test_a_disk_that_refuses_for_long_ends_it(tmp_path):
    said = []

    def look(kept):
        said.append(kept.trouble)
        if len(said) == 1:
            shutil.rmtree(tmp_path / "lake")

    with pytest.raises(InputError, match="cannot be written"):
        recorded(tmp_path / "lake", look=look, most=200)


def test_symbols_name_their_venue():
    assert wanted(["okx:BTC-USDT", "x:a:b"]) == {"okx": ("BTC-USDT",), "x": ("a:b",)}
    with pytest.raises(InputError, match="no symbol"):
        wanted([])
    with pytest.raises(InputError, match="okx and okx/1m are one venue"):
        wanted(["okx:BTC-USDT", "okx/1m:ETH-USDT"])
    assert len(wanted(["databento/A/mbo:X", "databento/B/mbo:X"])) == 2
