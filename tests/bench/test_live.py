import numpy as np
import pytest

from flowsense.bench import live
from flowsense.bench.features import Stream
from flowsense.schema import Decimal, Instrument
from flowsense.testing.toy import by_level, by_order


@pytest.mark.slow
def test_every_event_after_the_first_is_timed_in_all_three_ways(monkeypatch):
    monkeypatch.setattr(live, "WARM", 100)
    toy = Instrument("TOY", "toy", Decimal(1, -2), Decimal(1, 0))
    market = Stream("toy", toy, by_level(by_order(400, seed=1)))
    ours, step = live.pushed(market), live.stepped(market)
    assert len(ours) == len(step) == len(market.events) - 100
    assert (np.concatenate([ours, step]) > 0).all()


@pytest.mark.slow
def test_a_result_names_what_it_was_measured_against(monkeypatch):
    monkeypatch.setattr(live, "EVENTS", 6_000)
    result = live.run()
    assert result.baseline["name"] == "plain Python"
    assert result.ratio > 1
    assert result.metrics["push_p50_us"] >= result.metrics["step_p50_us"]
