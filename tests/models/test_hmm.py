"""On simulated markets whose regimes (calm, active, stressed) nobody but the simulator sees."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate import regimes
from flowsense.features.catalogue import spec
from flowsense.forecast import Regime, Target
from flowsense.labels import Labels
from flowsense.model import Budget, OnlineModel, RegimeModel
from flowsense.models.hmm import Hmm
from flowsense.schema import SECOND
from flowsense.simulate.market import Market, simulate
from flowsense.tape import Rows, Tape
from flowsense.testing import Recording
from flowsense.train.dataset import Data, prepare

pytestmark = [pytest.mark.compiled, pytest.mark.slow]

TARGETS = (Target.parse("mid@1s"), Target.parse("magnitude@5s"))


class Seen(NamedTuple):
    data: Data
    tape: Tape  # all of it
    labels: Labels  # valid in the first half
    state: np.ndarray  # (n,) the simulator's


def market(seconds, seed):
    sim = simulate(Market(instruments=1, leads=()), seconds, seed=seed)
    data = prepare(Recording(sim.instruments, sim.events), spec(("flow",)), TARGETS)
    tapes = list(data)
    rows = Rows(*(np.concatenate(x) for x in zip(*(t.rows[0] for t in tapes), strict=True)))
    path = sim.truth.latent
    state = path["state"][np.searchsorted(path["ts"], rows.ts, "right") - 1].astype(np.int64)
    half = np.arange(len(rows.ts))[:, None] < len(rows.ts) // 2
    labels = data.labels._replace(valid=data.labels.valid & half)
    return Seen(data, tapes[0]._replace(rows=(rows,)), labels, state)


@pytest.fixture(scope="module")
def seen():
    return market(7_200, 1)


@pytest.fixture(scope="module")
def fitted(seen):
    return Hmm(preset="three").fit(seen.data, seen.labels, seed=0, budget=Budget())


def regime(model, tape):
    return model.predict(model.init(tape.instruments), tape)[1].aux["regime"]


def test_planted_regimes_are_seen_on_rows_that_nothing_was_fitted_on(seen, fitted):
    later = slice(len(seen.state) // 2, None)
    now, state = regime(fitted, seen.tape)[later].argmax(axis=1), seen.state[later]
    majority = np.bincount(state).max() / len(state)
    assert (now == state).mean() > majority + 0.2
    assert min((now == state)[state == k].mean() for k in range(3)) > 0.6


def test_the_forecast_of_the_next_regime_is_scored_beside_persistence(seen, fitted):
    half, horizon = len(seen.state) // 2, 10 * SECOND
    of = regimes.outcome(seen.tape.rows[0].ts[half:], seen.state[half:], horizon)
    now = regime(fitted, seen.tape)[half:][of.rows]
    found = regimes.states(of, fitted.ahead(now, horizon), now.argmax(axis=1))
    assert found.persistence - 0.02 < found.accuracy
    assert found.log_loss < np.log(3) - 0.2


def test_it_is_a_regime_model_that_learns_on(fitted):
    assert isinstance(fitted, RegimeModel) and isinstance(fitted, OnlineModel)
    assert fitted.regimes == (Regime.LOW_VOLATILITY, Regime.TRENDING, Regime.HIGH_VOLATILITY)


def test_it_knows_better_than_the_majority_when_the_market_moves(seen, fitted):
    late = seen.data.labels.valid[:, 0] & ~seen.labels.valid[:, 0]
    _, said = fitted.predict(fitted.init(seen.tape.instruments), seen.tape)
    moved = seen.data.labels.y[late, 0] != 1
    p = np.where(moved, 1 - said.proba[late, 0, 1], said.proba[late, 0, 1])
    rate = (seen.labels.y[seen.labels.valid[:, 0], 0] != 1).mean()
    assert np.log(p).mean() > np.log(np.where(moved, rate, 1 - rate)).mean() + 0.01
    sizes = said.value[late, 1]
    assert np.corrcoef(sizes, seen.data.labels.y[late, 1])[0, 1] > 0.2


def test_a_driftless_market_gets_few_sides(seen, fitted):
    _, said = fitted.predict(fitted.init(seen.tape.instruments), seen.tape)
    assert (said.proba[:, 0, 0] == said.proba[:, 0, 2]).mean() > 0.9


def test_positions_shrink_with_volatility(seen, fitted):
    low, usual, high = fitted.position_scale
    assert low == 1 and usual <= 1 and high < 0.6
    _, said = fitted.predict(fitted.init(seen.tape.instruments), seen.tape)
    expected = said.aux["regime"] @ fitted.position_scale
    np.testing.assert_allclose(said.aux["position_scale"], expected, rtol=1e-5)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_refit_keeps_the_names(seen, fitted, seed):
    second = seen.data.labels._replace(valid=seen.data.labels.valid & ~seen.labels.valid)
    again = fitted.fit(seen.data, second, seed=seed, budget=Budget())
    shuffled = fitted.fitted._replace(chain=fitted.fitted.chain.take(np.array([2, 0, 1])))
    other = replace(fitted, fitted=shuffled).fit(seen.data, second, seed=seed, budget=Budget())
    said = [regime(m, seen.tape).argmax(axis=1) for m in (fitted, again, other)]
    assert (said[0] == said[1]).mean() > 0.9
    assert (np.array([2, 0, 1])[said[2]] == said[1]).mean() > 0.99


@pytest.mark.parametrize(
    "config",
    [{"preset": "five"}, {"preset": "reverting"}, {"preset": "three", "mixture": 2},
     {"preset": "three", "diagonal": True}],
)  # fmt: skip
def test_every_preset_and_every_kind_of_emission_fits(seen, config):
    model = Hmm(**config, starts=2).fit(seen.data, seen.labels, seed=0, budget=Budget(20))
    found = regime(model, seen.tape)
    assert found.shape[1] == len(model.regimes)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (np.diagonal(model.fitted.chain.jump) >= 0.8 - 1e-12).all()


def test_an_update_learns_and_changes_nothing_else(seen, fitted):
    rows, before = seen.tape.rows[0], fitted.params()
    start = fitted.init(seen.tape.instruments)
    kept = [table.copy() for table in start]
    part = slice(0, 6_000)
    tape = seen.tape._replace(rows=(rows.take(part),))
    updated = fitted.update(start, tape, seen.data.labels.take(part))
    assert all((a == b).all() for a, b in zip(kept, start, strict=True))
    assert all((fitted.params()[k] == v).all() for k, v in before.items())
    windows = updated.fitted.seen.spoke.sum() - fitted.fitted.seen.spoke.sum()
    assert -120 < windows < 120 and windows != 0
    assert np.abs(updated.fitted.chain.jump - fitted.fitted.chain.jump).max() < 0.05
    assert (updated.fitted.sums != fitted.fitted.sums).any()
    assert (regime(updated, tape).argmax(1) == regime(fitted, tape).argmax(1)).mean() > 0.95


def test_an_update_reads_no_row_whose_label_is_not_valid(seen, fitted):
    part = slice(0, 6_000)
    tape = seen.tape._replace(rows=(seen.tape.rows[0].take(part),))
    labels = seen.data.labels.take(part)
    none = labels._replace(valid=np.zeros_like(labels.valid))
    same = fitted.update(fitted.init(tape.instruments), tape, none)
    for name, table in fitted.params().items():
        if table.dtype.kind == "f":
            np.testing.assert_allclose(same.params()[name], table, rtol=1e-9, err_msg=name)


def test_short_recordings_get_shorter_windows_and_very_short_ones_are_refused():
    few = market(240, 3)
    model = Hmm(preset="three").fit(few.data, few.data.labels, seed=0, budget=Budget())
    assert int(model.fitted.step_ns) < 2 * SECOND
    none = few.data.labels._replace(valid=np.zeros_like(few.data.labels.valid))
    none.valid[:20] = True
    with pytest.raises(InputError, match="do not tell 5 states apart"):
        Hmm().fit(few.data, none, seed=0, budget=Budget())


def test_a_market_that_never_moves_is_refused(seen):
    still = seen.tape._replace(rows=(seen.tape.rows[0].take(slice(None)),))
    still.rows[0].quote["mid2"] = 20_000

    class Still(NamedTuple):
        instruments: tuple = seen.data.instruments
        spec: object = seen.data.spec

        def __iter__(self):
            return iter((still,))

    with pytest.raises(InputError, match="the mid never moves"):
        Hmm().fit(Still(), seen.labels, seed=0, budget=Budget())


def test_what_comes_of_the_future_is_no_observation(seen, fitted):
    """Rows up to a point give the same regimes whatever comes after them."""
    cut = len(seen.state) // 3
    first = seen.tape._replace(rows=(seen.tape.rows[0].take(slice(0, cut)),))
    assert regime(fitted, first).tobytes() == regime(fitted, seen.tape)[:cut].tobytes()


def test_regimes_ahead_end_where_the_chain_goes_by_itself(fitted):
    now = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(fitted.ahead(now, 5 * SECOND), fitted.fitted.chain.jump[:-1])
    rest = fitted.fitted.chain.stationary()
    np.testing.assert_allclose(fitted.ahead(now, 10_000 * SECOND), [rest] * 3, atol=1e-6)


def test_settings_and_an_unfitted_model_are_refused_in_one_sentence(seen):
    with pytest.raises(InputError, match="regimes 'fiv' is unknown: did you mean five"):
        Hmm(preset="fiv")
    with pytest.raises(InputError, match="duration '5'"):
        Hmm(step="5")
    for setting in ({"mixture": 0}, {"starts": 0}, {"memory": 0}, {"stay": 1.0}):
        with pytest.raises(InputError, match="give 1 or more, and stay from 0 to 1"):
            Hmm(**setting)
    with pytest.raises(InputError, match="hmm: fit or load it"):
        Hmm().init(seen.tape.instruments)
    with pytest.raises(InputError, match="hmm: fit or load it"):
        _ = Hmm().position_scale
