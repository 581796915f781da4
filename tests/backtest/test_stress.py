import numpy as np
import pytest
from markets import L2, L3, stream

from flowsense.backtest import stress as stresses
from flowsense.backtest.stress import (
    Scenario,
    Stressed,
    flash_crash,
    halt,
    liquidity_gone,
    standard,
    venue_down,
    wide,
)
from flowsense.backtest.stressed import Warped
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.schema import (
    ADD,
    BAR,
    BEAT,
    CANCEL,
    CLEAR,
    CLOSE,
    EVENT,
    FILL,
    GAP,
    HALT,
    LAST,
    MODIFY,
    ONE_SIDED,
    SECOND,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Chunk,
    Decimal,
    Instrument,
    checked,
    zeros,
)
from flowsense.sources import NO_OBSERVATIONS
from flowsense.sources.open import open_source
from flowsense.testing import Recording, tape_of
from flowsense.testing.toy import by_level, by_order

MS = 1_000_000
LEVELS = stream(
    (CLEAR, 0, 0, 0, SNAPSHOT),
    (SET, 1, 1000, 100, SNAPSHOT),
    (SET, -1, 1002, 50, SNAPSHOT | LAST),
    (TRADE, 1, 1002, 10, 0),
    (SET, -1, 1002, 40, LAST),
    (SET, 1, 999, 7, LAST),
)
ORDERS = stream(
    (ADD, 1, 1000, 100, LAST, 0, 1),
    (ADD, -1, 1002, 50, LAST, 0, 2),
    (TRADE, 1, 1002, 10, 0, 0, 2),
    (FILL, -1, 1002, 10, LAST, 0, 2),
    (CANCEL, 1, 1000, 100, LAST, 0, 1),
)
BARS = Instrument("K", "v", Decimal(1, 0), Decimal(1, 0), depth=0)


def under(scenario, events, instrument=L2):
    """All events under a scenario, checked, as (ms, action, side, price, lots, bits)."""
    source = Stressed(Recording((instrument,), events), scenario)
    out = checked(np.concatenate(list(source)), 1)
    rows = zip(
        out["ts_recv"] / MS,
        *(out[n] for n in ("action", "side", "price", "lots", "bits")),
        strict=True,
    )
    return [tuple(int(x) for x in row) for row in rows]


def book_of(events, by_order, until):
    """What a reader holds: level -> lots, by a dictionary."""
    held = {}
    for e in events[events["ts_recv"] < until].tolist():
        _, _, oid, price, lots, _, _, action, side, _, _ = e
        key = oid if by_order else (side, price)
        if action == CLEAR:
            held.clear()
        elif action in (ADD, MODIFY, SET):
            held[key] = (side, price, lots)
        elif action in (CANCEL, FILL):
            held[key] = (side, held[key][1], held[key][2] - lots)
    return sorted(level for level in held.values() if level[2])


def test_a_spread_is_widened_on_both_sides_and_comes_back():
    rows = under(wide(4 * MS, 2 * MS, 10), LEVELS)  # the spread of 2 becomes 20: 9 ticks a side
    assert rows[3:7] == [
        (4, SET, -1, 1002, 0, 0),
        (4, SET, 1, 1000, 0, 0),
        (4, SET, -1, 1011, 50, 0),
        (4, SET, 1, 991, 100, LAST),
    ]
    assert rows[7:9] == [(4, TRADE, 1, 1011, 10, 0), (5, SET, -1, 1011, 40, LAST)]
    assert rows[9:] == [
        (6, SET, -1, 1011, 0, 0),
        (6, SET, 1, 991, 0, 0),
        (6, SET, -1, 1002, 40, 0),
        (6, SET, 1, 1000, 100, LAST),
        (6, SET, 1, 999, 7, LAST),
    ]


def test_thin_orders_keep_a_share_and_end_with_what_is_left():
    rows = under(liquidity_gone(3 * MS, SECOND, 0.1), ORDERS, L3)
    assert rows[2:4] == [(3, MODIFY, 1, 1000, 10, 0), (3, MODIFY, -1, 1002, 5, LAST)]
    assert rows[4:] == [
        (3, TRADE, 1, 1002, 1, 0),
        (4, FILL, -1, 1002, 1, LAST),
        (5, CANCEL, 1, 1000, 10, LAST),
    ]


def test_a_crash_reaches_its_bottom_and_recovers():
    quiet = stream(*LEVELS.tolist()[:0], (SET, 1, 999, 5, LAST), (SET, -1, 1001, 5, LAST))
    late = stream(*[(SET, 1, 990, k + 1, LAST) for k in range(100)], every=10 * MS)
    late["ts_recv"] += 10 * MS
    rows = under(
        flash_crash(5 * MS, 0.1, 200 * MS, 400 * MS), np.concatenate([quiet, late]).view(EVENT)
    )
    best = [
        price for _, action, side, price, lots, _ in rows if action == SET and side == -1 and lots
    ]
    assert min(best) == 901 and best[0] == best[-1] == 1001
    assert (best.index(901), len(best)) == (20, 41)  # 20 steps down, 20 back


def test_a_halt_freezes_the_book_and_ends_with_what_it_is():
    assert under(halt(4 * MS, 2 * MS), LEVELS)[3:] == [
        (4, STATUS, 0, 0, HALT, LAST),
        (6, STATUS, 0, 0, TRADING, LAST),
        (6, CLEAR, 0, 0, 0, SNAPSHOT),
        (6, SET, 1, 1000, 100, SNAPSHOT),
        (6, SET, -1, 1002, 40, SNAPSHOT | LAST),
        (6, SET, 1, 999, 7, LAST),
    ]


def test_a_venue_that_is_down_says_that_there_is_a_gap():
    rows = under(venue_down(4 * MS, 2 * MS), LEVELS)
    assert rows[3:5] == [(4, CLEAR, 0, 0, 0, GAP), (6, CLEAR, 0, 0, 0, SNAPSHOT)]


@pytest.mark.parametrize("toy", [L2, L3], ids=["levels", "orders"])
@pytest.mark.parametrize("which", range(5))
def test_readers_hold_what_the_scenario_says_at_every_time(toy, which):
    """The book of the changed stream is the changed book of the stream."""
    raw = by_order(600, 3, 0) if toy.by_order else by_level(by_order(600, 3, 0))
    ts = raw["ts_recv"]
    start, end = int(ts[200]) + 1, int(ts[450]) + 1
    scenario = standard(start, end - start)[which]
    out = np.concatenate(list(Stressed(Recording((toy,), raw, chunk=37), scenario)))
    checked(out, 1)
    for at in (start, end + 1, int(ts[-1]) + 1):
        assert book_of(out, toy.by_order, at) == book_of(raw, toy.by_order, at)
    inside, was = (book_of(x, toy.by_order, int(ts[300]) + 1) for x in (out, raw))
    assert changed(scenario, was, inside)


def changed(scenario, was, inside):
    if scenario.stop:
        return True  # judged by its end
    if scenario.keep < 1:
        return [(s, p) for s, p, _ in inside] == [(s, p) for s, p, _ in was] and all(
            b[2] == max(round(a[2] * scenario.keep), 1) for a, b in zip(was, inside, strict=True)
        )
    moves = {(b[0], b[1] - a[1]) for a, b in zip(was, inside, strict=True)}
    return len(moves) == len({s for s, _ in moves}) and all(m for _, m in moves)


def test_cutting_the_stream_changes_nothing():
    raw = by_order(400, 5, 0)
    scenario = flash_crash(int(raw["ts_recv"][100]), 0.2, SECOND, SECOND)
    whole, pieces = (
        np.concatenate(list(Stressed(Recording((L3,), raw, chunk=n), scenario)))
        for n in (10_000, 1)
    )
    assert np.array_equal(whole, pieces) and len(whole) > len(raw)


def bars(closes, lots=100):
    """A bar a second: opens at the close before."""
    out = zeros(BAR, len(closes))
    out["ts_open"] = SECOND * np.arange(len(closes))
    out["ts_recv"] = out["ts_open"] + SECOND - 1
    out["open"], out["close"], out["lots"] = np.r_[closes[0], closes[:-1]], closes, lots
    out["high"], out["low"] = (f(out["open"], out["close"]) for f in (np.maximum, np.minimum))
    return out


def candles(made):
    events = zeros(EVENT, len(made))
    events["ts_recv"], events["price"], events["lots"] = (
        made["ts_recv"],
        made["close"],
        made["lots"],
    )
    events["action"], events["bits"] = CLOSE, LAST
    return Recording((BARS,), events, 10_000, "bars", made)


def test_bars_fall_within_the_bar_that_holds_the_bottom():
    source = Stressed(
        candles(bars([100, 100, 100, 100])), flash_crash(SECOND, 0.5, SECOND // 2, SECOND // 2)
    )
    (chunk,) = source.chunks()
    assert chunk.bars["low"].tolist() == [100, 50, 100, 100]
    assert chunk.bars["close"].tolist() == chunk.events["price"].tolist() == [100, 100, 100, 100]


def test_bars_are_missing_in_a_halt_and_thin_without_liquidity():
    made = candles(bars([100, 101, 102, 103]))
    (stopped,) = Stressed(made, halt(SECOND, SECOND)).chunks()
    assert stopped.bars["close"].tolist() == [100, 102, 103]
    assert stopped.events["action"].tolist() == [CLOSE, STATUS, STATUS, CLOSE, CLOSE]
    (thin,) = Stressed(made, liquidity_gone(SECOND, SECOND, 0.1)).chunks()
    assert thin.bars["lots"].tolist() == thin.events["lots"].tolist() == [100, 10, 100, 100]


def test_only_some_instruments_are_struck():
    both = stream(
        (SET, 1, 10, 5, LAST),
        (SET, 1, 10, 5, LAST, 1),
        (SET, 1, 11, 5, LAST),
        (SET, 1, 11, 5, LAST, 1),
    )
    source = Stressed(
        Recording((L2, L2._replace(symbol="C")), both), liquidity_gone(3 * MS, keep=0.2), ("C",)
    )
    assert [e["lots"] for e in np.concatenate(list(source))] == [5, 5, 1, 5, 1]


def test_what_cannot_be_is_refused_in_one_sentence():
    with pytest.raises(InputError, match="'x': keep 0 cannot be: give a share above 0"):
        Scenario("x", 0, 1, keep=0)
    with pytest.raises(InputError, match="give ns after its start 5"):
        Scenario("x", 5, 5)
    with pytest.raises(InputError, match="bars hold no spread"):
        Stressed(candles(bars([1])), wide(0))
    with pytest.raises(InputError, match="holds no Z"):
        Stressed(Recording((L2,), LEVELS), halt(0), ("Z",))


def test_five_are_standard():
    assert [s.name for s in stresses.standard(0)] == [
        "flash crash",
        "liquidity gone",
        "spread x 10",
        "halt",
        "venue down",
    ]


def test_a_snapshot_within_a_scenario_is_told_in_its_terms():
    again = stream(
        (CLEAR, 0, 0, 0, SNAPSHOT), (SET, 1, 900, 50, SNAPSHOT | LAST), (SET, 1, 900, 0, LAST)
    )
    again["ts_recv"] += 5 * MS
    rows = under(liquidity_gone(5 * MS, SECOND, 0.1), np.concatenate([LEVELS, again]).view(EVENT))
    assert rows[-3:] == [
        (6, CLEAR, 0, 0, 0, SNAPSHOT),
        (7, SET, 1, 900, 5, SNAPSHOT | LAST),
        (8, SET, 1, 900, 0, LAST),
    ]


def test_what_changes_nothing_that_is_left_says_that_time_has_passed():
    twice = stream(*[(SET, 1, 1000, lots, LAST) for lots in (100, 101, 140)])
    rows = under(liquidity_gone(2 * MS, SECOND, 0.1), twice)
    assert rows[1:] == [
        (2, SET, 1, 1000, 10, LAST),
        (2, BEAT, 0, 0, 0, LAST),
        (3, SET, 1, 1000, 14, LAST),
    ]


def test_a_price_below_one_tick_is_no_price():
    low = stream((SET, 1, 2, 5, LAST), (SET, -1, 20, 5, LAST), (SET, 1, 3, 5, LAST))
    rows = under(flash_crash(3 * MS, 0.9, 1, SECOND), low)
    assert {price for _, action, _, price, lots, _ in rows if action == SET and lots} >= {10}
    assert min(price for _, action, _, price, lots, _ in rows if action == SET and lots) >= 1


def test_closes_alone_fall_thin_and_stop():
    made = Recording((BARS,), candles(bars([100] * 4)).events)
    fallen = under_bars(flash_crash(SECOND, 0.5, SECOND // 2, 2 * SECOND), made)
    assert fallen[0] == (100, 100) and 50 < fallen[1][0] < 100
    assert (
        under_bars(liquidity_gone(SECOND, SECOND, 0.1), made)
        == [(100, 100), (100, 10)] + [(100, 100)] * 2
    )
    assert len(under_bars(venue_down(SECOND, SECOND), made)) == 3


def under_bars(scenario, made):
    out = np.concatenate(list(Stressed(made, scenario)))
    return [(int(e["price"]), int(e["lots"])) for e in out if e["action"] == CLOSE]


def test_bars_and_their_closes_may_come_apart():
    """Cut after every record: the bar in one chunk, its close in the next."""
    made = bars([100, 101, 102, 103, 104, 105])
    events = candles(made).events
    for scenario in (
        flash_crash(SECOND, 0.5, SECOND, SECOND),
        halt(SECOND, SECOND),
        liquidity_gone(SECOND, SECOND),
    ):
        (whole,) = Stressed(candles(made), scenario).chunks()
        warped = Warped((BARS,), scenario, (True,))
        parts = [
            warped.push(
                Chunk(events[k:k] if bar else events[k : k + 1], made[k : k + bar], NO_OBSERVATIONS)
            )
            for k in range(6)
            for bar in (1, 0)
        ]
        assert np.array_equal(np.concatenate([p.bars for p in parts]), whole.bars)
        assert np.array_equal(np.concatenate([p.events for p in parts]), whole.events)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst",
        "binance_ws_raw/spot_btcusdt_20240808.jsonl.zst",
    ],
)
def test_recorded_markets_break_and_come_back(data, path):
    """What readers hold after each scenario is what they would have held without."""
    source, parts, n = open_source([data / path]), [], 0
    for chunk in source:
        parts.append(chunk)
        n += len(chunk)
        if n > 10_000:
            break
    raw, ts = np.concatenate(parts).view(EVENT), np.concatenate(parts)["ts_recv"]
    start = int(ts[len(ts) // 3])
    for scenario in standard(start, int(ts[2 * len(ts) // 3]) - start):
        made = Stressed(Recording(source.instruments, raw), scenario)
        out = checked(np.concatenate(list(made)), 1)
        assert book_of(out, False, 2**62) == book_of(raw, False, 2**62)
        quotes = tape_of(spec((), ("interval:1s",)), source.instruments, out).quotes
        crossed = quotes["state"] == ONE_SIDED
        before = (
            tape_of(spec((), ("interval:1s",)), source.instruments, raw).quotes["state"]
            == ONE_SIDED
        )
        assert crossed.mean() <= before.mean() + 0.01
