"""A rise of the error is found as soon as the table says."""

from math import log

import pytest

from flowsense.bench import drift


def test_the_bound_is_that_of_lorden():
    assert drift.lorden(0.25, 0.5, 1e-4) == pytest.approx(
        log(1e4) / (0.5 * log(0.5 / 0.75) + 0.5 * log(2))
    )


def test_a_small_table_holds_what_is_promised(monkeypatch):
    monkeypatch.setattr(drift, "STREAMS", 60)

    found = drift.run()

    assert found.ratio > 1.2
    assert max(v for k, v in found.metrics.items() if k.startswith("false_alarms")) < 1
    assert found.metrics["missed_0.25_to_0.5"] == 0
    assert found.metrics["alarms_after_the_first_0.25_to_0.5"] < 0.3
