"""A fitted net forecasts where PyTorch cannot be imported; a fit says that it needs it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lagged import lagged, rows, tape

from flowsense.model import Budget
from flowsense.models import build
from flowsense.store.checkpoint import pack

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
NAMES = ("lstm", "mlplob", "transformer")
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from lagged import lagged, rows, tape
from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models import build
from flowsense.store.checkpoint import unpack
folder, of = Path(sys.argv[2]), tape(rows(40))
for name in sys.argv[3:]:
    settings = {"history": 6}
    model = build(name, **settings).load(unpack((folder / name).read_bytes()))
    said = model.predict(model.init(of.instruments), of)[1]
    (folder / f"{name}.said").write_bytes(said.proba.tobytes())
    try:
        build(name, **settings).fit(*lagged(200), seed=0, budget=Budget())
    except InputError as error:
        print(error)
assert "torch" not in sys.modules
"""


def test_forecasts_need_no_torch_and_a_fit_says_that_it_does(tmp_path):
    pytest.importorskip("torch")
    reader, of = lagged(300), tape(rows(40))
    expected = {}
    for name in NAMES:
        model = build(name, history=6, epochs=1, epoch=1).fit(*reader, seed=0, budget=Budget())
        (tmp_path / name).write_bytes(pack(model.params()))
        expected[name] = model.predict(model.init(of.instruments), of)[1].proba.tobytes()
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", BLOCKED, tests, tmp_path, *NAMES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, line in zip(NAMES, done.stdout.splitlines(), strict=True):
        assert line.endswith("torch is needed to fit it: pip install 'flowsense[torch]'")
        assert (tmp_path / f"{name}.said").read_bytes() == expected[name]
    assert np.frombuffer(expected["lstm"], np.float32).std() > 0
