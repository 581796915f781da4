"""What is not installed is told by name, with the way to get it."""

import sys

import pytest
from entries import registered

from flowsense import models
from flowsense.cli.listing import read_by
from flowsense.errors import InputError
from flowsense.registry import BRINGS, Entry, absent, load, names, on_path
from flowsense.train.config import RunConfig
from flowsense.train.run import able, models_of

NETS = tuple(name for name, entry in models.MODELS.items() if entry.needs in ("torch", "gnn"))
FIX = "needs torch: pip install 'flowsense[torch]'"


@pytest.fixture
def without_torch(monkeypatch):
    for library in ("torch", "torch_geometric"):
        monkeypatch.setitem(sys.modules, library, None)


def test_every_extra_of_a_model_is_known():
    assert {entry.needs for entry in models.MODELS.values()} <= {"", *BRINGS}


def test_what_an_entry_lacks(without_torch):
    table = {"net": Entry("m:Net", "a net", "torch"), "rule": Entry("m:Rule", "a rule")}
    assert absent("net", table) == FIX
    assert absent("rule", table) == absent("of another package", table) == ""


def test_packages_are_read_once_and_again_where_the_path_is_another(tmp_path):
    before = names("model", {})
    with registered(tmp_path, "flowsense.models", (Entry,)):
        assert names("model", {}) == tuple(sorted((*before, "entry")))
        read = on_path.cache_info().misses
        assert load("model", "entry", {}) is Entry and on_path.cache_info().misses == read
    assert names("model", {}) == before


def test_all_leaves_out_what_cannot_be_fitted_and_says_so(without_torch):
    assert NETS and not set(NETS) & set(models.asked(["all"]))
    assert [note.split(":")[0] for note in models.left_out(["all"])] == list(NETS)
    assert models.left_out(["fast"]) == ()


def test_a_net_that_is_named_is_refused_before_anything_is_read(without_torch):
    config = RunConfig(models=(NETS[0],))
    assert NETS[0] in models_of(config)
    with pytest.raises(InputError, match=f"model '{NETS[0]}' needs torch"):
        able(config)


def test_with_everything_installed_nothing_is_left_out():
    assert models.left_out(["all"]) == ()
    assert set(NETS) <= set(models.asked(["all"]))


@pytest.mark.parametrize("name", models.MODELS)
def test_the_list_says_what_a_model_needs(name):
    assert models.MODELS[name].reads == read_by(name)
