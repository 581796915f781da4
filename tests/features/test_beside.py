"""What fills rows beside the loop over events: bars, observations, plain Python."""

from math import log

import numpy as np
import pytest
from besides import STEP, Counted, Peeks, PerCall, Writes, bars_of, beside, closes, observation
from besides import observations as observed
from entries import registered
from markets import MS

from flowsense.errors import InputError
from flowsense.features.catalogue import family, spec
from flowsense.features.fold import Fold
from flowsense.schema import (
    BAR,
    EVENT,
    OBSERVATION,
    SECOND,
    WHOLE,
    Chunk,
    Decimal,
    Instrument,
    zeros,
)
from flowsense.testing import (
    check_alone_together,
    check_family_alone,
    check_one_signature,
    check_plain_python,
    check_stream,
    tape_of,
)

OBSERVED = ("observed:vix", "observed:mood")
CANDLES = Instrument("X", "v", Decimal(1, -2), Decimal(1, 0), depth=0)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    with registered(folder, "flowsense.features", (Counted, PerCall, Peeks, Writes)):
        yield
    family.cache_clear()


@pytest.fixture(scope="module")
def stream(events):
    return beside(events[:900])


@pytest.mark.compiled
@pytest.mark.parametrize(
    "clocks",
    [pytest.param(("interval:100ms", "interval:1s"), marks=pytest.mark.slow), ("events:7",)],
    ids="+".join,
)
def test_laws(clocks, instruments, stream):
    check_stream(spec(("depth", "bars", *OBSERVED, "counted"), clocks), instruments, stream)


@pytest.mark.slow
@pytest.mark.compiled
def test_laws_between_instruments_and_without_the_compiler(instruments, stream):
    asked = spec(("depth", "bars", *OBSERVED, "counted", "vpin"))
    check_alone_together(asked, instruments, stream)
    check_one_signature(asked)
    small = Chunk(stream.events[:300], *stream[1:])
    check_plain_python(asked, instruments, small)
    for name in ("bars", "observed:vix", "counted"):
        check_family_alone(name, asked, instruments, small)


def test_what_is_known_and_how_old_it_is():
    """Noon's value is known at 1 s; the morning's comes late, at 2 s; noon's is revised at 3 s."""
    told = observed(
        observation(1 * SECOND, 20.0, happened=-10 * SECOND),
        observation(2 * SECOND, 99.0, happened=-20 * SECOND),
        observation(3 * SECOND, 21.0, happened=-10 * SECOND),
    )
    bars = hourly(*[(100, 101, 99, 100)] * 4, step=SECOND)
    asked = spec(("observed:vix",), ("events:1",))
    rows = tape_of(asked, (CANDLES,), Chunk(closes(bars), bars, told)).rows[0]
    assert rows.X[:, 0].tolist() == [20.0, 20.0, 21.0, 21.0]
    assert rows.X[:, 1].tolist() == [11.0, 12.0, 13.0, 14.0]


def test_a_row_of_a_grid_does_not_know_what_comes_at_its_boundary():
    told = observed(observation(2 * SECOND, 20.0))
    bars = hourly(*[(100, 101, 99, 100)] * 5, step=SECOND)
    asked = spec(("observed:vix",), ("interval:1s",))
    rows = tape_of(asked, (CANDLES,), Chunk(closes(bars), bars, told)).rows[0]
    assert (rows.ts // SECOND).tolist() == [2, 3, 4, 5]
    assert rows.valid[:, 0].tolist() == [False, True, True, True]


def test_of_other_instruments_and_other_kinds_nothing_is_known(instruments, events):
    told = observed(
        observation(0, 1.0, instrument=1), observation(0, 2.0, "mood"), observation(0, 3.0, "rain")
    )
    asked = spec(("depth", *OBSERVED))
    rows = tape_of(asked, instruments, Chunk(events[:600], zeros(BAR), told)).rows[0]
    vix, mood = (asked.columns.index(name) for name in ("vix", "mood"))
    assert not rows.valid[rows.instrument == 0, vix].any()
    assert (rows.X[rows.instrument == 1, vix] == 1.0).all() and (rows.X[:, mood] == 2.0).all()


def hourly(*prices, step=STEP, lots=10):
    out = np.zeros(len(prices), BAR).view(BAR)
    for i, (bar, (first, high, low, last)) in enumerate(zip(out, prices, strict=True)):
        bar["ts_open"], bar["ts_recv"], bar["lots"] = i * step, (i + 1) * step, lots
        bar["open"], bar["high"], bar["low"], bar["close"] = first, high, low, last
    return out


def test_bars_alone_give_rows_and_a_price():
    bars = hourly((100, 110, 100, 105), (105, 120, 90, 120))
    asked = spec(("bars", "depth"), ("events:1",))
    tape = tape_of(asked, (CANDLES,), Chunk(closes(bars), bars, observed()))
    rows = tape.rows[0]
    x = dict(zip(asked.columns, rows.X[1].tolist(), strict=True))
    assert x["bar_ret"] == pytest.approx(log(120 / 105))
    assert x["bar_range"] == pytest.approx(log(120 / 90)) and x["bar_place"] == 1.0
    assert x["bar_age"] == 0.0 and not rows.valid[:, asked.columns.index("imb_l1")].any()
    assert tape.quotes["mid2"].tolist() == [210, 240] and (tape.quotes["state"] == WHOLE).all()


def test_strength_and_trend_are_those_of_an_obvious_loop():
    rng = np.random.default_rng(3)
    close = 10_000 + rng.integers(-30, 31, 60).cumsum()
    bars = hourly(*((int(c), int(c) + 5, int(c) - 7, int(c)) for c in close))
    asked = spec(("bars",), ("events:1",))
    X = tape_of(asked, (CANDLES,), Chunk(closes(bars), bars, observed())).rows[0].X
    up = down = 0.0
    mean = float(close[0])
    for k, move in enumerate(np.diff(close), 1):
        up, down = up + (max(move, 0) - up) / 14, down + (max(-move, 0) - down) / 14
        mean += (close[k] - mean) * 2 / 15
        if k >= 14:
            assert X[k, 4] == pytest.approx(up / (up + down), rel=1e-5)
            assert X[k, 5] == pytest.approx(log(close[k] / mean), rel=1e-4, abs=1e-7)


def test_bars_run_ahead_and_wait(instruments, events):
    stream = beside(events[:900])
    asked = spec(("depth", "bars"))
    fold = Fold(asked, instruments)
    rows = [t.rows[0] for t in fold.push(stream.events[:1], stream.bars)]
    rows += [t.rows[0] for t in fold.push(stream.events[1:])]
    whole = tape_of(asked, instruments, stream).rows[0]
    assert np.concatenate([r.X for r in rows]).tobytes() == whole.X.tobytes()


@pytest.mark.parametrize("clock", ["events:7", "interval:100ms"])
def test_the_close_of_a_bar_is_no_whole_book_of_an_instrument_that_has_one(
    instruments, events, clock
):
    asked = spec(("depth",), (clock,))
    bars = bars_of(events[:900])
    bars = bars[bars["ts_recv"] <= events["ts_recv"][899]]
    both = np.concatenate([closes(bars), events[:900]])
    both = both[np.argsort(both["ts_recv"], kind="stable")].view(EVENT)
    alone, along = (tape_of(asked, instruments, each).rows[0] for each in (events[:900], both))
    assert len(bars) > 5 and along.ts.tolist() == alone.ts.tolist()
    assert along.X.tobytes() == alone.X.tobytes()


@pytest.mark.parametrize(
    ("kind", "name", "value", "why"),
    [
        (BAR, "instrument", -1, "bars: instrument -1, the table holds 2"),
        (BAR, "instrument", 2, "bars: instrument 2, the table holds 2"),
        (OBSERVATION, "instrument", -2, "observations: instrument -2, the table holds 2"),
        (OBSERVATION, "instrument", 2, "observations: instrument 2, the table holds 2"),
        (OBSERVATION, "value", np.nan, "observations: value nan at 0: leave it out"),
        (OBSERVATION, "value", -np.inf, "observations: value -inf at 0: leave it out"),
    ],
)
def test_what_kernels_would_not_survive_is_refused(instruments, kind, name, value, why):
    record = zeros(kind, 1)
    record["ts_recv"], record[name] = 1, value
    fold = Fold(spec(("depth", *OBSERVED, "bars")), instruments)
    beside = {"bars" if kind == BAR else "observations": record}
    with pytest.raises(InputError, match=why):
        list(fold.push(zeros(EVENT), **beside))


def test_what_comes_with_an_event_comes_before_it(instruments, events):
    """A row at that event has been made without it."""
    fold = Fold(spec(("depth", "observed:vix"), ("events:1",)), instruments)
    list(fold.push(events[:500]))
    late = observed(observation(int(events["ts_recv"][499]), 20.0))
    with pytest.raises(InputError, match="give them in order, with events"):
        list(fold.push(zeros(EVENT), observations=late))


def test_bars_that_come_too_late_are_refused(instruments, events):
    fold = Fold(spec(("depth", "bars")), instruments)
    list(fold.push(events[:500]))
    with pytest.raises(InputError, match="give them in order, with events"):
        list(fold.push(events[500:600], bars_of(events[:500])))


def test_a_plain_family_sees_each_event_once_and_the_book_of_its_row(instruments, events):
    asked = spec(("flow", "counted"))
    tape = tape_of(asked, instruments, events)
    rows = tape.rows[0]
    trades = events["action"] == 5
    for k in range(0, len(rows.ts), 50):
        seen = (events["instrument"] == rows.instrument[k])[: rows.event[k]]
        assert rows.X[k, -2] == (trades[: rows.event[k]] & seen).sum()
        assert rows.X[k, -1] == 10_000 - rows.book["bid_px"][k, 0]


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("peeks", r"one event at a time: X differs at row \d+, \d+ of instrument \d, column peeks"),
        ("percall", "one event at a time: X differs at row .* column percall"),
    ],
)
def test_a_plain_family_that_looks_ahead_is_refused_with_the_row_named(
    name, law, instruments, events
):
    Peeks.highest = 1
    with pytest.raises(AssertionError, match=law):
        check_stream(spec(("depth", name)), instruments, events[:600])


def test_the_row_of_a_plain_family_cannot_change_its_state(instruments, events):
    rows = tape_of(spec(("depth", "writes")), instruments, events[:600]).rows[0]
    assert (rows.X[:, -1] == 1.0).all()


@pytest.mark.parametrize("name", ["observed:", "observed:a b", "observed:a,b"])
def test_a_kind_needs_a_name(name):
    with pytest.raises(InputError, match="name one kind, like observed:vix"):
        spec((name,))


def test_a_snapshot_of_other_stages_is_refused(instruments):
    fold, other = Fold(spec(("depth", "bars")), instruments), Fold(spec(("depth",)), instruments)
    with pytest.raises(InputError, match="snapshot: bars/state"):
        fold.restore(other.snapshot())


def test_rows_every_millisecond_are_those_of_one_clock(instruments, stream):
    asked = spec(("depth", "bars", "observed:vix"), ("interval:20ms", "events:3"))
    both = tape_of(asked, instruments, stream)
    for k, clock in enumerate(asked.clocks):
        alone = tape_of(spec(("depth", "bars", "observed:vix"), (clock,)), instruments, stream)
        assert both.rows[k].X.tobytes() == alone.rows[0].X.tobytes()
    assert int(np.diff(both.rows[0].ts).min()) in (0, 20 * MS) and EVENT.itemsize == 56


def test_what_bars_say_of_a_side_turns_where_prices_fall_as_they_rose():
    asked, said = spec(("bars", "depth"), ("events:1",)), []
    for first, last in ((100, 200), (200, 100)):
        bars = hourly((first,) * 4, (first, 200, 100, last))
        tape = tape_of(asked, (CANDLES,), Chunk(closes(bars), bars, observed()))
        said.append(dict(zip(asked.columns, tape.rows[0].X[1].tolist(), strict=True)))
    signs = {c.name: c.mirror for c in family("bars").COLUMNS}
    assert said[0]["bar_ret"] == -said[1]["bar_ret"] > 0 and signs["bar_ret"] == "-"
    assert signs["bar_ema14_gap"] == "-"
    assert said[0]["bar_range"] == said[1]["bar_range"] and signs["bar_range"] == ""
