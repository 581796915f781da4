"""What a quarantine takes out of a stream, and that all else is as it was."""

import numpy as np
import pytest
from markets import L2, book, stream

from flowsense.features.screened import Screened, screening
from flowsense.schema import EVENT, LAST, SET, TRADE
from flowsense.sources.open import open_source
from flowsense.sources.quarantine import Quarantine
from flowsense.store.events import write_events
from flowsense.testing import Recording
from flowsense.train.health import examined

TWO_SIDED = book((1, 100, 5), (-1, 102, 5))
LINES = [(SET, 1, 90 + k % 7, k + 1, LAST) for k in range(50)]
FAR = (TRADE, 1, 900, 1, LAST)


def market(*lines):
    events = stream(*TWO_SIDED, *lines)
    events["sequence"] += 1
    return events


def screened(events, folder):
    quarantine = Quarantine(folder)
    source = Screened(Recording((L2,), events), quarantine)
    return np.concatenate(list(source)).view(EVENT), quarantine


def test_a_trade_off_market_is_put_aside_and_one_at_the_touch_is_not(tmp_path):
    events = market(*LINES[:20], FAR, (TRADE, 1, 102, 1, LAST), *LINES[20:])
    found, quarantine = screened(events, tmp_path)
    assert (found == np.delete(events, 23)).all()
    (bad,) = quarantine.rows.values()
    assert (bad.row, bad.reason) == (24, "off market") and "price=900" in bad.text


def test_repeats_are_put_aside(tmp_path):
    clean = market(*LINES)
    dirty = np.concatenate([clean[:30], clean[20:30], clean[30:]]).view(EVENT)
    dirty["ts_recv"] = np.maximum.accumulate(dirty["ts_recv"])
    found, quarantine = screened(dirty, tmp_path)
    assert found["sequence"].tolist() == clean["sequence"].tolist()
    assert quarantine.counts == {"told before": 10}


def test_a_crossed_book_says_nothing_of_where_a_market_is(tmp_path):
    events = market((SET, 1, 103, 1, LAST), FAR, *LINES)
    assert not screened(events, tmp_path)[1].rows


def test_a_clean_stream_passes_as_it_is(tmp_path):
    events = market(*LINES)
    found, quarantine = screened(events, tmp_path)
    assert found.tobytes() == events.tobytes() and not quarantine.rows


def test_opened_with_a_quarantine_nothing_is_left_to_be_found(tmp_path):
    path = tmp_path / "a.parquet"
    write_events(path, (L2,), [market(*LINES, FAR, *LINES)])
    quarantine = screening(tmp_path / "aside")
    source = open_source(path, quarantine=quarantine)
    assert isinstance(source, Screened)
    names = {f.name for f in examined(source).findings}
    assert "off market" not in names and quarantine.counts == {"off market": 1}


@pytest.mark.slow
def test_a_recording_has_nothing_to_be_taken_out(data, tmp_path):
    path = data / "binance_ws_raw" / "spot_ethusdt_20240808.jsonl.zst"
    quarantine = screening(tmp_path)
    found = np.concatenate(list(open_source(path, quarantine=quarantine)))
    want = np.concatenate(list(open_source(path)))
    assert found.tobytes() == want.tobytes() and not quarantine.rows
