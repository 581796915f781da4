"""Every registered model, fitted on a small stream, keeps the laws."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import Target
from flowsense.labels import join
from flowsense.labels.stages import Stages
from flowsense.model import Budget
from flowsense.models import MODELS, NULLS, build
from flowsense.registry import load
from flowsense.schema import Decimal, Instrument
from flowsense.testing import Recording, check_model, tape_of

pytestmark = pytest.mark.compiled

SPEC = spec()
TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s", "magnitude@1s")))


@pytest.fixture(scope="module")
def tape(instruments, events):
    return tape_of(SPEC, instruments, events)


@pytest.fixture(scope="module")
def labels(tape):
    stage = Stages(TARGETS)
    state, done = stage.fold(stage.init(), tape)
    labels = join([done, stage.close(state)])
    late = labels.known_at > labels.known_at[2 * len(labels.y) // 3]
    return labels.to_fit(~late, late)


@pytest.fixture(scope="module")
def fitted(instruments, events, labels):
    """Every model once, by name."""
    reader = Replay(SPEC, Recording(instruments, events))
    tiny = {name: load("model", name, MODELS).tiny() for name in MODELS}
    budget = Budget(steps=20, seconds=30)
    return {n: m.fit(reader, labels, seed=1, budget=budget) for n, m in tiny.items()}


@pytest.mark.parametrize("name", MODELS)
def test_laws(name, fitted, tape):
    check_model(fitted[name], tape)


@pytest.mark.parametrize("name", MODELS)
def test_fit_repeats_exactly_and_keeps_the_targets(name, fitted, instruments, events, labels):
    reader = Replay(SPEC, Recording(instruments, events))
    tiny = load("model", name, MODELS).tiny()
    again = tiny.fit(reader, labels, seed=1, budget=Budget(steps=20, seconds=30))
    first = fitted[name].params()
    assert again.targets == TARGETS
    assert {k: v.tobytes() for k, v in again.params().items()} == {
        k: v.tobytes() for k, v in first.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_learned_from_rows_that_are_not_valid(name, fitted, instruments, events, labels):
    reader = Replay(SPEC, Recording(instruments, events))
    out = ~labels.valid
    spoiled = labels._replace(y=labels.y.copy(), move=labels.move.copy())
    spoiled.y[out], spoiled.move[out] = 0, 1e6
    tiny = load("model", name, MODELS).tiny()
    again = tiny.fit(reader, spoiled, seed=1, budget=Budget(steps=20, seconds=30))
    assert out.any()
    for key, value in fitted[name].params().items():
        assert again.params()[key].tobytes() == value.tobytes(), key


@pytest.mark.parametrize("name", MODELS)
def test_instruments_are_known_by_name_and_not_by_index(name, fitted, tape):
    model, rows = fitted[name], tape.rows[0]
    swapped = rows._replace(instrument=1 - rows.instrument)
    other = tape._replace(rows=(swapped,), instruments=tape.instruments[::-1])
    _, here = model.predict(model.init(tape.instruments), tape)
    _, there = model.predict(model.init(other.instruments), other)
    assert here.proba.tobytes() == there.proba.tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_an_instrument_not_in_training_gets_a_forecast(name, fitted, tape):
    other = Instrument("NEW", "elsewhere", Decimal(1, -2), Decimal(1, 0))
    tape = tape._replace(instruments=(other, tape.instruments[1]))
    _, forecast = fitted[name].predict(fitted[name].init(tape.instruments), tape)
    who = tape.rows[0].instrument
    nth = np.array([(who[: i + 1] == who[i]).sum() for i in range(len(who))])
    assert forecast.ready[nth >= fitted[name].needs.history].all()
    assert abs(forecast.proba.sum(-1) - 1).max() < 1e-5


def test_nulls_are_models():
    assert set(NULLS) <= set(MODELS)
    assert all(build(name).targets == () for name in NULLS)


def test_a_target_without_a_side_is_refused(instruments, events, labels):
    reader = Replay(SPEC, Recording(instruments, events))
    regimes = labels._replace(targets=(Target("regime", 1), *TARGETS[1:]))
    with pytest.raises(InputError, match="regime"):
        build("vote").fit(reader, regimes, seed=0, budget=Budget())
