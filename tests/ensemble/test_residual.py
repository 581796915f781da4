"""Forecasts out of fold, against a model that says what it was taught; a net that adds to them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from lagged import labels, lagged, rows, tape

from flowsense.ensemble.residual import Residual, added, halves, out_of_fold, times
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model import Budget
from flowsense.model.gather import learned
from flowsense.model.sides import probabilities, sigmoid
from flowsense.models import build
from flowsense.models.lstm import Lstm
from flowsense.tape import Needs
from flowsense.testing.conformance import CHECKS, Fitted, Trial

pytestmark = pytest.mark.compiled
UP = Target.parse("mid@100ms")


@dataclass(frozen=True)
class Taught:
    """P(up) is the share of the rows it was taught; `asked` keeps what these were."""

    asked: list[Any]
    targets: tuple[Target, ...] = ()
    up: float = 0.5
    needs = Needs()

    def fit(self, reader, labels, *, seed, budget):
        self.asked.append(learned(labels))
        up = float(learned(labels).mean())
        return replace(self, targets=labels.targets, up=up)

    def init(self, instruments):
        return build("vote").init(instruments)

    def predict(self, state, tape):
        shape = (len(tape.rows[0].ts), len(self.targets))
        move, up = np.ones(shape), np.full(shape, self.up)
        ready = np.ones(shape, np.bool_)
        return state, Forecast(self.targets, probabilities(move, up), up.astype("f4"), ready)


class Far(Taught):
    needs = Needs(events=True, history=1, back_ns=7, clocks=2, instruments="all")


def test_it_needs_what_either_needs():
    assert Residual(Far([]), Lstm(history=9)).needs == Needs(True, 9, 7, 2, "all")


def test_no_block_is_forecast_by_what_was_taught_of_it_or_beside_it():
    reader, told = lagged(300)
    asked: list[Any] = []
    out_of_fold(Taught(asked), reader, told, 3, seed=0, budget=Budget())
    learn, ts = learned(told), times(reader)
    for block, taught in zip(np.array_split(np.flatnonzero(learn.any(1)), 3), asked, strict=True):
        assert not taught[block].any() and taught.any()
        first, last = ts[block[0]], told.known_at[block].max()
        overlap = (told.known_at > first) & (ts <= last)[:, None]
        assert not (taught & overlap).any()
        assert (learn & ~overlap & ~taught).sum() == 0


def test_what_it_says_of_a_block_is_of_the_model_without_it():
    reader, told = lagged(300)
    asked: list[Any] = []
    found = out_of_fold(Taught(asked), reader, told, 3, seed=0, budget=Budget())
    blocks = np.array_split(np.flatnonzero(learned(told).any(1)), 3)
    for block, taught in zip(blocks, asked, strict=True):
        up = taught.mean()
        np.testing.assert_allclose(found.side[block], np.log(up / (1 - up)), rtol=1e-4)
        assert found.known[block].all()
    assert not found.known[blocks[-1][-1] + 1 :].any()


def test_too_few_rows_for_so_many_folds_are_refused():
    reader, told = lagged(300)
    few = told._replace(valid=told.valid & (np.arange(len(told.y)) < 5)[:, None])
    with pytest.raises(InputError, match="5 rows to learn from: 4 folds need more"):
        out_of_fold(Taught([]), reader, few, 4, seed=0, budget=Budget())


def test_rows_to_stop_on_are_cut_in_the_middle():
    reader, told = lagged(300)
    early, late = halves(told, times(reader))
    assert early.sum() == pytest.approx(late.sum(), rel=0.1) and not (early & late).any()
    assert told.known_at[early].max() <= times(reader)[late.any(1)].min()
    none, too = halves(told._replace(stop=None), times(reader))
    assert not none.any() and not too.any()


def said(odds, ready=True):
    shape = (1, 1)
    up = np.full(shape, sigmoid(np.array(odds)))
    proba = probabilities(np.full(shape, 0.5), up)
    return Forecast((UP,), proba, (0.5 * (2 * up - 1)).astype("f4"), np.full(shape, ready))


def test_log_odds_are_added_and_moves_stay_those_of_the_base():
    both = added(said(0.4), said(0.7), np.ones(1, np.float32))
    np.testing.assert_allclose(both.proba, said(1.1).proba, rtol=1e-5)
    np.testing.assert_allclose(both.value, said(1.1).value, rtol=1e-5)


def test_a_net_that_is_not_ready_or_does_not_help_adds_nothing():
    for net, share in ((said(0.7, ready=False), 1), (said(0.7), 0)):
        both = added(said(0.4), net, np.full(1, share, np.float32))
        assert both.proba.tobytes() == said(0.4).proba.tobytes()
        assert both.value.tobytes() == said(0.4).value.tobytes()


def test_nothing_is_said_before_a_fit():
    of = tape(rows(5))
    with pytest.raises(InputError, match="residual: fit or load"):
        Residual(build("vote"), Lstm()).predict(None, of)


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("torch")
    net = Lstm(history=8, layers=1, units=16, heads=2, asked=32, batch=16, epochs=5, rate=1e-2)
    return Residual(build("logistic"), net, folds=2).fit(*lagged(), seed=0, budget=Budget())


@pytest.fixture(scope="module")
def trial():
    pytest.importorskip("torch")
    return Fitted.on(Residual(build("logistic"), Lstm.tiny(), folds=2), Trial.usual())


@pytest.mark.slow
def test_a_net_adds_what_the_base_cannot_see(fitted):
    of = rows(600, 7)
    y = labels(of, 7).y[:, 0]
    alone, both = (
        m.predict(m.init(tape(of).instruments), tape(of))[1].proba[:, 0]
        for m in (fitted.base, fitted)
    )
    told = [((p[:, 2] > p[:, 0]) == (y == 2))[y != 1].mean() for p in (alone, both)]
    assert fitted.share[0] == 1 and told[0] < 0.6 < 0.75 < told[1]


@pytest.mark.slow
@pytest.mark.parametrize("check", ["targets", "laws", "names", "unseen"])
def test_it_is_a_model(check, trial):
    CHECKS[check](trial)


@pytest.mark.slow
def test_of_noise_a_net_that_does_not_help_is_not_heard():
    pytest.importorskip("torch")
    reader, told = lagged(1_000)
    dealt = np.random.default_rng(0).permutation(len(told.y))
    noise = told._replace(y=told.y[dealt], move=told.move[dealt])
    net = Lstm(history=8, layers=1, units=16, heads=2, asked=32, epochs=2, epoch=20, rate=3e-2)
    found = Residual(build("majority"), net, folds=2).fit(reader, noise, seed=0, budget=Budget())
    assert found.share[0] == 0
