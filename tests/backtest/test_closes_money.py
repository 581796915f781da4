"""Money of a run over bars: to the last part of a tick that of a slow account of its fills."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from backtest.candles import MINUTE, X, Y, bars, recording, requests

from flowsense.backtest.bars import STOP, BarVenue, Frictions
from flowsense.backtest.closes import Closes, Settings, backtest, over
from flowsense.backtest.stress import Stressed, standard
from flowsense.backtest.ticks import Backtest, stored
from flowsense.exchange.client import POST, Terms
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, WITHDRAW
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.schema import (
    CLEAR,
    EVENT,
    GAP,
    HALT,
    LAST,
    STATUS,
    TRADING,
    Chunk,
    Decimal,
    zeros,
)
from flowsense.sources import NO_OBSERVATIONS

TERMS = Terms(maker=0.0002, taker=0.001, rebate=0.0001, per_lot=0.01, funding=0.001)
TERMS = TERMS._replace(funding_ns=7 * MINUTE + 13)  # due within bars and between them
INVERSE = X._replace(inverse=True, contract=Decimal(100, 0))


class Sent(NamedTuple):
    serial: np.ndarray


@dataclass(frozen=True)
class Anything:
    """All that may be sent, at random: entries, stops, changes of what is open."""

    seed: int

    def init(self, instruments):
        return Sent(np.zeros(1, np.int64))

    def decide(self, state, view):
        serial, rows = int(state.serial[0]), []
        rng = np.random.default_rng([self.seed, view.ts % 2**32])
        for o in view.orders[rng.random(len(view.orders)) < 0.2]:
            kind = rng.choice([WITHDRAW, REPLACE])
            lots, price = rng.integers(1, 20), o["price"] + rng.integers(-5, 6)
            rows.append((view.ts, o["order_id"], kind, 0, lots, price, o["instrument"]))
        for i in np.flatnonzero(view.here & (rng.random(len(view.here)) < 0.6)):
            serial += 1
            kind, side = rng.choice([MARKET, LIMIT, POST, STOP]), rng.choice([-1, 1])
            price = view.quote["mid2"][i] // 2 + rng.integers(-9, 10)
            rows.append((view.ts, serial, kind, side, rng.integers(1, 30), price, i))
        return Sent(np.array([serial])), requests(*rows)


def market(n, seed, instruments, step=MINUTE):
    """Random bars of several instruments, some without volume, some of one price, with holes."""
    made, rng = [], np.random.default_rng(seed)
    for k in range(instruments):
        starts = 1_000 + np.cumsum(rng.integers(-6, 7, n))
        ends = starts + rng.integers(-6, 7, n)
        reach = rng.integers(0, 5, n) * (rng.random(n) < 0.8)
        ends = np.where(reach, ends, starts)
        high, low = np.maximum(starts, ends) + reach, np.minimum(starts, ends) - reach
        lots = rng.integers(0, 200, n) * (rng.random(n) < 0.9)
        one = bars(*zip(starts, high, low, ends, lots, strict=True), step=step * (1 + 2 * k))
        one["instrument"] = k
        late = np.cumsum(90 * MINUTE * (rng.random(n) < 0.006))
        one["ts_open"] += late
        one["ts_recv"] += late
        made.append(one[one["ts_recv"] < 2 * n * step])
    both = np.concatenate(made)
    return both[np.argsort(both["ts_recv"], kind="stable")].view(both.dtype)


def broken(source, seed):
    """With halts and gaps in between."""
    rng = np.random.default_rng(seed)
    last = source.events["ts_recv"][-1]
    said = zeros(EVENT, 12)
    said["ts_recv"] = np.sort(rng.integers(1, last, 12))
    said["instrument"] = rng.integers(0, len(source.instruments), 12)
    said["action"] = rng.choice([STATUS, STATUS, CLEAR], 12)
    said["lots"] = np.where(said["action"] == STATUS, rng.choice([HALT, TRADING, TRADING], 12), 0)
    said["bits"] = np.where(said["action"] == CLEAR, GAP, LAST)
    both = np.concatenate([source.events, said])
    return both[np.argsort(both["ts_recv"], kind="stable")].view(EVENT)


def slow(result, made, terms, instrument, k):
    """Exact gains, fees and funding of one instrument by its fills and closes alone."""
    fills = [f for f in result.fills if f["instrument"] == k]
    closes = [(int(b["ts_recv"]) + 1, int(b["close"])) for b in made if b["instrument"] == k]
    size = Fraction(int(instrument.contract.mantissa)) * 10**instrument.contract.exponent

    def worth(price):
        return -size / Fraction(price) if instrument.inverse else size * Fraction(price)

    lots, paid, fees = 0, Fraction(0), Fraction(0)
    for f in fills:
        each, side, n = worth(int(f["price"])), int(f["side"]), int(f["lots"])
        lots, paid = lots + side * n, paid + side * n * each
        rate = Fraction(terms.maker - terms.rebate) if f["maker"] else Fraction(terms.taker)
        per = Fraction(terms.per_lot) / (int(f["price"]) if instrument.inverse else 1)
        fees += n * (abs(each) * rate + per)
    return float(lots * worth(closes[-1][1]) - paid), float(fees), lots


def traded(made, events, table, seed, frictions, pieces=1):
    settings = Settings(1e6, frictions, (TERMS,) * len(table))
    test = Closes(table, Anything(seed), settings)
    cuts = np.linspace(0, made["ts_recv"][-1] + 1, pieces + 1).astype(np.int64)
    for a, b in pairwise(cuts.tolist()):
        part = [r[(r["ts_recv"] >= a) & (r["ts_recv"] < b)] for r in (events, made)]
        test.push(Chunk(*part, NO_OBSERVATIONS))
        if pieces > 1:
            data, test = test.snapshot(), Closes(table, Anything(seed), settings)
            test.restore(data)
    return test.result()


def funded(result, made, k, instrument):
    """Each funding time pays for what was held before it, at the close before."""
    size = float(instrument.contract)
    closes = made[made["instrument"] == k]
    first, last = int(closes["ts_recv"][0]) + 1, int(made["ts_recv"][-1]) + 1
    fills, paid = result.fills[result.fills["instrument"] == k], 0.0
    for t in range(TERMS.funding_ns, last + 1, TERMS.funding_ns):
        before = closes["close"][closes["ts_recv"] + 1 < t]
        lots = (fills["side"] * fills["lots"])[fills["ts"] < t].sum()
        if t > first and len(before):
            each = size / before[-1] if instrument.inverse else size * before[-1]
            paid += TERMS.funding * lots * each
    return paid


TABLES = [(X,), (X, Y), (INVERSE,), (INVERSE, INVERSE._replace(symbol="J"))]
SEEDS = [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))]
FRICTIONS = [Frictions(1e-3, 1.0, 0.3), Frictions(1e-3, 1.0, None, delay=2), Frictions(0, 0, 0.1)]


@pytest.mark.parametrize("table", TABLES, ids=["linear", "two", "inverse", "two inverse"])
@pytest.mark.parametrize("seed", SEEDS)
def test_money_is_that_of_a_slow_account(table, seed):
    made = market(250, seed, len(table))
    events = broken(recording(made, table), seed)
    result = traded(made, events, table, seed, FRICTIONS[seed])
    each = [slow(result, made, TERMS, i, k) for k, i in enumerate(table)]
    gain, fees = sum(e[0] for e in each), sum(e[1] for e in each)
    funding = sum(funded(result, made, k, i) for k, i in enumerate(table))
    last = result.marks[-1]
    assert len(result.fills) > 30
    assert last["fees"] == pytest.approx(fees) and last["funding"] == pytest.approx(funding)
    assert last["equity"] - 1e6 == pytest.approx(gain - fees - funding)
    assert result.config["held"] == {
        i.symbol: e[2] for i, e in zip(table, each, strict=True) if e[2]
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_anything_may_be_cut_and_saved_anywhere(seed):
    """In the middle of bars too, while orders and changes are on their way."""
    made = market(250, seed, 2)
    events = broken(recording(made, (X, Y)), seed)
    whole, cut = (traded(made, events, (X, Y), seed, FRICTIONS[seed], n) for n in (1, 31))
    for name in ("marks", "fills"):
        assert np.array_equal(getattr(whole, name), getattr(cut, name))
    assert (whole.orders, whole.config) == (cut.orders, cut.config)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_ever_other_than_finite(seed):
    made = market(250, seed, 2)
    made["close"][::9], made["high"][::9] = 2**50, 2**50
    wild = Frictions(0.9, 1e200, None, delay=1)
    result = traded(made, recording(made, (X, Y)).events, (X, Y), seed, wild)
    marks = np.array([result.marks[n] for n in ("equity", "gross", "fees", "slippage", "net")])
    assert np.isfinite(marks).all() and len(result.fills) > 20
    assert np.isfinite(result.config["closing them costs"])


@pytest.mark.parametrize("frictions", FRICTIONS)
def test_the_run_of_ticks_answers_anything_alike(frictions):
    made = shaken(120, 5)
    source = recording(made, chunk=7)
    source.events["ts_event"] = source.events["ts_recv"]
    ours = backtest(source, Anything(1), Settings(1e6, frictions, (TERMS,)))
    venue = BarVenue((X,), frictions)
    run = Backtest(venue, Anything(1), capital=1e6, terms=(TERMS,))
    rows = Replay(spec(("bars",), ("interval:1m",)), source)
    theirs = over(run, venue, stored(rows)).fills
    assert 30 < len(theirs) <= len(ours.fills)  # the last close is no row
    assert np.array_equal(
        theirs[["ts", "order_id", "price", "lots", "fee"]],
        ours.fills[["ts", "order_id", "price", "lots", "fee"]][: len(theirs)],
    )


def shaken(n, seed):
    """A bar a minute."""
    rng = np.random.default_rng(seed)
    starts = 1_000 + np.cumsum(rng.integers(-6, 7, n))
    ends, reach = starts + rng.integers(-6, 7, n), rng.integers(0, 5, n)
    high, low = np.maximum(starts, ends) + reach, np.minimum(starts, ends) - reach
    return bars(*zip(starts, high, low, ends, rng.integers(0, 300, n), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("which", range(4))
def test_anything_under_a_scenario_may_be_cut_anywhere(which):
    made = market(150, which, 2)
    start, span = int(made["ts_recv"][-1]) // 3, 45 * MINUTE
    crash, thin, _, stopped, down = standard(start, span)
    settings = Settings(1e6, FRICTIONS[which % 3], (TERMS,) * 2)
    scenario = (crash, thin, stopped, down)[which]
    whole, cut = (
        backtest(Stressed(recording(made, (X, Y), n), scenario), Anything(which), settings)
        for n in (10_000, 1)
    )
    assert np.array_equal(whole.fills, cut.fills) and np.array_equal(whole.marks, cut.marks)
    assert whole.orders == cut.orders and len(whole.fills) > 20
