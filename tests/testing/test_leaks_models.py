"""Models, labels and pipelines: each plant is caught by its own check, the honest by none."""

import numpy as np
import pytest
from plants import (
    AllRows,
    EveryLabel,
    NextRow,
    Remembers,
    TooEarly,
    label_as_column,
    nearest,
    unpurged,
)
from toys import Ewma, Window

from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.labels.stages import Stages
from flowsense.models import MODELS
from flowsense.registry import load
from flowsense.testing.leaks.labels import check_label
from flowsense.testing.leaks.market import chunk_of
from flowsense.testing.leaks.models import check_fit, check_model_future, learning, shifted
from flowsense.testing.leaks.pipeline import (
    check_purged,
    check_schemes,
    check_shuffled,
    overlapping,
    shuffled,
    trained,
)
from flowsense.testing.models import places
from flowsense.testing.streams import tape_of
from flowsense.train.dataset import prepare

pytestmark = [pytest.mark.compiled, pytest.mark.slow]

MID = Target.parse("mid@500ms")
SPEC = spec(("ofi", "flow"), ("interval:100ms", "events:20"))
OFI = SPEC.columns.index("ofi_l1_1s")


@pytest.fixture(scope="module")
def tape(simulated):
    return tape_of(SPEC, simulated.instruments, chunk_of(simulated, 1_500))


@pytest.fixture(scope="module")
def learned(simulated):
    stream = chunk_of(simulated, 4_000)
    return learning(SPEC, simulated.instruments, stream, Stages((MID,)))


@pytest.fixture(scope="module")
def data(simulated):
    return prepare(simulated, SPEC, (MID, Target.parse("magnitude@500ms")))


def leaking(found):
    return {one.check: one.why for one in found if one.leaks}


@pytest.mark.parametrize("model", [Ewma(MID, OFI), Window(MID, OFI)], ids=["ewma", "window"])
def test_honest_models_pass(model, tape, learned):
    assert not leaking(check_model_future("it", model, tape, 30))
    assert not leaking(check_fit("it", model, learned))


def test_a_model_that_reads_the_next_row_is_told_with_row_and_values(tape):
    found = leaking(check_model_future("nextrow", NextRow(MID, OFI, slope=0.1), tape, 20))
    assert set(found) == {"cut", "garbage"}
    assert found["cut"].startswith("proba at row ") and "mid@500ms: " in found["cut"]
    assert ", with another future after row " in found["garbage"]


def test_a_model_with_a_memory_of_its_own_is_caught(tape):
    found = leaking(check_model_future("remembers", Remembers(MID, OFI), tape, 5))
    assert {"garbage", "again"} <= set(found)


def test_a_fit_that_scales_with_all_rows_is_caught(learned):
    found = leaking(check_fit("allrows", AllRows(MID, OFI), learned))
    assert (
        set(found) == {"fit: rows"} and "none of them learned: the fit reads" in found["fit: rows"]
    )


def test_a_fit_that_reads_labels_that_are_not_valid_is_caught(learned):
    found = leaking(check_fit("everylabel", EveryLabel(MID, OFI), learned))
    assert "fit: labels" in found and "rows that are not valid" in found["fit: labels"]


def test_a_future_that_comes_at_another_time_leaves_the_rows_before_it(tape):
    rng = np.random.default_rng(0)
    place = places(tape, np.array([700]), rng)[0]
    for other in shifted(tape, place, rng):
        rows, ours = other.rows[0], tape.rows[0]
        assert (rows.ts[: place[1]] == ours.ts[: place[1]]).all()
        assert (rows.ts[place[1] :] != ours.ts[place[1] :]).all()
        assert (np.diff(rows.ts) >= 0).all() and (np.diff(other.events["ts_recv"]) >= 0).all()


@pytest.mark.parametrize("target", ["mid@500ms", "ofi@500ms", "magnitude@500ms", "barrier@500ms"])
def test_honest_labels_pass(target, simulated):
    stream = chunk_of(simulated, 800)
    found = check_label(Target.parse(target), simulated.instruments, stream)
    assert not leaking(found) and [one.check for one in found] == ["known_at", "walk"]


@pytest.mark.parametrize(("target", "share"), [("smoothed@1s", "76%"), ("smoothed:2bp@60s", "")])
def test_a_smoothed_label_is_told_from_the_past_of_a_random_walk(target, share, simulated):
    stream = chunk_of(simulated, 800)
    found = leaking(check_label(Target.parse(target), simulated.instruments, stream))
    assert set(found) == {"walk"} and "part of the label is past" in found["walk"]
    assert f"mid - mean mid of the last horizon tells {share}" in found["walk"]


def test_a_label_that_is_said_to_be_known_too_early_is_caught(simulated):
    stream = chunk_of(simulated, 800)
    found = leaking(check_label(MID, simulated.instruments, stream, stage=TooEarly((MID,))))
    assert set(found) == {"known_at"} and "known_at" in found["known_at"]


def test_a_label_that_no_row_of_the_stream_has_is_not_judged(simulated):
    found = check_label(
        Target.parse("barrier:900t@1s"), simulated.instruments, chunk_of(simulated, 40)
    )
    assert found[0].why == "not judged: the stream is too short for any label"


def test_splits_are_purged_and_one_that_is_not_is_caught(data):
    assert not leaking(check_schemes(data))
    ts, known_at = data.ts, data.labels.known_at
    found = check_purged("whole", (unpurged(data),), ts, known_at)
    late = ts[np.flatnonzero(np.arange(len(ts)) / len(ts) >= 0.8)[0]]
    row = int(np.flatnonzero(known_at[:, 0] >= late)[0])
    assert found.leaks and f"row {row} of validation, {ts[row]}, has a label known" in found.why
    assert "overlaps those of test" in found.why


def test_overlaps_are_those_of_every_pair():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ts = np.sort(rng.integers(0, 60, 12))
        known_at = ts + rng.integers(0, 9, 12)
        part = rng.integers(0, 3, 12)
        a, b = part == 0, part == 1
        pairs = [
            i
            for i in np.flatnonzero(a)
            if any(ts[i] <= known_at[j] and ts[j] <= known_at[i] for j in np.flatnonzero(b))
        ]
        assert overlapping(ts, known_at, a, b) == (pairs[0] if pairs else None)


@pytest.mark.parametrize("pipeline", [nearest, label_as_column])
def test_a_pipeline_that_knows_its_test_labels_has_skill_on_shuffled_ones(pipeline, data):
    found = check_shuffled("it", pipeline, data)
    assert found.leaks and "labels shuffled in time are told right: mid@500ms" in found.why


def test_shuffled_labels_keep_their_neighbours_and_lose_their_rows(data):
    labels = shuffled(data, np.random.default_rng(0))
    assert sorted(labels.y[:, 0]) == sorted(data.labels.y[:, 0])
    mine = data.instrument == 0
    a, b = (np.diff(of.y[mine, 0]) != 0 for of in (data.labels, labels))
    assert abs(int(a.sum()) - int(b.sum())) < 0.1 * a.sum()
    assert (labels.y[:, 0] == data.labels.y[:, 0]).mean() < 0.7


@pytest.mark.parametrize("name", ["vote", "logistic"])
def test_an_honest_pipeline_has_no_skill_on_shuffled_labels(name, simulated):
    data = prepare(simulated, spec(("ofi", "depth")), (MID,))
    found = check_shuffled(name, trained(load("model", name, MODELS).tiny()), data)
    assert not found.leaks and "is chance" in found.why
