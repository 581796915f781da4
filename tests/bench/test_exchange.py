import numpy as np
import pytest

from flowsense.bench import exchange
from flowsense.bench.exchange import Played
from flowsense.testing.toy import by_level, by_order


@pytest.fixture
def case():
    events = exchange.timed(by_level(by_order(6_000)))
    return events, exchange.orders(events, 120)


@pytest.mark.compiled
def test_ours_and_the_plain_venue_execute_the_same_orders_at_the_same_time(case):
    mine, plain = exchange.ours(*case), exchange.plain(*case)
    assert (mine.filled > 0).sum() > 20
    assert mine.filled.tolist() == plain.filled.tolist()


def test_what_differs_is_told_by_its_rule(case):
    events, _ = case
    ts, last = events["ts_event"], np.flatnonzero(events["bits"] == 0)[5]
    mine = np.array([0, ts[last], ts[40], ts[50], ts[60], ts[70]])
    theirs = np.array([0, ts[last + 1], 0, ts[50], ts[40], ts[90]])
    told = exchange.differences(events, Played(1.0, mine), Played(1.0, theirs))
    assert list(told.values()) == [1, 1, 1, 1]


@pytest.mark.compiled
def test_without_recordings_and_peer_it_says_what_it_measured(case, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exchange, "simulated", lambda: case[0])
    monkeypatch.setattr(exchange, "ORDERS", 120)
    result = exchange.run()
    assert "plain Python" in result.baseline["name"] and result.ratio > 0
    assert result.metrics["executed"] == result.baseline["executed"] > 0
    assert result.metrics["otherwise"] == result.metrics["executed_by_one_alone"] == 0


def test_what_the_peer_says_is_read_in_order(case, tmp_path, monkeypatch):
    said = tmp_path / "python"
    said.write_text("#!/bin/sh\nshift 2; for f; do echo '[0.5, [0, 7]]'; done\n")
    said.chmod(0o755)
    monkeypatch.setattr(exchange, "PEER", said)
    first, second = exchange.hftbacktest({"a": case, "b": case})
    assert first.seconds == second.seconds == 0.5 and first.filled.tolist() == [0, 7]
