import numpy as np
import pytest

from flowsense.backtest import FILL, MARK, Result
from flowsense.backtest.measures import FEWEST, long_run, measure, of_returns, returns
from flowsense.errors import InputError
from flowsense.schema import DAY, SECOND, Decimal, Instrument, zeros

X = Instrument("X", "v", Decimal(1, -1), Decimal(1, 0), depth=0)  # a tick and lot is worth 0.1
HOUR = 3600 * SECOND
T0 = int(np.datetime64("2023-12-31T00:00", "ns").astype(np.int64))


def result(equity, step=DAY, gross=None, fills=(), instrument=X, **more):
    """Marks at equal steps, the first a step after T0, of a capital of 100."""
    marks = zeros(MARK, len(equity))
    marks["ts"] = T0 + step * np.arange(1, len(equity) + 1)
    marks["equity"], marks["gross"] = equity, equity if gross is None else gross
    marks["regime"] = -1
    told = zeros(FILL, len(fills))
    for f, (ts, side, lots, price, fee) in zip(told, fills, strict=True):
        f["ts"], f["side"], f["lots"], f["price"], f["fee"] = ts, side, lots, price, fee
    config = {"orders": {"sent": 4, "filled": 3}, "config": {}} | more
    return Result("r", 100.0, (instrument,), marks, told, **config)


def test_returns_of_years_and_months_compound():
    m = measure(result([110.0, 99.0, 108.9]))  # ends of 31 December, 1 and 2 January
    assert m.net == pytest.approx(0.089)
    assert [(p.name, round(p.net, 9)) for p in m.years] == [("2023", 0.1), ("2024", -0.01)]
    assert [p.name for p in m.months] == ["2023-12", "2024-01"]


def test_a_drawdown_lasts_until_its_peak_is_back():
    d = measure(result([120.0, 90.0, 110.0, 120.0, 114.0])).drawdown
    day = [T0 + k * DAY for k in range(6)]
    assert d == (0.25, day[1], day[2], day[4], 3 * DAY)


def test_a_drawdown_may_have_no_end_and_lose_more_than_all():
    d = measure(result([100.0, -50.0])).drawdown
    assert d == (1.5, T0 + DAY, T0 + 2 * DAY, None, DAY)


def test_nothing_is_returned_on_nothing():
    m = measure(result([50.0, -10.0, 5.0]))
    assert returns(np.array([50.0, -10.0]), np.array([-10.0, 5.0])).tolist() == [-1.2, 0.0]
    assert m.sharpe is None and m.net == -0.95


def test_a_sharpe_ratio_by_hand():
    """Returns 1 % and -0.5 % in turn: mean .25 %, deviation .75 %, 365.25 days a year."""
    equity = 100 * np.cumprod(np.tile([1.01, 0.995], 20))
    s = measure(result(equity)).sharpe
    assert s.value == pytest.approx(365.25**0.5 / 3) and (s.unit, s.periods) == ("day", 40)
    assert s.adjusted > s.value  # what alternates is surer than its deviation says


def test_its_error_is_that_of_lo_where_returns_are_independent():
    """(1 + S^2 / 2) / n of normal returns, eq. 9."""
    r = np.random.default_rng(1).normal(0.02, 0.1, 20_000)
    s = of_returns(r, 1.0, "day")
    assert s.value == pytest.approx(0.2, abs=0.03) and s.adjusted == pytest.approx(s.value, rel=0.1)
    assert s.error == pytest.approx(((1 + s.value**2 / 2) / len(r)) ** 0.5, rel=0.1)


def test_its_error_is_the_spread_over_repetitions_of_dependent_returns():
    rng = np.random.default_rng(2)
    e = rng.normal(0, 1, (400, 2_001))
    found = [of_returns(0.05 + x[1:] + 0.5 * x[:-1], 1.0, "day") for x in e]
    spread = np.std([s.value for s in found])
    assert np.mean([s.error for s in found]) == pytest.approx(spread, rel=0.15)


def test_the_long_run_variance_by_a_loop():
    x = np.random.default_rng(3).normal(size=50)
    y, lags = x - x.mean(), int(4 * 0.5 ** (2 / 9))
    total = sum(
        (1 - abs(i - j) / (lags + 1)) * y[i] * y[j]
        for i in range(50)
        for j in range(50)
        if abs(i - j) <= lags
    )
    assert long_run(x) == pytest.approx(total / 50)


def test_short_spans_take_hours_then_minutes():
    equity = 100 + np.tile([0.0, 1.0], FEWEST)
    assert measure(result(equity, HOUR)).sharpe.unit == "hour"
    assert measure(result(equity, 60 * SECOND)).sharpe.unit == "minute"
    assert measure(result(equity[:5], HOUR)).sharpe is None
    assert measure(result(np.full(30, 100.0))).sharpe is None


def test_a_market_of_weekdays_has_fewer_days_a_year():
    r = result(100 + np.tile([0.0, 1.0], 25))
    r.marks["ts"] = T0 + DAY * np.array([d for d in range(1, 71) if d % 7 < 5])
    assert measure(r).sharpe.per_year == pytest.approx(365.25 * 50 / 70)


FILLS = (
    (1, 1, 10, 1000, 1.0),  # long 10
    (2, -1, 15, 1100, 1.5),  # closes them: 10 * 100 ticks = 100, less 1 + 1; short 5
    (6, 1, 5, 1200, 0.5),  # a loss of 5 * 100 ticks = 50, and .5 + .5
    (7, 1, 3, 1200, 0.0),  # still open
)


def test_round_trips_end_where_the_position_crosses_flat():
    m = measure(result([100.0], fills=FILLS))
    assert m.trips == (2, 1, pytest.approx(23.5), pytest.approx(98.0), pytest.approx(-51.0), 2)
    assert m.win_rate == 0.5 and m.fill_ratio == 0.75


def test_round_trips_of_an_inverse_contract_gain_the_base_currency():
    """100 USD a lot, from 10,000 to 20,000: 1/100 - 1/200 bitcoin."""
    inverse = Instrument("I", "v", Decimal(1, 0), Decimal(1, 0), Decimal(100, 0), True, depth=0)
    fills = ((1, 1, 1, 10_000, 0.0), (2, -1, 1, 20_000, 0.0))
    assert measure(result([100.0], fills=fills, instrument=inverse)).trips.mean == 0.005


def test_round_trips_by_a_slow_ledger():
    rng = np.random.default_rng(4)
    fills = [
        (k, rng.choice([-1, 1]), rng.integers(1, 4), rng.integers(90, 110), 0.1) for k in range(300)
    ]
    position, money, gains = 0, 0.0, []
    for _, side, lots, price, fee in fills:
        for _ in range(lots):
            position, money = position + side, money - side * price * 0.1 - fee / lots
            if position == 0:
                gains, money = [*gains, money], 0.0
    t = measure(result([100.0], fills=fills)).trips
    assert t.finished == len(gains) and t.won == sum(g > 0 for g in gains)
    assert t.mean == pytest.approx(np.mean(gains)) and t.worst == pytest.approx(min(gains))


def test_hours_and_regimes_add_up_to_the_whole():
    r = result(100 + np.cumsum([1.0, 2.0, 4.0, 8.0]), HOUR, regimes=("calm", "wild"))
    r.marks["regime"] = [0, 1, 1, 0]
    m = measure(r)
    assert [(p.name, p.net) for p in m.hours] == [
        ("00", 0.01),
        ("01", 0.02),
        ("02", 0.04),
        ("03", 0.08),
    ]
    assert [(p.name, round(p.net, 9)) for p in m.regimes] == [("calm", 0.02), ("wild", 0.12)]


def test_costs_are_what_lies_between_gross_and_net():
    r = result([99.0], gross=[101.0])
    r.marks["fees"], r.marks["slippage"], r.marks["turnover"] = 1.5, 0.5, 400.0
    m = measure(r)
    assert (m.cost_bp, m.turnover, m.fees, m.slippage) == (50.0, 4.0, 1.5, 0.5)
    assert m.turnover_year is None and m.trips is None and m.win_rate is None


def test_a_result_without_marks_is_refused():
    with pytest.raises(InputError, match="r: holds no mark"):
        measure(result([]))
