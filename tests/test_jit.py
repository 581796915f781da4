"""Compiled code is never stale, and damage to it costs one warning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowsense

CALL = """
import sys
sys.path.insert(0, sys.argv[1])
import entry
print(entry.twice(21))
"""
PIECE = "from flowsense._jit import kernel\n@kernel\ndef times(x):\n    return {factor} * x\n"
ENTRY = """
from numba import types
from flowsense._jit import compiled
from piece import times
@compiled(types.int64(types.int64))
def twice(x):
    return times(x)
"""


@pytest.fixture
def package(tmp_path):
    (tmp_path / "piece.py").write_text(PIECE.format(factor=2))
    (tmp_path / "entry.py").write_text(ENTRY)
    return tmp_path


def start(package):
    path = os.pathsep.join([str(Path(flowsense.__file__).parents[1])])
    env = os.environ | {"FLOWSENSE_CACHE": str(package / "cache"), "PYTHONPATH": path}
    env.pop("NUMBA_DISABLE_JIT", None)
    call = [sys.executable, "-B", "-c", CALL, str(package)]
    return subprocess.Popen(call, env=env, stdout=subprocess.PIPE, text=True)


def run(package):
    process = start(package)
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.splitlines()


def cached(package):
    return sorted(p for p in (package / "cache").rglob("*") if p.suffix in (".nbi", ".nbc"))


@pytest.mark.slow
def test_an_edit_in_a_file_that_is_inlined_is_seen(package):
    assert run(package)[-1] == "42"
    (package / "piece.py").write_text(PIECE.format(factor=3))
    assert run(package)[-1] == "63"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("left", [0.0, 0.3, 0.95])
def test_cut_off_files_are_made_again_with_one_warning(package, suffix, left):
    run(package)
    for path in cached(package):
        if path.suffix == suffix:
            path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
    out = run(package)
    assert out[-1] == "42" and sum("unreadable" in line for line in out) == 1
    assert run(package) == ["42"]


@pytest.mark.slow
def test_eight_processes_may_start_cold_at_once(package):
    processes = [start(package) for _ in range(8)]
    out = [p.communicate()[0] for p in processes]
    assert [p.returncode for p in processes] == [0] * 8
    assert all(o.splitlines()[-1] == "42" for o in out)
