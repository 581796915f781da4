"""Every law of the rows catches those who break it: families, clocks and instants."""

import numpy as np
import pytest
from cheats import Family
from entries import registered
from numba.core.errors import TypingError

from flowsense.features import fold, stages
from flowsense.features.catalogue import family, spec
from flowsense.testing import check_family_alone, check_stream, tape_of


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    """Each cheat at an entry point, as another package's family."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with registered(folder, "flowsense.features", Family.__subclasses__()):
        yield
    family.cache_clear()


@pytest.fixture(scope="module")
def stream(events):
    return events[:600]


NAMES = ("endless", "silent", "scratch")
STREAM = {
    "asked": "asked more often: X",
    "resets": "asked more often: X",
    "leaves": "asked more often: X",
    "draws": "one event at a time: X",
}


@pytest.mark.parametrize("name", STREAM)
def test_a_family_whose_rows_change_something_or_that_remembers_elsewhere_is_caught(
    name, instruments, stream
):
    with pytest.raises(AssertionError, match=STREAM[name]):
        check_stream(spec(("depth", name)), instruments, stream)


@pytest.mark.parametrize("name", ["meddles", "rewrites"])
def test_a_family_that_changes_what_others_read_is_caught(name, instruments, stream):
    other = {"meddles": "arrivals", "rewrites": "depth"}[name]
    with pytest.raises(AssertionError, match=f"{other}: other values alone"):
        check_family_alone(other, spec((name, other)), instruments, stream)


@pytest.mark.compiled
def test_what_a_family_leaves_or_cannot_hold_is_missing(instruments, stream):
    asked = spec(("depth", "endless", "silent", "scratch"))
    check_stream(asked, instruments, stream)
    rows = tape_of(asked, instruments, stream).rows[0]
    endless, silent, scratch = (rows.valid[:, asked.columns.index(c)] for c in NAMES)
    assert not endless.any() and not silent[rows.instrument == 1].any()
    assert silent[rows.instrument == 0].any() and scratch.all() and not rows.X[:, -1].any()


def scaled_by_the_chunk(patch):
    honest = fold._rows

    def rows(out):
        found = honest(out)
        return found._replace(X=found.X / (1 + np.abs(found.X).max(initial=0)))

    patch.setattr(fold, "_rows", rows)


def mean_of_the_chunk(patch):
    def run(self, clocks, events, rows):
        rows["X"][:, self.start] = rows["X"][:, 0].mean() if len(rows) else 0.0
        rows["valid"][:, self.start] = 1

    patch.setattr(stages.Across, "run", run)


def clocks_that_start_anew(patch):
    honest = fold.Fold.push

    def push(self, *chunk):
        self.arrays["clocks"]["next"] = 0
        return honest(self, *chunk)

    patch.setattr(fold.Fold, "push", push)


@pytest.mark.parametrize("cheat", [scaled_by_the_chunk, mean_of_the_chunk, clocks_that_start_anew])
def test_a_driver_that_looks_at_its_chunk_is_caught(cheat, instruments, stream, monkeypatch):
    cheat(monkeypatch)
    with pytest.raises(AssertionError, match="one event at a time"):
        check_stream(spec(("depth", "silent")), instruments, stream)


@pytest.mark.slow
@pytest.mark.compiled
def test_an_array_of_the_module_is_no_memory():
    with pytest.raises(TypingError, match="readonly"):
        fold.Fold(spec(("shares",)), ())
