from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pytest
from backtest.candles import MINUTE, X, Y, bars, closes, flat, recording, requests

from flowsense.backtest.bars import STOP, BarVenue, Frictions
from flowsense.backtest.closes import Closes, Settings, backtest, over
from flowsense.backtest.measures import measure
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.ticks import Backtest, stored
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.matching import LIMIT, MARKET
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import SIGNAL, Target
from flowsense.schema import BROKEN, CLEAR, EVENT, GAP, SECOND, WHOLE, Chunk, Decimal, zeros
from flowsense.sources import NO_OBSERVATIONS, chunks
from flowsense.sources.candles import Candles
from flowsense.sources.open import open_source
from flowsense.testing import Recording
from flowsense.train.dataset import prepare

FREE = Settings(1e6, Frictions(0, 0, None))
HOUR = 60 * MINUTE


class Seen(NamedTuple):
    views: tuple


@dataclass(frozen=True)
class Script:
    """Sends what is written for the n-th close, and remembers all that it saw."""

    orders: dict

    def init(self, instruments):
        return Seen(())

    def decide(self, state, view):
        rows = self.orders.get(len(state.views), ())
        sent = requests(*((view.ts, *row) for row in rows))
        return Seen((*state.views, view._replace(position=view.position.copy()))), sent


def run(made, orders, settings=FREE, instruments=(X,), signals=None):
    """The result, and the views of the strategy."""
    test = Closes(instruments, Script(orders), settings, signals)
    for chunk in chunks(recording(made, instruments)):
        test.push(chunk)
    return test.result(), test.state.views


def test_what_is_decided_at_a_close_is_done_at_the_next_open():
    made = bars((100, 100, 100, 100, 9), (103, 103, 100, 101, 9), (110, 110, 110, 110, 9))
    result, views = run(made, {0: [(1, MARKET, 1, 10, 0)]})
    assert [(v.ts, int(v.quote["mid2"][0]), int(v.position[0])) for v in views] == [
        (MINUTE, 200, 0),
        (2 * MINUTE, 202, 10),
        (3 * MINUTE, 220, 10),
    ]
    (fill,) = result.fills
    assert (fill["price"], fill["ts"], fill["decided2"], fill["mid2"]) == (103, MINUTE, 200, 206)
    assert result.marks["equity"].tolist() == [1e6, 1e6 - 20, 1e6 + 70]
    assert result.marks["slippage"].tolist() == [0, 30, 30]


def test_a_stop_closes_within_a_bar_and_is_told():
    made = bars(*[(100, 100, 100, 100, 9)] * 2, (100, 101, 90, 99, 9), (99, 99, 99, 99, 9))
    result, views = run(
        made, {0: [(1, MARKET, 1, 10, 0), (2, STOP, -1, 10, 95), (3, LIMIT, -1, 10, 105)]}
    )
    assert [int(v.position[0]) for v in views] == [0, 10, 0, 0]
    assert [len(v.orders) for v in views] == [0, 2, 0, 0]
    assert result.marks["equity"][-1] == 1e6 - 50
    assert (result.orders["sent"], result.orders["filled"], result.orders["asked"]) == (3, 2, 1)


def test_fees_and_funding_by_hand():
    """A long of 10 at 100 pays .1 % once, and .01 % of its value at 08:00 and at 16:00."""
    made = flat(*[100] * 17, step=HOUR)
    terms = (Terms(taker=0.001, funding=0.0001),)
    result, _ = run(made, {0: [(1, MARKET, 1, 10, 0)]}, Settings(1e6, FREE.frictions, terms))
    last = result.marks[-1]
    assert (last["fees"], last["funding"]) == pytest.approx((1.0, 0.2))
    assert last["equity"] == pytest.approx(1e6 - 1.2) and last["gross"] == 1e6


def test_an_inverse_contract_with_a_multiplier_gains_coins():
    """5 lots of 100 USD from 20,000 to 25,000: 500 / 20,000 - 500 / 25,000 = .005 bitcoin."""
    inverse = X._replace(inverse=True, contract=Decimal(100, 0))
    result, _ = run(flat(20_000, 20_000, 25_000), {0: [(1, MARKET, 1, 5, 0)]}, FREE, (inverse,))
    assert result.marks["equity"][-1] - 1e6 == pytest.approx(0.005)


def test_who_closed_is_told_and_the_others_keep_their_quote():
    both = flat(100, 101, 102, 103)
    both["instrument"] = [0, 1, 1, 0]
    both["ts_open"][1], both["ts_recv"][1] = both["ts_open"][0], both["ts_recv"][0]
    _, views = run(both, {}, instruments=(X, Y))
    assert [v.here.tolist() for v in views] == [[True, True], [False, True], [True, False]]
    assert views[1].quote["mid2"].tolist() == [200, 204]


def test_reports_and_signals_arrive_at_their_time():
    signals = zeros(SIGNAL, 2)
    signals["ts"], signals["side"] = [2 * MINUTE, 2 * MINUTE + 1], [1, -1]
    _, views = run(flat(100, 101, 102), {0: [(1, MARKET, 1, 5, 0)]}, signals=signals)
    assert [int(v.signal["side"][0]) for v in views] == [0, 1, -1]
    assert [len(v.reports) for v in views] == [0, 2, 0]


def test_signals_are_followed():
    signals = zeros(SIGNAL, 1)
    for name, value in {"ts": MINUTE, "side": 1, "size": 0.5, "horizon": MINUTE}.items():
        signals[name] = value
    result = backtest(recording(flat(100, 100, 110, 110)), Follow(), FREE, signals)
    assert result.fills["lots"].tolist() == [5000, 5000]
    assert result.marks["equity"][-1] == 1e6 + 5000 * 10


def test_a_gap_breaks_the_quote_until_the_next_close():
    made = flat(100, 101)
    lost = zeros(EVENT, 1)
    lost["ts_recv"], lost["action"], lost["bits"] = MINUTE + 5, CLEAR, GAP
    events = closes(made)
    both = np.concatenate([events[:1], lost, events[1:]]).view(EVENT)
    test = Closes((X,), Script({0: [(1, LIMIT, 1, 5, 90)]}), FREE)
    test.push(Chunk(both[:2], made[:1], NO_OBSERVATIONS))
    test.push(Chunk(zeros(EVENT), made[1:1], NO_OBSERVATIONS))
    test.push(Chunk(both[2:], made[1:], NO_OBSERVATIONS))
    assert test.quotes["state"][0] == BROKEN and test.quotes["breaks"][0] == 1
    assert test.result().orders["no book"] == 1
    assert test.quotes["state"][0] == WHOLE


def walk(n, seed, step=MINUTE):
    prices = 10_000 + np.cumsum(np.random.default_rng(seed).integers(-20, 21, n))
    return flat(*prices.tolist(), lots=100, step=step)


COIN = Random(chance=0.3, hold_ns=5 * MINUTE, lots=3)
COSTLY = Settings(1e6, Frictions(), (Terms(taker=5e-4, funding=1e-4),) * 2)


@pytest.mark.parametrize("chunk", [1, 3, 50])
def test_cutting_the_stream_changes_nothing(chunk):
    made = np.repeat(walk(200, 1), 2)
    made["instrument"][1::2] = 1
    whole, cut = (backtest(recording(made, (X, Y), n), COIN, COSTLY) for n in (10_000, chunk))
    assert np.array_equal(whole.marks, cut.marks) and np.array_equal(whole.fills, cut.fills)
    assert whole[:3] == cut[:3] and whole[5:] == cut[5:] and len(whole.fills) > 50


def test_a_run_goes_on_from_a_snapshot():
    pieces = list(chunks(recording(walk(120, 5), chunk=7)))
    whole = Closes((X,), COIN, Settings(1e6))
    test = Closes((X,), COIN, Settings(1e6))
    for piece in pieces:
        whole.push(piece)
        data, test = test.snapshot(), Closes((X,), COIN, Settings(1e6))
        test.restore(data)
        test.push(piece)
    one, other = whole.result(), test.result()
    assert np.array_equal(one.marks, other.marks) and np.array_equal(one.fills, other.fills)
    assert one.orders == other.orders and len(one.fills) > 20


@pytest.mark.slow
@pytest.mark.compiled
def test_without_an_edge_the_costs_are_lost():
    """Before costs 20 coins earn nothing, within two errors."""
    made, settings = (
        recording(walk(400, 2)),
        Settings(1e6, Frictions(2e-4, 0, None), (Terms(taker=1e-3),)),
    )
    results = [backtest(made, replace(COIN, seed=s), settings) for s in range(20)]
    last = np.array([r.marks[-1] for r in results])
    net, paid = last["equity"] - 1e6, last["fees"] + last["slippage"]
    assert abs((net + paid).mean()) < 2 * (net + paid).std() / 20**0.5
    assert net.mean() < 0 and (net < 0).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("prepared", [False, True])
def test_the_run_of_ticks_does_the_same_on_bars(prepared):
    """Rows at the closes of bars: the same coin falls on the same closes."""
    shaken = walk(120, 3)
    shaken["open"] += 7
    shaken["high"] += 9
    made, settings = recording(shaken, chunk=7), Settings(1e6, Frictions(1e-4, 0, 0.1))
    made.events["ts_event"] = made.events["ts_recv"]
    ours, venue = backtest(made, COIN, settings), BarVenue((X,), settings.frictions)
    run, features = Backtest(venue, COIN, capital=1e6), spec(("bars",), ("interval:1m",))
    target = (Target("mid", 5 * MINUTE),)
    rows = prepare(made, features, target, events=True) if prepared else Replay(features, made)
    theirs = over(run, venue, stored(rows))
    n = len(theirs.fills)
    assert 20 < n <= len(ours.fills) <= n + 1  # the last close is no row
    for name in ("ts", "order_id", "price", "lots", "side", "maker"):
        assert np.array_equal(theirs.fills[name], ours.fills[name][:n])


def test_a_stop_goes_with_the_run_of_ticks_too():
    """3 of 5 lots are stopped; for the others half a spread of 1 % below 99 is the next tick."""
    made = recording(
        bars(*[(100, 100, 100, 100, 99)] * 4, (100, 100, 90, 99, 99), *[(99,) * 5] * 4)
    )
    made.events["ts_event"] = made.events["ts_recv"]
    strategy = Script({1: [(1, MARKET, 1, 5, 0), (2, STOP, -1, 3, 95)]})
    venue = BarVenue((X,), Frictions(0.01, 0, None))
    run = Backtest(venue, strategy, capital=1e6)
    replay = Replay(spec(("bars",), ("interval:1m",)), made)
    result = over(run, venue, ((tape, None) for tape in replay))
    assert result.fills[["price", "side", "lots"]].tolist() == [(101, 1, 5), (94, -1, 3)]
    assert result.config["held"] == {"X": 2} and result.config["closing them costs"] == 2


def test_what_is_held_at_the_end_is_told_with_what_closing_would_cost():
    """At 200: a spread of 1 % takes 2 of each lot on the way out, the fee a tenth of 198."""
    settings = Settings(1e6, Frictions(0.01, 0, None), (Terms(taker=0.1),))
    result, _ = run(flat(100, 100, 200), {0: [(1, MARKET, 1, 5, 0)]}, settings)
    assert result.config["held"] == {"X": 5}
    assert result.config["closing them costs"] == pytest.approx(5 * (2 + 19.8))
    result, _ = run(flat(100, 100), {}, settings)
    assert (result.config["held"], result.config["closing them costs"]) == ({}, 0)


def test_what_no_bar_can_tell_is_refused_in_one_sentence():
    with pytest.raises(InputError, match="X: no bar tells a volume"):
        backtest(recording(flat(100, 101, 102, lots=0)), replace(COIN, chance=1), Settings(1e6))
    with pytest.raises(InputError, match="memory: holds no bar"):
        backtest(Recording((X,), zeros(EVENT)), COIN, FREE)
    with pytest.raises(InputError, match="capital -1"):
        Closes((X,), COIN, Settings(-1))


def test_chunks_out_of_order_are_refused_in_one_sentence():
    first, second = chunks(recording(flat(100, 101), chunk=1))
    test = Closes((X,), COIN, FREE)
    test.push(second)
    with pytest.raises(InputError, match=f"ts_recv {MINUTE - 1} comes after {2 * MINUTE - 1}"):
        test.push(first)


def test_signals_that_cannot_be_are_refused_in_one_sentence():
    signals = zeros(SIGNAL, 2)
    signals["ts"] = [2, 1]
    with pytest.raises(InputError, match="ts falls at 1"):
        Closes((X,), COIN, FREE, signals)
    with pytest.raises(InputError, match="not SIGNAL"):
        Closes((X,), COIN, FREE, zeros(EVENT))
    signals["instrument"] = 1
    with pytest.raises(InputError, match="instrument 1, the table holds 1"):
        Closes((X,), COIN, FREE, signals)


def test_holes_and_jumps_are_told():
    made = np.concatenate(
        [flat(100, 100), flat(50, 50, start=2 * MINUTE), flat(50, start=1000 * MINUTE)]
    )
    told = backtest(recording(made.view(made.dtype)), COIN, FREE).config["told"]
    assert told == [
        "X: 1 holes, the longest from 1970-01-01 00:04 to 1970-01-01 16:40: no order was executed "
        "across them, positions were held",
        "X: 1 opens far from the close before, the last on 1970-01-01 00:02: adjust prices if they "
        "are splits",
    ]


@pytest.mark.slow
def test_the_hole_of_two_months_in_hourly_ether_is_not_traded_across(data):
    source = open_source([data / "bitfinex_1h/ETHUSD.parquet"])
    coin = Random(chance=0.5, hold_ns=24 * HOUR, lots=10**8)
    result = backtest(source, coin, Settings(1e6, Frictions(), (Terms(taker=1e-3),)))
    (line,) = (t for t in result.config["told"] if "holes" in t)
    assert "the longest from 2016-04-01" in line and "to 2016-06-01" in line
    opened, since = result.marks["ts"], result.fills["ts"]
    k = int(np.diff(opened).argmax())
    assert not ((since >= opened[k]) & (since <= opened[k] + 60 * 24 * HOUR)).any()
    assert measure(result).net < 0 and result.orders["no book"] > 0


@pytest.mark.slow
def test_daily_funds_with_weekends_holidays_and_splits_are_traded(data):
    source = Candles(data / "daily_etf/etf_close_2008-2014.csv.zst", "close=*")
    coin = Random(chance=0.2, hold_ns=5 * 24 * HOUR, lots=10**12)
    result = backtest(source, coin, Settings(1e6, Frictions(share=None)))
    m = measure(result)
    assert not [t for t in result.config["told"] if "holes" in t]  # weekends are none
    assert 245 < m.sharpe.per_year < 255 and len(m.years) == 7
    assert np.isfinite([result.marks[n] for n in ("equity", "gross", "net", "turnover")]).all()


@pytest.mark.slow
def test_candles_of_five_minutes_are_traded_within_their_volume(data):
    source = open_source([data / "binance_5m_freqtrade/ADA_BTC-5m.feather"])
    made = np.concatenate([chunk.bars for chunk in chunks(source)])
    volume = dict(zip(made["ts_open"].tolist(), made["lots"].tolist(), strict=True))
    coin = Random(chance=0.5, hold_ns=HOUR, lots=int(np.median(made["lots"]) / 20))
    result = backtest(source, coin, Settings(1e3, Frictions(share=0.1)))
    assert len(result.fills) > 100
    assert all(f["lots"] <= 0.1 * volume[int(f["ts"])] for f in result.fills)


@pytest.mark.soak
def test_four_years_of_five_minute_candles_are_traded(data):
    source = open_source([data / "bitfinex_5m/BTCUSD.parquet"])
    result = backtest(source, Random(chance=0.1, hold_ns=HOUR, lots=10**6), Settings(1e6))
    assert len(result.marks) > 420_000 and len(result.fills) > 10_000
    assert result.marks["ts"][-1] - result.marks["ts"][0] > 4 * 365 * 24 * 3600 * SECOND
