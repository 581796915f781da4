"""The graph model finds planted leads, hears strategies, and nothing where there is nothing."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import UP, Target
from flowsense.labels import join
from flowsense.labels.stages import Stages
from flowsense.model import Budget
from flowsense.models.graph import Graph
from flowsense.schema import OBSERVATION, Chunk, kind_of, zeros
from flowsense.sources import NO_BARS
from flowsense.testing import Recording, check_model, tape_of
from flowsense.testing.mirror import mirrored
from flowsense.testing.network import SCALE, STEP, Led, best, heard, instruments, news, quotes

pytest.importorskip("torch")
pytestmark = [pytest.mark.compiled, pytest.mark.slow]

COLUMNS = ("ofi", "volatility")
MID = (Target.parse("mid@500ms"),)
LEADS = (Led(0, 1, 3, 0.7), Led(0, 2, 5, 0.6))
SMALL = Graph(history=8, units=8, head=4, epochs=8, batch=48)


def labelled(tape, share=0.6):
    """Labels to learn from, of the first of the time; a tenth more to stop on."""
    stage = Stages(MID)
    state, done = stage.fold(stage.init(), tape)
    labels = join([done, stage.close(state)])
    end, ts = tape.rows[0].ts.max(), tape.rows[0].ts[:, None]
    learn, stop = labels.known_at < share * end, labels.known_at < (share + 0.1) * end
    return labels, labels.to_fit(learn, stop & (ts >= share * end))


def fitted(model, columns, k, events, observations=None):
    beside = zeros(OBSERVATION) if observations is None else observations
    tape = tape_of(columns, instruments(k), Chunk(events, NO_BARS, beside))
    labels, to_fit = labelled(tape)
    source = Recording(instruments(k), events, observations=beside)
    budget = Budget(steps=40, seconds=1e9)
    model = model.fit(Replay(columns, source), to_fit, seed=1, budget=budget)
    return model, tape, labels


def scored(tape, labels, share=0.7):
    """Rows of the rest of the time that moved."""
    late = tape.rows[0].ts > share * tape.rows[0].ts.max()
    return late & labels.valid[:, 0] & (labels.y[:, 0] != 1)


def up(forecast, rows):
    p = forecast.proba[rows, 0].astype(float)
    return p[:, 2] / (p[:, 0] + p[:, 2])


def log_loss(p, went_up):
    return -np.mean(np.log(np.where(went_up, p, 1 - p)))


@pytest.fixture(scope="module")
def market():
    own = news(3, 9_000, seed=1)
    return own, quotes(np.rint(heard(own, LEADS) * SCALE))


@pytest.fixture(scope="module")
def found(market):
    return fitted(SMALL, spec(COLUMNS), 3, market[1])


@pytest.fixture(scope="module")
def said(found):
    return found[0].predict(found[0].init(found[1].instruments), found[1])


def test_it_gets_most_of_the_skill_that_there_is(found, said, market):
    _, tape, labels = found
    rows, at, forecast = tape.rows[0], scored(tape, labels), said[1]
    step = (rows.ts[at] // STEP - 1).astype(int)
    ideal = best(market[0], LEADS, 5)[step, rows.instrument[at]]
    went_up = labels.y[at, 0] == UP
    ours, ceiling = log_loss(up(forecast, at), went_up), log_loss(ideal, went_up)
    assert (np.log(2) - ours) / (np.log(2) - ceiling) > 0.75


def test_it_names_the_leader_and_the_lag(found, said):
    (model, tape, _), (state, forecast) = found, said
    links = model.links(state)
    assert links.lead[1, 0] > 0.4 and links.lag[1, 0] == 3
    last = forecast.aux["led"][tape.rows[0].instrument == 2][-1]
    assert last[0] > 0.4 and last[1] == 5


def test_the_mirrored_market_is_forecast_mirrored(found, market):
    model, tape, _ = found
    few = market[1][: len(market[1]) // 8]
    here, there = (
        model.predict(model.init(tape.instruments), tape_of(spec(COLUMNS), tape.instruments, e))[1]
        for e in (few, mirrored(few, 200_003))
    )
    np.testing.assert_allclose(here.proba, there.proba[..., ::-1], atol=1e-5)


def test_more_and_fewer_instruments_than_it_was_fitted_on(found):
    model, own = found[0], news(5, 300, seed=4)
    for k in (1, 5):
        tape = tape_of(spec(COLUMNS), instruments(k), quotes(np.rint(own[:, :k] * SCALE)))
        check_model(model, few_events(tape))
        _, forecast = model.predict(model.init(tape.instruments), tape)
        assert forecast.ready.mean() > 0.9


def few_events(tape, n=60):
    events = tape.events[: n * len(tape.instruments)]
    return tape_of(spec(COLUMNS), tape.instruments, events)


def test_a_leader_of_another_time_brings_nothing(market):
    """Placebo: the leader's prices are those of minutes later."""
    own = market[0][:4_000]
    moves = np.rint(heard(own, LEADS) * SCALE)
    moves[:, 0] = np.roll(moves[:, 0], 1_500)
    model, tape, labels = fitted(SMALL, spec(COLUMNS), 3, quotes(moves))
    at = scored(tape, labels)
    _, forecast = model.predict(model.init(tape.instruments), tape)
    right = (up(forecast, at) > 0.5) == (labels.y[at, 0] == UP)
    assert abs(right.mean() - 0.5) < 0.04  # 3,600 rows, 5 of which share most of their label


def words(own, k, n):
    """A strategy that knows the sign of the sum of the next five moves, mostly."""
    out = zeros(OBSERVATION, n * k)
    ahead = np.stack([np.convolve(own[:, j], np.ones(5))[4:] for j in range(k)], axis=1)
    ahead = np.concatenate([ahead[1:], ahead[:1] * 0])[: len(own)]
    out["ts_recv"] = out["ts_event"] = np.repeat(np.arange(1, n + 1) * STEP - 1, k)
    out["instrument"] = np.tile(np.arange(k), n)
    out["kind"], out["value"] = kind_of("forecast/oracle"), 0.6 * np.sign(ahead[:n]).ravel()
    return out


def test_what_a_strategy_says_is_heard():
    own = news(2, 3_000, seed=5)
    events, columns = quotes(np.rint(own * SCALE)), spec(("ofi", "observed:forecast/oracle"))
    model, tape, labels = fitted(SMALL, columns, 2, events, words(own, 2, 3_000))
    at = scored(tape, labels)
    _, forecast = model.predict(model.init(tape.instruments), tape)
    right = (up(forecast, at) > 0.5) == (labels.y[at, 0] == UP)
    assert right.mean() > 0.9
    assert model.load(model.params()).words.tolist() == [columns.columns.index("forecast/oracle")]


def test_before_a_fit_it_says_what_to_do():
    with pytest.raises(InputError, match="graph: fit or load it"):
        Graph().predict(Graph().init(()), None)
