"""What feeds do wrong, on purpose: late and swapped messages, wrong clocks, books, halts."""

from decimal import Decimal as Exact
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
import pyarrow as pa
import pytest
from binance_wire import spot, told_at, written
from dbn_wire import order, write
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import FAMILIES, L2, book, stream
from sources.itch_bytes import NAME, add, framed, listed, system

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.schema import (
    ADD,
    AUCTION,
    CLEAR,
    EVENT,
    GAP,
    HALT,
    LAST,
    MILLISECOND,
    ONE_SIDED,
    SECOND,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    WHOLE,
)
from flowsense.sources.candles import Candles
from flowsense.sources.lobster import Lobster
from flowsense.sources.open import open_source
from flowsense.sources.ticks import Ticks
from flowsense.sources.units import Unit
from flowsense.testing import Recording, tape_of
from flowsense.train.dataset import prepare
from flowsense.train.health import examined

TWO_SIDED = book((1, 100, 5), (-1, 102, 5))
GRID = spec(FAMILIES, ("interval:100ms",))


def events_of(source):
    return np.concatenate(list(source)).view(EVENT)


def books_of(events):
    """(update id, bids, asks) at each whole book that is in step."""
    sides, ready = ({}, {}), False
    for e in events:
        if e["action"] == CLEAR:
            sides, ready = ({}, {}), bool(e["bits"] & SNAPSHOT) or (ready and not e["bits"] & GAP)
        if e["action"] == SET:
            side = sides[0 if e["side"] > 0 else 1]
            side[int(e["price"])] = int(e["lots"])
            if not e["lots"]:
                del side[int(e["price"])]
        if e["bits"] & LAST and ready:
            yield int(e["sequence"]), sides


def agrees(source, books):
    """How many whole books were seen, each of them that of its update id."""
    tick = Exact(source.instruments[0].tick.mantissa).scaleb(source.instruments[0].tick.exponent)
    lot = source.instruments[0].lot
    assert lot.exponent >= 0
    seen = 0
    for u, sides in books_of(events_of(source)):
        want = books.get(u)
        got = [{int(p * tick * 10): n * lot.mantissa for p, n in s.items()} for s in sides]
        assert want is None or got == list(want), u
        seen += want is not None
    return seen


def delayed(lines, rng, share=0.05):
    """Lines heard up to 2 s late, in the order of the feed. -> lines, how many times fell."""
    late = rng.random(len(lines)) < share
    late[0] = False
    times = np.array([int(line[:19]) for line in lines])
    times[late] += rng.integers(SECOND // 2, 2 * SECOND, int(late.sum()))
    fell = int((times < np.maximum.accumulate(times)).sum())
    return [told_at(line, ns) for line, ns in zip(lines, times, strict=True)], fell


@pytest.mark.parametrize("seed", range(4))
def test_the_book_follows_the_sequence_whatever_the_times_say(tmp_path, seed):
    lines, books = spot(600, seed)
    late, fell = delayed(lines, np.random.default_rng(seed))
    source = open_source(written(tmp_path / "a.jsonl", late))
    assert agrees(source, books) == 600
    events = events_of(source)
    assert (np.diff(events["ts_recv"]) >= 0).all() and not (events["bits"] & GAP).any()
    assert source.counts["receive time fell"] == fell > 100


@pytest.mark.parametrize("seed", range(4))
def test_exchange_times_that_go_back_are_counted_exactly(tmp_path, seed):
    lines, books = spot(400, seed)
    rng = np.random.default_rng(seed)
    shifted, times = [lines[0]], []
    for line in lines[1:]:
        body = orjson.loads(line[20:])
        body["data"]["E"] -= int(rng.integers(0, 2_000)) if rng.random() < 0.05 else 0
        times.append(body["data"]["E"])
        shifted.append(line[:20] + orjson.dumps(body))
    source = open_source(written(tmp_path / "a.jsonl", shifted))
    late = int((np.array(times) < np.maximum.accumulate(times)).sum())
    assert agrees(source, books) == 400 and late > 5
    assert [f.count for f in examined(source).findings if f.name == "time goes back"] == [late]


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_that_are_swapped_are_a_gap_and_never_a_wrong_book(tmp_path, seed):
    lines, books = spot(600, seed, snapshots=20)
    rng = np.random.default_rng(seed)
    for k in rng.choice(np.arange(5, 600, 2), 15, replace=False):
        lines[k], lines[k + 1] = lines[k + 1], lines[k]
    source = open_source(written(tmp_path / "a.jsonl", lines))
    assert 200 < agrees(source, books) < 600
    gaps = int((events_of(source)["bits"] & GAP > 0).sum())
    assert gaps == source.counts["gap"] and 5 < gaps <= 15


def test_files_are_read_in_order_of_time_and_give_the_same_at_every_replay(tmp_path):
    lines, books = spot(300)
    first, second = (
        written(tmp_path / name, part) for name, part in (("b", lines[:150]), ("a", lines[150:]))
    )
    passes = [events_of(open_source([second, first])).tobytes() for _ in range(2)]
    assert passes[0] == passes[1] == events_of(open_source([first, second])).tobytes()
    assert agrees(open_source([second, first]), books) == 300


@pytest.mark.parametrize("offset", [-5, -1, 0, 1, 5])
def test_a_clock_that_is_wrong_is_told_and_changes_no_row_but_its_times(tmp_path, offset):
    lines, books = spot(300)
    shifted = [told_at(line, int(line[:19]) + offset * SECOND) for line in lines]
    source = open_source(written(tmp_path / "a.jsonl", shifted))
    (told,) = examined(source).streams
    assert agrees(source, books) == 300
    if offset:
        assert told.lag["50 %"] == pytest.approx(offset, rel=0.03)
    rows = tape_of(GRID, source.instruments, events_of(source)).rows[0]
    assert np.isfinite(rows.X).all() and (np.diff(rows.ts) == 100 * MILLISECOND).all()


def test_a_clock_that_steps_back_stands_still_until_it_has_caught_up(tmp_path):
    lines, books = spot(300)
    back = [told_at(x, int(x[:19]) - 2 * SECOND * (k > 150)) for k, x in enumerate(lines)]
    source = open_source(written(tmp_path / "a.jsonl", back))
    events = events_of(source)
    assert agrees(source, books) == 300 and (np.diff(events["ts_recv"]) >= 0).all()
    (stands,) = (f for f in examined(source).findings if f.name == "receive clock stands")
    assert stands.count == 1 and stands.worst == pytest.approx(2, abs=0.11)
    rows = tape_of(GRID, source.instruments, events).rows[0]
    assert np.isfinite(rows.X).all() and (np.diff(rows.ts) > 0).all()


LINES = ("34200.0,1,1,10,1000000,1", "34201.0,1,2,10,1000000,1")
BOOKS = ("1000100,5,1000000,10", "1000100,5,1000000,20")


@pytest.mark.parametrize(
    ("day", "hour"), [("2012-03-09", 14), ("2012-03-12", 13), ("2012-11-05", 14)]
)
def test_the_opening_is_at_half_past_nine_of_new_york_on_both_sides_of_a_change(
    tmp_path, day, hour
):
    for kind, rows in (("message", LINES), ("orderbook", BOOKS)):
        name = f"ABC_{day}_34200000_57600000_{kind}_1.csv"
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    source = Lobster(tmp_path / f"ABC_{day}_34200000_57600000_message_1.csv")
    first = events_of(source)["ts_recv"][0].astype("datetime64[ns]")
    assert first == np.datetime64(f"{day}T{hour}:30", "ns")


def quotes(tmp_path, times):
    path = tmp_path / "q.csv"
    rows = [f"{ts},99.5,100.5,3,{k + 4}" for k, ts in enumerate(times)]
    path.write_text("\n".join(["ts,bid,ask,bid_size,ask_size", *rows]) + "\n")
    return Ticks(path)


def test_a_local_time_that_jumps_by_an_hour_is_a_second_later(tmp_path):
    source = quotes(tmp_path, ["2024-03-10T01:59:59-05:00", "2024-03-10T03:00:00-04:00"])
    times = np.unique(events_of(source)["ts_recv"])
    assert np.diff(times).tolist() == [SECOND]


def test_a_leap_second_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"row 2, column 'ts': '2016-12-31T23:59:60Z' is no time"):
        events_of(quotes(tmp_path, ["2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z"]))


EDGES = ("1e-9", "1e12", "0", "-1", "9223372036854775807", "9223372036854775808", "1e-19", "1e19")
NUMBERS = st.one_of(
    st.sampled_from(EDGES),
    st.decimals(Exact("0.001"), 10**6, places=3).map(str),
    st.decimals(-(10**13), 10**13, places=9).map(str),
    st.integers(1, 10**9).map(str),
    st.integers(-(2**64), 2**64).map(str),
)


def exact_of(units, unit):
    return Exact(int(units)) * Exact(unit.mantissa).scaleb(unit.exponent)


@pytest.mark.slow
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_trade_is_exact_or_refused(told):
    price, size = zip(*told, strict=True)
    table = pa.table({"ts": pa.array(range(len(told))), "price": price, "size": size})
    try:
        source = Ticks.of(table, unit="s")
        events = events_of(source)
    except InputError:
        return
    (one,), trades = source.instruments, events[events["action"] == TRADE]
    assert [exact_of(p, one.tick) for p in trades["price"]] == [Exact(p) for p in price]
    assert [exact_of(n, one.lot) for n in trades["lots"]] == [Exact(n) for n in size]
    assert (trades["price"] > 0).all() and (trades["lots"] > 0).all()


@pytest.mark.slow
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_candle_is_exact_to_fifteen_digits_or_refused(told):
    price, size = zip(*told, strict=True)
    same = dict.fromkeys(("open", "high", "low", "close"), price)
    times = {"ts": pa.array([60 * k for k in range(len(told))])}
    try:
        source = Candles.of(pa.table(times | same | {"volume": size}), unit="s", interval="1m")
        bars = np.concatenate([chunk.bars for chunk in source.chunks()])
    except InputError:
        return
    (one,), most = source.instruments, max(float(p) for p in price)
    for bar, p in zip(bars, price, strict=True):
        assert abs(float(exact_of(bar["close"], one.tick)) - float(p)) <= 1e-14 * most
        assert bar["close"] > 0
    assert all(float(n) >= 0 for n in size) and (bars["lots"] >= 0).all()


CROSSING = {
    "crossed": ((SET, 1, 103, 1, LAST), (SET, 1, 103, 0, LAST)),
    "locked": ((SET, 1, 102, 1, LAST), (SET, 1, 102, 0, LAST)),
    "one side empty": ((SET, -1, 102, 0, LAST), (SET, -1, 102, 5, LAST)),
}


@pytest.mark.parametrize("fault", CROSSING)
def test_a_book_that_is_not_whole_for_29_s_has_no_mid_and_heals(fault):
    start, end = CROSSING[fault]
    quiet = [(SET, 1, 90 - k % 3, k + 1, LAST) for k in range(290)]
    events = stream(
        *TWO_SIDED, *quiet[:50], start, *quiet, end, *quiet[:50], every=100 * MILLISECOND
    )
    tape = tape_of(GRID, (L2,), events)
    rows, broken = tape.rows[0], np.zeros(len(tape.rows[0].ts), np.bool_)
    broken[:] = (rows.ts > events["ts_recv"][53]) & (rows.ts <= events["ts_recv"][344])
    known = rows.valid[:, [GRID.columns.index(name) for name in ("spread", "micro")]]
    assert np.isfinite(rows.X).all() and broken.sum() == 291
    assert not known[broken].any() and known[~broken].all()
    assert (rows.quote["state"] == np.where(broken, ONE_SIDED, WHOLE)).all()
    (label,) = prepare(Recording((L2,), events), GRID, (Target.parse("mid@1s"),)).labels.valid.T
    assert not label[broken].any() and label[~broken].any()


def test_levels_that_were_never_deleted_cross_the_book_without_an_end():
    """A bid stays behind while the market falls: told as crossed, and nothing loops on it."""
    falls = [
        line for k in range(40) for line in ((SET, -1, 101 - k, 3, LAST), (SET, 1, 60, k + 1, LAST))
    ]
    events = stream(*TWO_SIDED, *falls, every=100 * MILLISECOND)
    rows = tape_of(GRID, (L2,), events).rows[0]
    assert np.isfinite(rows.X).all() and (rows.quote["state"][-50:] == ONE_SIDED).all()
    found = {f.name: f.verdict for f in examined(Recording((L2,), events)).findings}
    assert found["crossed"] == "broken"


KINDS = ("mid@1s", "ofi@1s", "magnitude@1s", "barrier:3t@1s", "smoothed:1t@1s")
SPANS = {
    "halt": [(STATUS, 0, 0, HALT, LAST)],
    "auction": [(STATUS, 0, 0, AUCTION, LAST)],
    "gap": [(CLEAR, 0, 0, 0, GAP)],
}


@pytest.mark.parametrize("kind", SPANS)
def test_no_label_and_no_row_spans_what_was_not_traded(kind):
    rng = np.random.default_rng(0)
    moves = [
        (SET, 1, 100 - int(rng.integers(0, 3)), int(rng.integers(0, 9)), LAST) for _ in range(400)
    ]
    back = [(STATUS, 0, 0, TRADING, LAST)] if kind != "gap" else []
    lines = [*moves[:200], *SPANS[kind], *moves[:20], *back, *TWO_SIDED, *moves[200:]]
    events = stream(*TWO_SIDED, *lines, every=50 * MILLISECOND)
    start, end = (int(events["ts_recv"][k]) for k in (203, 224 if back else 226))
    data = prepare(Recording((L2,), events), GRID, tuple(map(Target.parse, KINDS)))
    ts, labels = data.ts, data.labels
    assert not ((ts > start) & (ts <= end)).any()
    known_later = labels.known_at > start
    assert not labels.valid[(ts <= start)[:, None] & known_later].any()
    assert labels.valid[ts <= start - SECOND].any(0).all()
    after = (ts >= end) & (ts - SECOND < end)
    assert not labels.valid[after, KINDS.index("smoothed:1t@1s")].any()


def test_a_night_without_a_record_has_no_rows_and_no_label_reads_across_it():
    day = [(SET, 1, 100 - k % 3, k % 7, LAST) for k in range(100)]
    events = stream(*TWO_SIDED, *day, *day, every=100 * MILLISECOND)
    events["ts_recv"][103:] += 17 * 3600 * SECOND
    data = prepare(Recording((L2,), events), GRID, (Target.parse("mid@1s"),))
    last, first = int(events["ts_recv"][102]), int(events["ts_recv"][103])
    assert not ((data.ts > last + 60 * SECOND) & (data.ts < first - SECOND)).any()
    across = (data.ts <= last) & (data.labels.known_at[:, 0] > first)
    assert not data.labels.valid[across, 0].any()


RAW = st.one_of(
    st.sampled_from((1, -1, 0, 2**63 - 2, -(2**63), 2**53, 2**53 + 1)),
    st.integers(-(2**63), 2**63 - 2),
    st.integers(1, 10**6).map(lambda k: k * 10**7),
)


@pytest.mark.slow
@given(st.lists(st.tuples(RAW, st.integers(0, 2**32 - 1)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_trade_of_databento_is_exact_or_refused(told):
    records = b"".join(
        order("T 0 A 1 1 LAST", k, price=price, size=size) for k, (price, size) in enumerate(told)
    )
    with TemporaryDirectory() as folder:
        try:
            source = open_source(write(Path(folder), records))
            events = events_of(source)
        except InputError:
            return
    (one,), trades = source.instruments, events[events["action"] == TRADE]
    want = [(Exact(price).scaleb(-9), size) for price, size in told if size]
    assert [(exact_of(e["price"], one.tick), e["lots"]) for e in trades] == want


WORD = st.one_of(st.integers(1, 2**32 - 1), st.sampled_from((0, 1, 2**31, 2**32 - 1)))


@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_order_of_itch_is_exact_or_refused(told):
    adds = [add(1, k + 1, "B", lots, "ABC", price) for k, (price, lots) in enumerate(told)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_bytes(framed(system("O"), listed(1, "ABC"), *adds))
        try:
            source = open_source(path, tick=Unit(1, -4))
            events = events_of(source)
        except InputError:
            return
    (one,), placed = source.instruments, events[events["action"] == ADD]
    want = [(Exact(price).scaleb(-4), lots) for price, lots in told]
    assert [(exact_of(e["price"], one.tick), e["lots"]) for e in placed] == want
