import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "peers.py"


@pytest.fixture
def peers(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("peers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


def test_a_peer_that_is_there_is_left_alone(peers, tmp_path):
    stamp = tmp_path / "hftbacktest" / peers.STAMP
    stamp.parent.mkdir()
    stamp.write_text("\n".join(peers.PEERS["hftbacktest"]))
    assert peers.make("hftbacktest") == "is there"
    assert [p.name for p in stamp.parent.iterdir()] == [peers.STAMP]


def test_an_unknown_peer_is_named(peers):
    with pytest.raises(SystemExit, match="'x' is none of hftbacktest"):
        peers.main(["x"])


@pytest.mark.slow
def test_what_pip_cannot_install_leaves_nothing(peers, tmp_path, monkeypatch):
    monkeypatch.setitem(peers.PEERS, "hftbacktest", ("./no-such-package",))
    with pytest.raises(SystemExit, match="could not install"):
        peers.make("hftbacktest")
    assert not (tmp_path / "hftbacktest").exists()
