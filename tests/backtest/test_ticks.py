import numpy as np
import pytest
from quoted import ONE, START, TARGET, Rule, forecast_of, rows_of, taped, touches
from toys import Ewma

from flowsense.backtest.arms import members
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.foresight import Foresight
from flowsense.backtest.strategies.quote import Quote
from flowsense.backtest.ticks import Backtest, backtest, likeliest, live, stored
from flowsense.engine import Engine
from flowsense.ensemble.members import Ensemble
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Replay, Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.models import build
from flowsense.risk.anomaly import Anomaly
from flowsense.risk.breaker import Breakers
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import EVENT, HALT, LAST, MILLISECOND, SECOND, STATUS
from flowsense.simulate.bayes import known
from flowsense.simulate.latent import Latent
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.dataset import chained

MS = MILLISECOND
FREE = Terms()


def venue(ms=0.0, terms=FREE, instruments=(ONE,)):
    wait = Constant(round(ms * MS))
    return Replay(instruments, terms, Rules(order=wait, response=wait))


def run(strategy, tapes, forecast=None, *, ms=0.0, terms=FREE, risk=None, capital=1e9):
    """A backtest over these tapes."""
    table = tapes[0].instruments
    one = Backtest(
        venue(ms, terms, table), strategy, risk, capital=capital, terms=(terms,) * len(table)
    )
    return backtest(one, stored(tapes, forecast))


def wandering(seconds=120, seed=0, step=3, every=10 * MS):
    """The events of a mid that walks at random."""
    rng, n = np.random.default_rng(seed), seconds * SECOND // every
    mid = 10_000 + np.cumsum(rng.integers(-step, step + 1, n))
    return touches(START + MS + every * np.arange(n), mid)


@pytest.fixture(scope="module")
def walk():
    return taped(wandering(61))


def informed(seed, seconds):
    """A market whose orders know the efficient price: its tapes, and a forecast that knows it."""
    market = Market(instruments=1, leads=(), latent=Latent(volatility=(1.5, 2.0, 3.0)))
    simulation = simulate(market, seconds, seed)
    tapes = taped(simulation.events, simulation.instruments)
    ts, who, quote, _ = rows_of(tapes)
    efficient = known(simulation.truth, simulation.events, ts, who).price
    return tapes, forecast_of(efficient - quote["mid2"] / 2)


@pytest.fixture(scope="module")
def short():
    return taped(wandering(3, every=100 * MS))


def money(result):
    """What it earned, and how that came about."""
    m = result.marks[-1]
    return {n: float(m[n]) for n in ("fees", "slippage", "funding")} | {
        "net": m["equity"] - result.capital,
        "gross": m["gross"] - result.capital,
    }


@pytest.mark.slow
@pytest.mark.compiled
def test_a_random_strategy_loses_what_trading_costs(walk):
    terms = Terms(taker=1e-5)
    parts = [money(run(Random(0.5, 100 * MS, seed=s), walk, terms=terms)) for s in range(8)]
    for found in parts:
        assert found["net"] == pytest.approx(found["gross"] - found["fees"] - found["slippage"])
        assert found["fees"] > 0 < found["slippage"]
    excess = np.array([found["net"] + found["fees"] + found["slippage"] for found in parts])
    assert abs(excess.mean()) < 3 * excess.std(ddof=1) / np.sqrt(len(parts))
    assert max(found["net"] for found in parts) < 0


@pytest.mark.compiled
def test_its_slippage_is_the_half_spread_of_every_execution(walk):
    result = run(Random(0.5, 100 * MS), walk)
    assert len(result.fills) > 200
    against = result.fills["side"] * (2 * result.fills["price"] - result.fills["decided2"])
    assert (against == 2).all() and (result.fills["mid2"] == result.fills["decided2"]).all()
    assert money(result)["slippage"] == pytest.approx(len(result.fills))


def best_possible(bid, ask):
    """What one lot could have earned, told all prices: the slow way, over positions -1, 0 and 1."""
    best = {-1: -np.inf, 0: 0.0, 1: -np.inf}
    for b, a in zip(bid.tolist(), ask.tolist(), strict=True):
        price = {1: a, -1: b, 0: 0.0}
        best = {
            now: max(best[was] - (now - was) * price[int(np.sign(now - was))] for was in best)
            for now in best
        }
    return max(best[p] + p * (b + a) / 2 for p in best)


@pytest.mark.compiled
@pytest.mark.parametrize("hold_ms", [100, 300, 1_000])
def test_foresight_earns_what_the_book_allowed_and_no_more(walk, hold_ms):
    quotes = np.concatenate([t.quotes for t in walk])
    found = run(Foresight.of(quotes, hold_ms * MS), walk)
    _, _, _, book = rows_of(walk)
    bound = best_possible(book["bid_px"][:, 0], book["ask_px"][:, 0])
    assert 0.05 * bound < money(found)["net"] <= bound


def test_foresight_of_a_step_by_hand():
    """100, then 110 for good after 250 ms: in at the ask of 101, out at the bid of 109."""
    ts = START + MS * np.array([0, 250, 1_000])
    tapes = taped(touches(ts, np.array([100, 110, 111])))
    sees = Foresight(ts, np.array([200, 220, 222]), np.zeros(3, int), hold_ns=200 * MS)
    result = run(sees, tapes)
    assert result.fills[["side", "price"]].tolist() == [(1, 101), (-1, 109)]
    assert money(result)["net"] == 8 == money(result)["gross"] - 2


SIZE, LIFE, HOLD = 1_000, 20 * MS, 200 * MS  # ticks; ns to 1/e; ns


def decaying(n=30, size=SIZE):
    """A signal each half second: the mid goes size * (1 - exp(-t / LIFE)) to its side.

    (tapes, forecast) that knows the side of all but the last, at the instant at which it begins.
    """
    side = np.random.default_rng(4).choice([-1, 1], n + 1)
    t = MS * np.arange(500)
    path = np.round(size * (1 - np.exp(-t / LIFE)))
    before = 1_000_000 + size * np.r_[0, np.cumsum(side)[:-1]]
    mid = (before[:, None] + side[:, None] * path).astype(np.int64)
    ts = START + 500 * MS * np.arange(n + 1)[:, None] + t
    tapes = taped(touches(np.r_[START - SECOND, ts.ravel()], np.r_[1_000_000, mid.ravel()]))
    since = rows_of(tapes)[0] - START
    told = (since % (500 * MS) == 0) & (since >= 0) & (since < n * 500 * MS)
    value = np.where(told, side[np.clip(since // (500 * MS), 0, n)] * size, 0)
    return tapes, forecast_of(value), side[:n]


@pytest.fixture(scope="module")
def planted():
    return decaying()


@pytest.mark.parametrize("ms", [0, 1, 10, 100])
@pytest.mark.compiled
def test_latency_costs_what_the_decay_of_the_signal_says(planted, ms):
    """In and out both come later by L: size * exp(-L / LIFE) * (1 - exp(-HOLD / LIFE)) is left."""
    tapes, forecast, side = planted
    result = run(Follow(lots=1), tapes, forecast, ms=ms, risk=Rule())
    trips = len(side)
    expected = SIZE * np.exp(-ms * MS / LIFE) * (1 - np.exp(-HOLD / LIFE)) - 2
    assert len(result.fills) == 2 * trips
    assert money(result)["net"] / trips == pytest.approx(expected, abs=1.5)  # rounded to ticks


@pytest.mark.compiled
def test_a_forecast_that_is_right_but_cannot_pay_for_the_spread_is_shown_as_such():
    """The mid goes a tick to the side that was named, every time; in and out cost two."""
    tapes, forecast, side = decaying(size=1)
    found = money(run(Follow(lots=1), tapes, forecast, risk=Rule()))
    trips = len(side)
    assert found["gross"] == pytest.approx(trips) and found["slippage"] == pytest.approx(2 * trips)
    assert found["net"] == pytest.approx(-trips)


@pytest.mark.compiled
def test_risk_does_not_recommend_what_cannot_pay(planted):
    def sent(tapes, forecast, _):
        settings = Settings(anomaly=Anomaly(warmup=20), breakers=Breakers(jump=1.0))
        risk = Risk(settings, (ONE,), (TARGET,), 0)
        return run(Follow(lots=1), tapes, forecast, risk=risk).orders["sent"]

    assert sent(*planted) > 0 == sent(*decaying(size=1))


def after(tapes, result):
    """(k,) ticks that each fill is worth two seconds later, by the mid."""
    ts, _, quote, _ = rows_of(tapes)
    at = np.searchsorted(ts, result.fills["ts"] + 2 * SECOND).clip(max=len(ts) - 1)
    return result.fills["side"] * (quote["mid2"][at] / 2 - result.fills["price"])


def makers(seed, seconds, **settings):
    """The same quotes and inventory limit on the same informed flow, with the forecast, without."""
    tapes, forecast = informed(seed, seconds)
    for heeds in (True, False):
        strategy = Quote(most=5, heeds=heeds, **settings)
        yield tapes, run(strategy, tapes, forecast, ms=1, risk=Rule())


@pytest.mark.slow
@pytest.mark.compiled
def test_a_forecast_spares_a_maker_the_fills_that_informed_orders_bring():
    fills = [[after(*each) for each in makers(seed, 90)] for seed in range(4)]
    heard, deaf = (np.concatenate(x) for x in zip(*fills, strict=True))
    error = np.hypot(heard.std() / np.sqrt(len(heard)), deaf.std() / np.sqrt(len(deaf)))
    assert len(deaf) > len(heard) > 20  # it quotes less
    assert heard.mean() - deaf.mean() > 3 * error


@pytest.mark.soak
def test_a_maker_earns_more_with_a_forecast():
    nets = [
        [money(result)["net"] for _, result in makers(seed, 120, turn=1.0, inventory=3.0)]
        for seed in range(24)
    ]
    gain = np.array([heard - deaf for heard, deaf in nets])
    assert gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain))


def pushed(strategy, pairs, **settings):
    one = Backtest(venue(5), strategy, Rule(), capital=1e6, **settings)
    return backtest(one, pairs)


def same(a, b):
    assert a.fills.tobytes() == b.fills.tobytes() and a.marks.tobytes() == b.marks.tobytes()
    assert a.orders == b.orders


STRATEGIES = (Random(0.3, 200 * MS), Quote(), Follow(lots=2, beyond=1))


def strategies(first):
    """One of them before every push, the others in `make test`."""
    marks = [() if type(s) is first else pytest.mark.slow for s in STRATEGIES]
    cases = [
        pytest.param(s, marks=m, id=type(s).__name__)
        for s, m in zip(STRATEGIES, marks, strict=True)
    ]
    return pytest.mark.parametrize("strategy", cases)


@strategies(Follow)
def test_cutting_the_stream_changes_no_fill_and_no_mark(strategy):
    events = wandering(65, seed=5, every=500 * MS)
    whole = taped(events)
    cuts = np.sort(np.random.default_rng(1).integers(1, len(events), 40))
    value = np.random.default_rng(2).integers(-1, 2, len(rows_of(whole)[0]))
    forecast = forecast_of(value)
    once = pushed(strategy, stored(whole, forecast))
    assert len(once.fills) > 20 and len(once.marks) == 3
    same(once, pushed(strategy, stored(taped(events, cuts=cuts), forecast)))
    same(once, pushed(strategy, stored(whole, forecast)))


@strategies(Random)
def test_nothing_is_done_or_told_outside_of_a_span_wherever_the_stream_is_cut(strategy):
    events = wandering(65, seed=5, every=500 * MS)
    whole, span = taped(events), (START + 10 * SECOND, START + 50 * SECOND + MS)
    cuts = np.sort(np.random.default_rng(1).integers(1, len(events), 40))
    value = np.random.default_rng(2).integers(-1, 2, len(rows_of(whole)[0]))
    forecast = forecast_of(value)
    once = pushed(strategy, stored(whole, forecast), span=span)
    assert len(once.fills) > 10 and once.fills["decided2"].all()
    told = np.r_[once.fills["ts"], once.marks["ts"]]
    assert told.min() >= span[0] and told.max() < span[1] + 100 * MS
    same(once, pushed(strategy, stored(taped(events, cuts=cuts), forecast), span=span))


@strategies(Quote)
def test_saving_and_going_on_changes_no_fill_and_no_mark(strategy):
    events = wandering(20, seed=6, every=500 * MS)
    cuts = np.sort(np.random.default_rng(1).integers(1, len(events), 10))
    tapes = taped(events, cuts=cuts)
    forecast = forecast_of(np.random.default_rng(2).integers(-1, 2, len(rows_of(tapes)[0])))
    once = pushed(strategy, stored(tapes, forecast))
    one = Backtest(venue(5), strategy, Rule(), capital=1e6)
    for pair in stored(tapes, forecast):
        one.push(*pair)
        saved, one = one.snapshot(), Backtest(venue(5), strategy, Rule(), capital=1e6)
        one.restore(saved)
    same(once, one.result())


def test_positions_are_marked_at_the_mid_and_the_cost_of_closing_them_is_told():
    ts = START + MS * np.array([0, 250, 1_000])
    tapes = taped(touches(ts, np.array([100, 110, 111]), half=3))
    result = run(Random(1.0, 100 * SECOND, lots=4), tapes, terms=Terms(taker=0.01))
    (fill,) = result.fills
    assert result.config["held"] == {"ONE": 4 * fill["side"]}
    # three ticks of half-spread and 1 % of fee on four lots at 110 -/+ 3
    price = 110 - 3 * fill["side"]
    assert result.config["closing them costs"] == pytest.approx(4 * 3 + 0.01 * 4 * price)
    gained = fill["side"] * 4 * (110 - fill["price"]) - 0.01 * 4 * fill["price"]
    assert money(result)["net"] == pytest.approx(gained)


def test_what_a_halted_venue_refuses_is_told():
    events = wandering(10, every=250 * MS)
    halt = np.zeros(1, EVENT)
    halt["ts_event"] = halt["ts_recv"] = START + 5 * SECOND
    halt["action"], halt["lots"], halt["bits"] = STATUS, HALT, LAST
    at = np.searchsorted(events["ts_recv"], START + 5 * SECOND)
    halted = np.concatenate([events[:at], halt, events[at:]]).view(EVENT)
    result = run(Random(1.0, 100 * MS), taped(halted), ms=400)  # one is always on its way
    assert result.orders["rejected"] == result.orders["not trading"] == 1
    assert len(result.fills) > 2 and (result.fills["ts"] <= START + 5 * SECOND).all()


@pytest.mark.compiled
def test_marks_are_a_minute_apart_and_the_last(walk):
    marks = run(Random(0.1), walk).marks
    assert (np.diff(marks["ts"] // (60 * SECOND)) == [1, 0]).all()
    assert marks["ts"][-1] == rows_of(walk)[0][-1]
    assert (marks["regime"] == -1).all() and (np.diff(marks["turnover"]) >= 0).all()


@pytest.mark.compiled
def test_an_engine_and_a_forecast_that_was_stored_give_the_same(instruments, events):
    features, target = spec(("ofi", "flow"), ("interval:100ms",)), Target("mid", 500 * MS)
    model = Ewma(target, features.columns.index("ofi_l1_1s"), slope=0.05)
    pairs = list(live(Engine(features, instruments, model), Recording(instruments, events)))
    said = chained([forecast for _, forecast in pairs])

    def result(pairs):
        risk = Risk(Settings(), instruments, (target,), len(features.columns))
        return backtest(Backtest(venue(1, FREE, instruments), Quote(), risk, capital=1e6), pairs)

    once = result(pairs)
    assert len(once.fills) > 5 and set(once.fills["instrument"]) == {0, 1}
    same(once, result(stored([tape for tape, _ in pairs], said)))


def test_risk_is_told_how_many_members_an_ensemble_has():
    assert members(Ensemble((build("logistic"), build("xgboost")))) == 2
    assert members(build("logistic")) is None


def test_capital_that_is_none_is_refused():
    for capital in (0.0, -5.0):
        with pytest.raises(InputError, match="above 0"):
            Backtest(venue(), Follow(), capital=capital)


def test_a_stream_of_other_instruments_is_refused(short):
    other = ONE._replace(symbol="TWO")
    with pytest.raises(InputError, match="holds ONE, the venue trades TWO"):
        Backtest(venue(instruments=(other,)), Follow(), capital=1.0).push(short[0])


def test_a_horizon_that_the_model_does_not_forecast_is_refused():
    with pytest.raises(InputError, match="the model forecasts mid@200ms"):
        Risk(Settings(target=Target("mid", SECOND)), (ONE,), (TARGET,), 0)


def test_forecasts_that_do_not_fit_the_rows_are_refused(short):
    n = len(rows_of(short)[0])
    with pytest.raises(InputError, match=f"a forecast of {n + 1} rows"):
        run(Follow(), short, forecast_of(np.zeros(n + 1)), risk=Rule())
    with pytest.raises(InputError, match="rows"):
        run(Follow(), short, forecast_of(np.zeros(3)), risk=Rule())
    with pytest.raises(InputError, match="made of forecasts"):
        run(Follow(), short, risk=Rule())


def test_rows_without_their_events_are_refused(short):
    bare = [t._replace(events=t.events[:0]) for t in short]
    with pytest.raises(InputError, match="prepare them with events"):
        run(Follow(), bare)


def test_a_regime_that_nobody_tells_is_none():
    assert likeliest(None) == likeliest(np.zeros((2, 3), np.float32)) == -1
    assert likeliest(np.array([[0.2, 0.8, 0], [0.4, 0.1, 0.5]], np.float32)) == 1
