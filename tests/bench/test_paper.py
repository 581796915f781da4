import pytest

from flowsense.bench import paper


@pytest.mark.slow
@pytest.mark.compiled
def test_both_are_timed_on_the_same_stream(monkeypatch):
    monkeypatch.setattr(paper, "SECONDS", 120)
    found = paper.run()
    m = found.metrics
    assert m["events"] > 3_000 and m["same"] is True
    assert found.ratio == pytest.approx(1 / (1 + m["share"]))
    assert m["journal_share"] < 1.0 and m["share"] < 1.0  # loose, for a busy machine
