"""What is wrong with a stream: by hand, against plain loops, and however it is cut."""

import numpy as np
import pytest
from besides import beside
from markets import L2, L3, book, stream

from flowsense.errors import InputError
from flowsense.features.health import Health, quantile, value
from flowsense.features.health_events import (
    ALIKE,
    BACK,
    BEYOND,
    BOTH,
    CROSSED,
    EMPTY,
    GAPS,
    HALTED,
    INSIDE,
    LAGS,
    LOCKED,
    LOST,
    OFF,
    ONE_SIDED,
    REPEAT,
    SILENT,
    SIZE,
    STANDS,
    WHOLE,
    bucket,
)
from flowsense.features.health_told import BELATED, JUMP, MISSING, REVISED
from flowsense.schema import (
    BAR,
    CLEAR,
    EVENT,
    EVERY,
    GAP,
    HALT,
    LAST,
    MILLISECOND,
    OBSERVATION,
    SECOND,
    SET,
    STATUS,
    TRADE,
    TRADING,
    Chunk,
    kind_of,
    zeros,
)
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.store.checkpoint import pack, unpack
from flowsense.testing.streams import cut
from flowsense.testing.toy import by_order

MS = MILLISECOND
TWO_SIDED = book((1, 100, 5), (-1, 102, 5))


def chunk(events):
    return Chunk(events, NO_BARS, NO_OBSERVATIONS)


def heard(events, instruments=(L2,)):
    health = Health(instruments)
    health.push(chunk(events))
    return health.arrays["state"]


def found(*lines, every=MS, change=None):
    """What was found in a stream of one instrument that begins with a whole book."""
    events = stream(*TWO_SIDED, *lines, every=every)
    events["sequence"] += 1
    if change:
        change(events)
    return heard(events)[0]["found"]


def bid(price, lots):
    return (SET, 1, price, lots, LAST)


def ask(price, lots):
    return (SET, -1, price, lots, LAST)


def trade(price, lots=1, side=1):
    return (TRADE, side, price, lots, LAST)


@pytest.mark.parametrize(
    ("lines", "condition", "count", "ms"),
    [
        ((bid(103, 1), bid(99, 1), bid(103, 0)), CROSSED, 1, 2),
        ((bid(103, 1), bid(103, 0), bid(104, 1), bid(99, 3), bid(104, 0)), CROSSED, 2, 3),
        ((bid(102, 1), bid(102, 0)), LOCKED, 1, 1),
        ((ask(102, 0), bid(99, 1), bid(98, 1), ask(102, 1)), ONE_SIDED, 1, 3),
        ((ask(102, 0), bid(100, 0), bid(98, 1), ask(102, 1)), EMPTY, 1, 1),
        (((STATUS, 0, 0, HALT, LAST), bid(99, 1), (STATUS, 0, 0, TRADING, LAST)), HALTED, 1, 2),
        (((CLEAR, 0, 0, 0, GAP), bid(99, 1), *TWO_SIDED), LOST, 1, 4),
    ],
)
def test_how_long_a_condition_lasts(lines, condition, count, ms):
    f = found(*lines)[condition]
    assert (f["count"], f["total"]) == (count, ms * MS) and f["ts"] >= 4 * MS


def test_every_moment_is_in_one_condition():
    s = heard(by_order(3_000, 1), (L3,))[0]
    total = s["found"]["total"][: GAPS - 1].sum() + s["last"] - s["since"]
    assert total == s["last"] - s["first"]
    assert s["condition"] == WHOLE


def test_a_gap_is_counted_and_trades_in_it_are_not_judged():
    f = found((CLEAR, 0, 0, 0, GAP), trade(500), trade(700))
    assert f[GAPS]["count"] == 1 and not f[[OFF, BEYOND, INSIDE]]["count"].any()


@pytest.mark.parametrize(
    ("price", "counts"),
    [(102, (0, 0, 0)), (101, (0, 0, 1)), (103, (0, 1, 0)), (122, (0, 1, 0)), (123, (1, 1, 0))],
)
def test_where_a_trade_stands_to_a_touch_of_100_and_102(price, counts):
    """Off market: more than 10 spreads of 2 ticks and half a per cent of the ask beyond it."""
    f = found(trade(price))
    assert tuple(f[[OFF, BEYOND, INSIDE]]["count"]) == counts
    assert f[BEYOND]["worst"] == max(price - 102, 0)


def test_which_events_are_off_market_is_told():
    marks = Health((L2,)).push(chunk(stream(*TWO_SIDED, trade(101), trade(900), bid(99, 1))))
    assert np.flatnonzero(marks.off).tolist() == [4]


def test_holes_are_told_of_the_numbers_of_all_records():
    events = stream(*TWO_SIDED, *(bid(90 + k % 5, k + 1) for k in range(20)))
    events["sequence"] += 10
    events["sequence"][8:] += 3
    t = heard(events)[0]["track"][BOTH]
    assert (t["hole"]["count"], t["hole"]["total"], t["ones"]) == (1, 3, t["rises"] - 1)


def late(events):
    events["ts_event"][4] -= 3 * MS


def test_a_time_that_goes_back():
    f = found(bid(99, 1), bid(98, 1), bid(97, 1), change=late)[BACK]
    assert (f["count"], f["total"], f["sequence"]) == (1, 2 * MS, 5)


def told_twice(events):
    for name in ("sequence", "ts_event", "price"):
        events[name][5] = events[name][4]


def test_a_record_told_twice():
    assert found(bid(99, 1), bid(98, 1), bid(97, 1), change=told_twice)[REPEAT]["count"] == 1


def unnumbered(events):
    events["sequence"], events["ts_event"] = 0, 5


def test_trades_that_look_alike():
    assert found(trade(102), trade(102), trade(102, 2), change=unnumbered)[ALIKE]["count"] == 1


def stands(events):
    events["ts_recv"][4:] = events["ts_recv"][4]


def test_a_receive_clock_that_stands_while_the_exchange_goes_on():
    lines = [bid(99, k + 1) for k in range(9)]
    f = found(*lines, every=300 * MS, change=stands)[STANDS]
    assert (f["count"], f["worst"]) == (1, 2_100 * MS)


def test_silence_of_one_instrument_is_not_a_pause_of_all():
    a = stream(*TWO_SIDED, *(bid(99, k + 1) for k in range(100)), every=SECOND)
    b = stream(*TWO_SIDED, bid(99, 1))
    b["instrument"] = 1
    b["ts_recv"][-1] = 80 * SECOND + 1
    both = np.concatenate([a, b])
    both["ts_recv"][both["ts_recv"] > 50 * SECOND] += 100 * SECOND
    both = both[np.argsort(both["ts_recv"], kind="stable")].view(EVENT)
    health = Health((L2, L2._replace(symbol="C")))
    health.push(chunk(both))
    silent = health.arrays["state"]["found"][:, SILENT]
    assert silent["count"].tolist() == [0, 1]
    assert silent["total"][1] == pytest.approx(80 * SECOND, abs=2 * SECOND)
    assert health.arrays["world"]["pause"]["count"][0] == 1


@pytest.mark.parametrize(
    ("line", "count"),
    [(trade(102, 0), 1), (trade(102, 2**54), 1), (bid(99, -1), 1), (bid(100, 0), 0)],
)
def test_sizes_that_cannot_be(line, count):
    assert found(line)[SIZE]["count"] == count


def test_lags_are_told_to_within_three_per_cent():
    rng = np.random.default_rng(0)
    lags = (rng.normal(0, 1, 500) * 10.0 ** rng.uniform(0, 15, 500)).astype(np.int64)
    for lag in lags.tolist():
        assert abs(value(bucket(lag) - LAGS) - lag) <= abs(lag) * 0.03


def test_quantiles_of_lags_are_those_of_all_of_them():
    lags = np.random.default_rng(1).normal(2e9, 5e8, 4_000).astype(np.int64)
    counts = np.bincount([bucket(x) for x in lags.tolist()], minlength=2 * LAGS + 1)
    for share in (0.01, 0.5, 0.99):
        assert quantile(counts, share) == pytest.approx(np.quantile(lags, share), rel=0.03)
    assert quantile(np.zeros(2 * LAGS + 1, np.int64), 0.5) is None


def bars(*rows):
    out = zeros(BAR, len(rows))
    for bar, (minute, close) in zip(out, rows, strict=True):
        bar["ts_open"], bar["ts_recv"] = minute * 60 * SECOND, (minute + 1) * 60 * SECOND
        for name in ("open", "high", "low", "close"):
            bar[name] = close
        bar["lots"] = 1
    return out


def test_bars_that_are_missing_and_bars_that_jump():
    health = Health((L2,))
    none = zeros(EVENT)
    health.push(Chunk(none, bars((1, 100), (2, 101), (6, 101), (7, 120)), NO_OBSERVATIONS))
    f = health.arrays["bars"]["found"][0]
    assert (f[MISSING]["count"], f[MISSING]["total"], f[JUMP]["count"]) == (1, 3, 1)


def test_values_that_are_revised_and_values_that_come_late():
    told = zeros(OBSERVATION, 4)
    told["ts_event"], told["ts_recv"] = (10, 20, 20, 15), (11, 22, 30, 31)
    told["kind"], told["instrument"] = kind_of("vix"), EVERY
    health = Health((L2,), ("vix",))
    health.push(Chunk(zeros(EVENT), NO_BARS, told))
    f = health.arrays["told"]["found"][0, 1]
    assert (f[REVISED]["count"], f[BELATED]["count"], f[BELATED]["worst"]) == (1, 1, 5)


def arrays(health):
    """Without what depends on where tables happen to grow."""
    return {k: a.tobytes() for k, a in health.snapshot().items() if k not in ("levels", "orders")}


@pytest.mark.compiled
@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2, 3))])
def test_however_the_stream_is_cut_saved_and_resumed_the_report_is_the_same(
    seed, instruments, events
):
    records, kinds = beside(events), ("vix", "mood")
    whole = Health(instruments, kinds)
    for part in cut(records, ()):
        whole.push(part)
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(len(events), 30, replace=False))
    pieces = Health(instruments, kinds)
    for part in cut(records, tuple(places.tolist())):
        pieces.push(part)
        data = pack(pieces.snapshot())
        pieces = Health(instruments, kinds)
        pieces.restore(unpack(data))
    assert arrays(pieces) == arrays(whole)


def test_one_record_at_a_time_is_all_at_once(instruments, events):
    whole, pieces = Health(instruments), Health(instruments)
    whole.push(chunk(events[:600]))
    for k in range(600):
        pieces.push(chunk(events[k : k + 1]))
    assert arrays(pieces) == arrays(whole)


def test_the_timeline_holds_every_record(instruments, events):
    state = heard(events, instruments)
    assert state["bins"]["events"].sum(1).tolist() == state["events"].tolist()
    assert state["bins"]["books"].sum(1).tolist() == state["books"].tolist()


@pytest.mark.parametrize("close", [2**53, 3, 10**9])
def test_jumps_are_told_in_basis_points_however_large_a_price_is(close):
    health = Health((L2,))
    health.push(Chunk(zeros(EVENT), bars((1, close), (2, close * 2 // 3)), NO_OBSERVATIONS))
    f = health.arrays["bars"]["found"][0, JUMP]
    assert f["worst"] == pytest.approx(3_333, abs=1) and f["count"] == 1


def test_records_of_no_instrument_are_refused_before_they_are_counted():
    health, wrong = Health((L2,), ()), bars((1, 100))
    wrong["instrument"] = 7
    with pytest.raises(InputError, match="bars: instrument 7, the table holds 1"):
        health.push(Chunk(zeros(EVENT), wrong, NO_OBSERVATIONS))
    told = zeros(OBSERVATION, 1)
    told["instrument"], told["value"] = 3, 1.0
    with pytest.raises(InputError, match="observations: instrument 3"):
        health.push(Chunk(zeros(EVENT), NO_BARS, told))
    assert not health.arrays["bars"]["found"]["count"].any()
