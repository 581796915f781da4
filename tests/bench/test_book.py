import numpy as np
import pytest

from flowsense.bench import book
from flowsense.schema import CLEAR, EVENT, SET
from flowsense.testing.toy import by_level, by_order


@pytest.fixture
def updates():
    events = by_level(by_order(3_000))
    return events[(events["action"] == SET) | (events["action"] == CLEAR)].view(EVENT)


def test_both_books_end_at_the_same_touch(updates):
    mine, theirs = book.ours(updates, 1, False), book.dicts(updates)
    assert mine.best == theirs.best and mine.best[0] < mine.best[1]
    assert mine.seconds > 0 and theirs.seconds > 0


def test_orders_end_at_the_same_touch_as_their_levels(updates):
    assert book.ours(by_order(3_000), 1, True).best == book.ours(updates, 1, False).best


@pytest.mark.slow
def test_without_recordings_and_peer_it_says_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = book.run()
    assert "plain Python" in result.baseline["name"] and "ns_per_update_simulated" in result.metrics
    assert all(np.isfinite(v) and v > 0 for v in result.metrics.values()) and result.ratio > 0


def test_what_the_peer_says_is_read_in_order(updates, tmp_path, monkeypatch):
    said = tmp_path / "python"
    said.write_text("#!/bin/sh\nshift 2; for f; do echo '[0.5, [1, 2]]'; done\n")
    said.chmod(0o755)
    monkeypatch.setattr(book, "PEER", said)
    assert book.hash_map({"a": updates, "b": updates}) == [book.Timing(0.5, (1, 2))] * 2
