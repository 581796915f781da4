import sys

import pytest

from flowsense.bench import hmm


@pytest.mark.slow
@pytest.mark.compiled
def test_a_result_says_how_far_from_the_truth_and_from_the_peer(monkeypatch):
    pytest.importorskip("hmmlearn")
    monkeypatch.setattr(hmm, "OBSERVATIONS", 4_000)
    monkeypatch.setattr(hmm, "SEEDS", 1)
    monkeypatch.setattr(hmm, "PEER", (5_000, 3, 5))
    monkeypatch.setattr(hmm, "STREAMED", 2_000)
    result = hmm.run()
    assert result.baseline["name"] == "hmmlearn"
    assert result.ratio > 1
    assert result.metrics["enumeration_smoothing"] < 1e-10
    assert result.metrics["truth_0.99"] > result.metrics["truth_0.95"]


def test_without_the_peer_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hmmlearn.hmm", None)
    with pytest.raises(hmm.InputError, match="pip install hmmlearn"):
        hmm.beside_hmmlearn(100, 2, 1, seed=0)


@pytest.mark.slow
@pytest.mark.compiled
def test_changes_are_foretold_where_regimes_last_unequally_long_and_nowhere_else():
    unequal = hmm.transitions(hmm.UNEQUAL, 20_000, seed=0)["transitions"]
    equal = hmm.transitions(0.99, 20_000, seed=0)["transitions"]
    assert unequal["auprc"] > 2 * unequal["base_rate"]
    assert unequal["auprc"] > unequal["shifted_most"]
    assert equal["auprc"] < 1.5 * equal["base_rate"]
