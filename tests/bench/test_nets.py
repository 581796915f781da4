import pytest

from flowsense.bench import nets
from flowsense.models.lstm import Lstm
from flowsense.models.mlplob import Mlplob

pytestmark = [pytest.mark.slow, pytest.mark.compiled]


def test_every_net_is_timed_beside_pytorch(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(nets, "NETS", {"lstm": Lstm.tiny(), "mlplob": Mlplob.tiny()})
    monkeypatch.setattr(nets, "ROUNDS", 2)
    result = nets.run()
    assert result.baseline["name"] == "PyTorch"
    timed = [key for key in result.metrics if key.endswith("_us")]
    assert len(timed) == 4 and all(result.metrics[key] > 0 for key in timed)
    assert result.metrics["lstm_learned_rows_s"] > 0
    assert result.ratio > 1
