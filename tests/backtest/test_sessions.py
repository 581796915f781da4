from datetime import date, time

import numpy as np
import pytest
from backtest.candles import MINUTE, X, flat, recording

from flowsense.backtest.bars import Frictions
from flowsense.backtest.closes import Settings, backtest
from flowsense.backtest.sessions import InSession, Session
from flowsense.backtest.strategies.coin import Random
from flowsense.errors import InputError
from flowsense.schema import CLOSE, DAY, HALT, SECOND, STATUS, TRADING, checked
from flowsense.sources import chunks
from flowsense.testing import Recording

HOUR = 60 * MINUTE
NEW_YORK = Session("America/New_York")


def at(text):
    """ns of a time in UTC."""
    return int(np.datetime64(text, "ns").astype(np.int64))


def holds(session, *texts):
    ts = np.array([at(t) for t in texts])
    return session.holds(ts, ts).tolist()


def test_hours_follow_the_summer_time_of_the_zone():
    """09:30 in New York is 14:30 UTC in winter, 13:30 in summer."""
    assert holds(NEW_YORK, "2024-01-16T14:29:59", "2024-01-16T14:30", "2024-01-16T20:59:59") == [
        False,
        True,
        True,
    ]
    assert holds(NEW_YORK, "2024-07-16T13:29:59", "2024-07-16T13:30", "2024-07-16T20:00") == [
        False,
        True,
        False,
    ]


def test_weekends_and_holidays_are_closed():
    closed = Session("America/New_York", holidays=frozenset({date(2024, 1, 15)}))
    assert holds(closed, "2024-01-12T15:00", "2024-01-13T15:00", "2024-01-15T15:00") == [
        True,
        False,
        False,
    ]


def test_a_session_may_end_on_the_day_after():
    night = Session("UTC", time(23), time(22), frozenset({6, 0, 1, 2, 3}))
    texts = "2024-01-14T22:30", "2024-01-14T23:30", "2024-01-15T21:59", "2024-01-15T22:30"
    assert holds(night, *texts) == [False, True, True, False]


def hourly(first="2024-01-12T12:00", n=96, chunk=1_000):
    """Friday noon to Tuesday noon."""
    return recording(flat(*range(100, 100 + n), start=at(first), step=HOUR), chunk=chunk)


def test_bars_outside_are_left_out_and_the_venue_says_when_it_trades():
    (chunk,) = InSession(hourly(), Session("UTC", time(14), time(17))).chunks()
    events = checked(chunk.events, 1)
    hours = (chunk.bars["ts_open"] % DAY // HOUR).tolist()
    assert hours == [14, 15, 16] * 2  # Friday and Monday
    assert events["ts_recv"][events["action"] == CLOSE].tolist() == chunk.bars["ts_recv"].tolist()
    said = events[events["action"] == STATUS]
    assert said["lots"].tolist() == [HALT, TRADING, HALT, TRADING, HALT]
    assert (said["ts_recv"][1:] % DAY // HOUR).tolist() == [14, 17, 14, 17]


def test_what_begins_within_a_session_trades():
    (chunk,) = InSession(hourly("2024-01-12T14:00", 2), Session("UTC", time(14), time(17))).chunks()
    assert chunk.events["lots"][0] == TRADING and len(chunk.bars) == 2


def test_cutting_the_stream_changes_nothing():
    session = Session("UTC", time(14), time(17))
    whole, cut = (InSession(hourly(chunk=n), session) for n in (1_000, 1))
    for k in range(2):
        a, b = (np.concatenate([c[k] for c in chunks(s)]) for s in (whole, cut))
        assert np.array_equal(a, b)


def test_nothing_is_executed_outside():
    source = InSession(hourly(n=24 * 20), Session("UTC", time(14), time(20)))
    settings = Settings(1e6, Frictions(0, 0, None, patience_ns=4 * DAY))
    fills = backtest(source, Random(chance=0.8, hold_ns=HOUR), settings).fills
    assert len(fills) > 10 and holds_all(source.session, fills["ts"])


def holds_all(session, ts):
    return bool(session.holds(ts, ts).all())


def test_a_source_tells_its_own_name_and_instruments():
    source = InSession(hourly(), NEW_YORK)
    assert (source.name, source.instruments, source.kinds) == ("bars", (X,), ())
    assert len(np.concatenate(list(source))) > 0
    empty = InSession(Recording((X,), hourly().events[:0]), NEW_YORK)
    assert sum(map(len, empty)) == 0


def test_sessions_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="no zone 'Mars'"):
        Session("Mars")
    with pytest.raises(InputError, match="days \\[7\\]: give some of 0 to 6"):
        Session(days=frozenset({7}))
    assert NEW_YORK.of(date(2024, 1, 13)) is None and NEW_YORK.spans(0, SECOND).shape[1] == 2
