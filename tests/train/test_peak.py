import numpy as np
import pytest

from flowsense.train import peak
from flowsense.train.peak import Peak

MB = 1_000_000


@pytest.mark.skipif(not (peak.PROCESS / "status").exists(), reason="the system does not tell")
def test_only_what_is_held_meanwhile_counts():
    with Peak() as large:
        held = np.ones(50 * MB, np.int8)
        del held
    with Peak() as small:
        pass
    assert large.bytes - small.bytes > 40 * MB


def test_where_nothing_tells_it_is_zero(monkeypatch, tmp_path):
    monkeypatch.setattr(peak, "PROCESS", tmp_path / "nowhere")
    with Peak() as found:
        pass
    assert found.bytes == 0
