import subprocess
import sys

import pytest

from flowsense.train import peak
from flowsense.train.peak import Peak

# A process of its own: the last allocation is the largest, so that no earlier one hides it.
HOLD = """
import numpy as np
from flowsense.train.peak import Peak
with Peak() as small:
    pass
with Peak() as large:
    held = np.ones(200_000_000, np.int8)
    del held
with Peak() as after:
    pass
print(small.bytes, large.bytes, after.bytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not peak.held(), reason="the system does not tell")
def test_what_is_held_meanwhile_counts():
    done = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True, check=True)
    small, large, after = map(int, done.stdout.split())
    assert 190e6 < large - small < 210e6
    assert small - 1e6 < after <= large  # the most so far, where the count cannot begin anew


def process(folder, status):
    (folder / "clear_refs").touch()
    (folder / "status").write_text(status)
    return folder


def test_the_count_is_asked_to_begin_anew(monkeypatch, tmp_path):
    monkeypatch.setattr(peak, "PROCESS", process(tmp_path, "VmPeak:\t 9 kB\nVmHWM:\t 300 kB\n"))
    with Peak() as found:
        assert (tmp_path / "clear_refs").read_text() == "5"
    assert found.bytes == 300 * 1024


@pytest.mark.parametrize("status", ["VmPeak:\t 9 kB\n", ""])
def test_where_the_system_tells_something_else_it_is_zero(monkeypatch, tmp_path, status):
    monkeypatch.setattr(peak, "PROCESS", process(tmp_path, status))
    with Peak() as found:
        pass
    assert found.bytes == 0


def test_where_nothing_tells_it_is_zero(monkeypatch, tmp_path):
    monkeypatch.setattr(peak, "PROCESS", tmp_path / "nowhere")
    with Peak() as found:
        pass
    assert found.bytes == 0
