"""The model of an order book's flow, on flow whose law is known."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.model import Budget, OnlineModel
from flowsense.model.hawkes.orders import MIRROR, SIGN
from flowsense.model.hawkes.stream import Stream
from flowsense.models.hawkes import Hawkes
from flowsense.schema import (
    BOOK,
    CANCEL,
    EVENT,
    GAP,
    LAST,
    QUOTE,
    SECOND,
    SNAPSHOT,
    TRADE,
    Decimal,
    Instrument,
    zeros,
)
from flowsense.simulate.points import exponential, thinned
from flowsense.tape import Rows, Tape

WHO = (Instrument("A", "x", Decimal(1, -2), Decimal(1, 0), by_order=True),)
OTHER = (Instrument("NEW", "x", Decimal(1, -2), Decimal(1, 0), by_order=True),)
TARGETS = tuple(map(Target.parse, ("ofi@100ms", "ofi@500ms", "magnitude@500ms")))
START, SECONDS = 1_000 * SECOND, 1_200
FLOW = exponential(
    [0.4, 0.4, 0.8, 0.8],
    [[0.5, 0.1, 0, 0.1], [0.1, 0.5, 0.1, 0], [0.3, 0.1, 0.2, 0], [0.1, 0.3, 0, 0.2]],
    10.0,
)
MODEL = Hawkes(decays=(10.0,), rows=10_000)


def events_of(points):
    out = zeros(EVENT, len(points.ts))
    out["ts_recv"] = out["ts_event"] = points.ts
    out["action"] = np.where(points.kind < 2, TRADE, CANCEL)
    out["side"] = np.where(points.kind % 2 == 0, 1, -1)
    out["lots"], out["price"], out["bits"] = 1, 100, LAST
    return out.view(EVENT)


def tape_of(points, instruments=WHO):
    ts = np.arange(START, START + SECONDS * SECOND, SECOND // 10)
    n, none = len(ts), np.zeros(len(ts), np.int64)
    X = np.zeros((n, 0), np.float32)
    before = np.searchsorted(points.ts, ts)
    rows = Rows(ts, none, X, X > 0, before, np.zeros(n, BOOK), np.zeros(n, QUOTE))
    return Tape(events_of(points), *(zeros(EVENT),) * 3, (rows,), instruments)


def labels_of(points, rows):
    signed = np.r_[0, np.cumsum(SIGN[points.kind])]
    horizons = np.array([t.horizon_ns for t in TARGETS])
    known = rows.ts[:, None] + horizons
    net = signed[np.searchsorted(points.ts, known)] - signed[rows.event][:, None]
    y = np.where([t.kind == "magnitude" for t in TARGETS], np.abs(net), np.sign(net) + 1)
    weight = np.minimum(SECOND / 10 / horizons, 1) * np.ones_like(y)
    valid = known < points.end
    return Labels(TARGETS, *(a.astype(np.float32) for a in (y, net)), known, valid, weight)


class Simulated:
    """A Reader of one tape without columns."""

    def __init__(self, seed, instruments=WHO):
        rng = np.random.default_rng(seed)
        self.points = thinned(FLOW, SECONDS, rng, START)
        self.tape = tape_of(self.points, instruments)
        self.labels = labels_of(self.points, self.tape.rows[0])
        self.instruments, self.spec = instruments, spec((), ("interval:100ms",))

    def __iter__(self):
        return iter((self.tape,))


@pytest.fixture(scope="module")
def train():
    return Simulated(1)


@pytest.fixture(scope="module")
def later():
    return Simulated(2)


@pytest.fixture(scope="module")
def fitted(train):
    return MODEL.fit(train, train.labels, seed=0, budget=Budget())


def test_it_finds_the_flow_behind_the_events(fitted):
    found = fitted.process("A", "x")
    assert np.abs(found.alpha[:4, :4, 0] - FLOW.alpha[:, :, 0]).max() < 0.1
    assert abs(found.branching - FLOW.branching) < 0.1
    assert np.array_equal(found.alpha, found.alpha[np.ix_(MIRROR, MIRROR)])


def losses(said, of):
    """(2,) of the directions."""
    out = []
    for j in range(2):
        mine = of.labels.valid[:, j]
        p = said.proba[mine, j].astype(np.float64)
        out.append(-np.log(p[np.arange(mine.sum()), of.labels.y[mine, j].astype(int)]).mean())
    return np.array(out)


def truth(later, horizon):
    from flowsense.bench.hawkes import forecasts

    ts = later.tape.rows[0].ts
    return forecasts(FLOW, later.points, ts, np.array([horizon]), sign=SIGN[:4])[:, 0]


def test_order_flow_has_nearly_all_the_skill_there_is(fitted, later):
    """By log-loss between the frequencies and the forecaster that knows the parameters."""
    _, said = fitted.predict(fitted.init(WHO), later.tape)
    base = [np.bincount(later.labels.y[:, j].astype(int)) / len(later.labels.y) for j in range(2)]
    null, best = said.proba.copy(), said.proba.copy()
    for j, h in enumerate((0.1, 0.5)):
        null[:, j], best[:, j] = base[j], truth(later, h)
    n, ours, true = (
        losses(type(said)(TARGETS, p, said.value, said.ready), later)
        for p in (null, said.proba, best)
    )
    assert ((n - ours) / (n - true) > 0.95).all()


def test_sizes_follow_activity(fitted, later):
    _, said = fitted.predict(fitted.init(WHO), later.tape)
    mine = later.labels.valid[:, 2]
    value, y = said.value[mine, 2], later.labels.y[mine, 2]
    assert (value >= 0).all() and np.corrcoef(value, y)[0, 1] > 0.2
    assert abs(value.mean() / y.mean() - 1) < 0.1


def test_the_kind_of_what_comes_next_has_nearly_all_the_skill_there_is(fitted, later):
    _, said = fitted.predict(fitted.init(WHO), later.tape)
    ts, event = later.tape.rows[0].ts, later.tape.rows[0].event
    kind = later.points.kind[event[:-50]]
    stream, n, true = Stream(FLOW, START), 0, np.zeros((len(kind), 4))
    for i, at in enumerate(ts[:-50].tolist()):
        for k in range(n, event[i]):
            stream.push(int(later.points.ts[k]), int(later.points.kind[k]))
        n, true[i] = event[i], stream.next_kind(at)
    null = np.log(np.bincount(kind) / len(kind))[kind].mean()
    every = np.arange(len(kind))
    ours, best = (np.log(p[every, kind]).mean() - null for p in (said.aux["next"][:-50], true))
    assert ours > 0.9 * best > 0.01
    assert np.isclose(said.aux["intensity"][:, :4].mean(), FLOW.rates.mean(), rtol=0.1)


def test_the_mirrored_market_is_forecast_mirrored(fitted, later):
    turned = later.tape._replace(events=later.tape.events.copy())
    turned.events["side"] *= -1
    _, here = fitted.predict(fitted.init(WHO), later.tape)
    _, there = fitted.predict(fitted.init(WHO), turned)
    assert np.allclose(here.proba, there.proba[:, :, ::-1], atol=1e-5)


def test_nothing_is_known_after_a_gap(fitted, later):
    """Until the snapshot is whole the forecast is that of an empty state."""
    broken = later.tape._replace(events=later.tape.events.copy())
    i = int(later.tape.rows[0].event[500])
    broken.events["bits"][i] |= GAP
    _, said = fitted.predict(fitted.init(WHO), broken)
    after = np.flatnonzero(later.tape.rows[0].event > i)
    assert np.ptp(said.proba[after], axis=0).max() < 1e-6
    broken.events["bits"][i + 30] |= SNAPSHOT
    _, said = fitted.predict(fitted.init(WHO), broken)
    assert np.ptp(said.proba[after], axis=0).max() > 0.1


def test_learning_on_follows_a_market_that_changed(fitted, train):
    """Cancels twice as frequent in the second market: their baseline grows; laws follow."""
    assert isinstance(fitted, OnlineModel)
    quick = Hawkes(decays=(10.0,), memory=300.0).load(fitted.params())
    busy = FLOW._replace(mu=FLOW.mu * 2)
    points = thinned(busy, SECONDS, np.random.default_rng(5), START)
    tape = tape_of(points)
    learned = quick.update(quick.init(WHO), tape, labels_of(points, tape.rows[0]))
    before, now = (m.process("A", "x").rates.sum() for m in (fitted, learned))
    assert 1.5 * before < now < 2.2 * before
    assert fitted.params()["theta"].tobytes() != learned.params()["theta"].tobytes()
    assert (learned.fitted.counts[0] != fitted.fitted.counts[0]).any()
    assert np.array_equal(learned.fitted.counts[-1], fitted.fitted.counts[-1])


def test_an_instrument_not_in_training_teaches_nothing(fitted):
    other = Simulated(3, OTHER)
    learned = fitted.update(fitted.init(OTHER), other.tape, other.labels)
    assert all(np.array_equal(a, learned.params()[k]) for k, a in fitted.params().items())


def test_rows_that_are_not_valid_teach_no_flow(train):
    """Fitted on the first half alone, whatever happens in the second."""
    early = train.labels._replace(
        valid=train.labels.valid & (train.labels.known_at < START + 600e9)
    )
    spoiled = Simulated(1)
    half = spoiled.tape.rows[0].event[6_000]
    spoiled.tape.events["side"][half:] = 1
    one, two = (MODEL.fit(r, early, seed=0, budget=Budget()).params() for r in (train, spoiled))
    assert all(one[k].tobytes() == two[k].tobytes() for k in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"exponent": 0.5}, {"free": True, "decays": (3.0,)}, {"knots": 3}, {"decays": (1.0, 10.0)}],
)
def test_other_kernels_and_baselines_fit_and_come_back(settings, train):
    model = Hawkes(most=2_000, rows=500, **settings)
    fitted = model.fit(train, train.labels, seed=0, budget=Budget(steps=30))
    again = model.load(fitted.params())
    _, said = fitted.predict(fitted.init(WHO), train.tape)
    _, same = again.predict(again.init(WHO), train.tape)
    assert said.proba.tobytes() == same.proba.tobytes() and np.isfinite(said.value).all()
    assert again.process("A", "x").branching < 1.2


def test_too_few_points_are_refused(train):
    none = train.labels._replace(valid=np.zeros_like(train.labels.valid))
    with pytest.raises(InputError, match="0 orders of one instrument"):
        MODEL.fit(train, none, seed=0, budget=Budget())


@pytest.mark.parametrize("ask", ["predict", "update", "process"])
def test_before_it_is_fitted_it_says_nothing(ask, train):
    state = MODEL.init(WHO)
    calls = {
        "predict": lambda: MODEL.predict(state, train.tape),
        "update": lambda: MODEL.update(state, train.tape, train.labels),
        "process": lambda: MODEL.process("A", "x"),
    }
    assert MODEL.targets == () and MODEL.params() == {}
    with pytest.raises(InputError, match="fit or load"):
        calls[ask]()
