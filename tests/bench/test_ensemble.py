"""The ensemble benchmark, in short."""

import pytest

from flowsense.bench import ensemble


@pytest.fixture
def short(monkeypatch):
    for name, rows in (("TAUGHT", 2_000), ("SCORED", 4_000), ("DEALT", 2)):
        monkeypatch.setattr(ensemble, name, rows)


@pytest.mark.slow
def test_what_can_be_saved_is_saved_and_noise_is_not_heard(short):
    found = ensemble.run()
    assert 0.8 < found.ratio < 1.2
    assert found.metrics["labels dealt anew"]["fell back to who says nothing"] == 1
    alone, copies = (found.metrics["correlation 1.0"][n] for n in ("best single", "fallback"))
    assert copies["100%"] == pytest.approx(alone["100%"], abs=1e-9)
