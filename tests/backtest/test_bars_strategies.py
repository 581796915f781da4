"""Strategies over bars: late, in a book without levels, at odds with each other's bars."""

from dataclasses import replace

import numpy as np
import pytest
from backtest.candles import MINUTE, X, Y, bars, flat, recording

from flowsense.backtest.bars import Frictions
from flowsense.backtest.closes import Settings, backtest
from flowsense.backtest.strategies.bracket import Bracket
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote
from flowsense.forecast import SIGNAL
from flowsense.schema import SECOND, zeros

COIN = Random(chance=0.5, hold_ns=3 * MINUTE, lots=2)


def walk(n, seed=0, wide=3):
    """A minute each, the close anywhere in it."""
    rng = np.random.default_rng(seed)
    ends = 1_000 + np.cumsum(rng.integers(-wide, wide + 1, n))
    starts = np.r_[1_000, ends[:-1]]
    high, low = np.maximum(starts, ends) + wide, np.minimum(starts, ends) - wide
    return bars(*zip(starts, high, low, ends, [1_000] * n, strict=True))


def signal(ts, side=1, horizon=10 * MINUTE, **more):
    out = zeros(SIGNAL, 1)
    for name, value in ({"ts": ts, "side": side, "size": 0.1, "horizon": horizon} | more).items():
        out[name] = value
    return out


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_coin_trades_however_late_its_orders_are(delay):
    settings = Settings(1e6, Frictions(delay=delay))
    result = backtest(recording(walk(200)), COIN, settings)
    assert len(result.fills) > 40 and result.orders["cancelled"] == 0


@pytest.mark.parametrize("delay", [0, 1])
def test_a_delay_is_the_bars_between_a_signal_and_its_execution(delay):
    made, settings = flat(*range(100, 110)), Settings(1e6, Frictions(0, 0, None, delay))
    result = backtest(recording(made), Follow(lots=3), settings, signal(2 * MINUTE))
    assert result.fills["price"].tolist()[:1] == [102 + delay]


def test_a_limit_beyond_the_close_takes_at_the_open():
    settings = Settings(1e6, Frictions(0, 0, None))
    result = backtest(recording(flat(*[100] * 15)), Follow(3, beyond=2), settings, signal(MINUTE))
    assert result.fills[["price", "side", "maker"]].tolist() == [(100, 1, 0), (100, -1, 0)]


def test_a_maker_of_bars_quotes_around_the_close():
    maker = Quote(lots=5, most=10, behind=1, stale_ns=SECOND)
    result = backtest(recording(walk(200)), maker, Settings(1e6, Frictions()))
    assert result.orders["sent"] > 100 and result.orders["rejected"] == 0
    assert result.fills["maker"].all() and len(result.fills) > 20


def test_a_late_bracket_is_stopped_and_leaves_nothing_behind():
    made = bars(*[(100, 100, 100, 100, 99)] * 4, (100, 100, 80, 80, 99), *[(80,) * 4 + (99,)] * 4)
    settings = Settings(1e6, Frictions(0, 0, None, delay=1))
    said = signal(MINUTE, stop2=190, target2=240)
    result = backtest(recording(made), Bracket(10), settings, said)
    assert result.fills[["price", "side"]].tolist() == [(100, 1), (95, -1)]
    assert result.orders["open"] == 0


def test_bars_of_other_lengths_beside_do_not_withdraw_an_order_at_the_market():
    """Y closes every five minutes: what it sends then is not undone at the closes of X."""
    slow = flat(*[1_000] * 20, step=5 * MINUTE)
    slow["instrument"] = 1
    both = np.concatenate([flat(*[1_000] * 100), slow]).view(slow.dtype)
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    result = backtest(recording(both, (X, Y)), replace(COIN, chance=1), Settings(1e6))
    assert (result.fills["instrument"] == 1).sum() >= 8 and result.orders["cancelled"] == 0


def test_only_who_is_traded_has_to_tell_a_volume():
    index = flat(*[1_000] * 20, lots=0)
    index["instrument"] = 1
    both = np.concatenate([walk(20), index]).view(index.dtype)
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    result = backtest(recording(both, (X, Y)), Follow(2), Settings(1e6), signal(MINUTE))
    assert result.fills["instrument"].tolist() == [0, 0]
