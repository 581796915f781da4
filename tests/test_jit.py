"""Compiled code is never stale, and damage to it costs one warning."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import types

import flowsense
from flowsense._jit import compiled, digest, either

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

FILES = {  # `entry` inlines what stands in, or is named by, all but the last
    "entry": "from piece import times\ndef twice(x):\n    return times(x)\n",
    "piece": "from flowsense._jit import kernel\nimport rule\nfrom sizes import TABLE, LEAST\n"
    "@kernel\ndef times(x):\n    return TABLE[0] + LEAST[0] + rule.scaled(x)\n",
    "rule": "from kind import Kind\nfrom number import FACTOR\n"
    "def scaled(x):\n    return [FACTOR * x + Kind.ONE for _ in range(1)][0]\n",
    "sizes": "import numpy as np\nTABLE, LEAST = np.array([2.0]), (2,)\n",
    "kind": "from enum import IntEnum\nclass Kind(IntEnum):\n    ONE = 2\n",
    "number": "FACTOR, OTHER = 2, 7\n",
}
EDITS = [
    ("entry", "times(x)", "times(2 * x)"),
    ("piece", "TABLE[0] +", "TABLE[0] -"),
    ("rule", "range(1)", "range(2)"),
    ("sizes", "2.0", "3.0"),
    ("sizes", "(2,)", "(3,)"),
    ("kind", "ONE = 2", "ONE = 3"),
    ("number", "= 2", "= 3"),
]


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """The digest of `entry.twice` where one file is otherwise."""

    def of(name="entry", before="", after=""):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for file, text in FILES.items():
            new = text.replace(before, after) if file == name else text
            (folder / f"{file}.py").write_text(new)
            sys.modules.pop(file, None)
        with monkeypatch.context() as here:
            here.syspath_prepend(folder)
            return digest(importlib.import_module("entry").twice)

    yield of
    for file in FILES:
        sys.modules.pop(file, None)


@pytest.mark.parametrize(("name", "before", "after"), EDITS)
def test_the_digest_is_of_all_that_is_inlined(digests, name, before, after):
    assert digests(name, before, after) != digests()


def test_the_digest_is_of_nothing_else(digests):
    assert digests() == digests() == digests("number", "7", "8")


def test_what_stands_around_a_function_is_in_its_digest():
    def scaled(factor):
        return lambda x: factor * x

    assert digest(scaled(2)) == digest(scaled(2)) != digest(scaled(3))


@either
def halved(x):
    return x / 2


@compiled(types.float64(types.int64))
def inside(x):
    return halved(x)


def test_what_plain_python_may_call_is_the_same_in_a_loop():
    assert halved(np.array([3, 5])).tolist() == [inside(3), inside(5)] == [1.5, 2.5]


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
