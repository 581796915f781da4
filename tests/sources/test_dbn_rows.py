"""Databento by level, trades, bars and phases: worked records that can be checked by hand."""

import databento_dbn as dbn
from dbn_wire import (
    EMPTY,
    FIELDS,
    NOON,
    TICK,
    bar,
    metadata,
    quote,
    status,
    told,
    trade,
    write,
)

from flowsense.schema import (
    AUCTION,
    CLEAR,
    CLOSE,
    GAP,
    HALT,
    LAST,
    SCROLL,
    SECOND,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
)
from flowsense.sources import Broad, chunks
from flowsense.sources.dbn import Dbn

ROW = [(99, 5, 101, 7)]


def rows(folder, *records, tick=TICK):
    return told(write(folder, b"".join(records)), tick=tick)


def test_a_trade_of_a_quote_feed_comes_before_what_it_does(tmp_path):
    traded = quote(dbn.MBP1Msg, ROW, "T", "B", 101, 3, flags=0, k=1)
    after = quote(dbn.MBP1Msg, [(99, 5, 101, 4)], "C", "A", 101, 3, k=2)
    assert rows(tmp_path, quote(dbn.MBP1Msg, ROW), traded, after) == [
        (CLEAR, 0, 0, 0, 0, SNAPSHOT),
        (SET, 0, -1, 101, 7, SNAPSHOT),
        (SET, 0, 1, 99, 5, SNAPSHOT | LAST),
        (TRADE, 0, 1, 101, 3, 0),
        (SET, 0, -1, 101, 4, LAST),
    ]


def test_a_level_that_a_better_one_hides_scrolls(tmp_path):
    better = quote(dbn.MBP1Msg, [(100, 1, 101, 7)], "A", "B", 100, 1, k=1)
    assert rows(tmp_path, quote(dbn.MBP1Msg, ROW), better)[3:] == [
        (SET, 0, 1, 99, 0, SCROLL),
        (SET, 0, 1, 100, 1, LAST),
    ]


def test_ten_levels_tell_only_what_differs(tmp_path):
    deep = [(99 - k, 5, 101 + k, 7) for k in range(10)]
    changed = [*deep[:4], (95, 9, 105, 7), *deep[5:]]
    first, second = (quote(dbn.MBP10Msg, r, k=k) for k, r in enumerate((deep, changed)))
    assert rows(tmp_path, first, second)[21:] == [(SET, 0, 1, 95, 9, LAST)]


def test_an_empty_side_has_no_level(tmp_path):
    bare = quote(dbn.MBP1Msg, [(None, 0, 101, 7)])
    assert rows(tmp_path, bare)[1:] == [(SET, 0, -1, 101, 7, SNAPSHOT | LAST)]


def test_a_bad_quote_is_a_gap_until_the_next_good_one(tmp_path):
    records = [quote(dbn.MBP1Msg, ROW, flags=f, k=k) for k, f in enumerate((128, 132, 128))]
    assert [(e[0], e[-1]) for e in rows(tmp_path, *records)[3:]] == [
        (CLEAR, GAP),
        (CLEAR, SNAPSHOT),
        (SET, SNAPSHOT),
        (SET, SNAPSHOT | LAST),
    ]


def test_a_trade_with_the_quote_before_it(tmp_path):
    record = quote(dbn.MBP1Msg, ROW, "T", "B", 101, 3, flags=0)
    path = write(tmp_path, record, head=metadata(schema=dbn.Schema.TBBO))
    assert told(path)[2:] == [(SET, 0, 1, 99, 5, SNAPSHOT | LAST), (TRADE, 0, 1, 101, 3, LAST)]


def test_samples_tell_no_trades(tmp_path):
    sample = quote(dbn.BBOMsg, ROW, side="B", price=101, size=3)
    assert [e[0] for e in rows(tmp_path, sample, sample)] == [CLEAR, SET, SET]


def test_trades_alone_are_of_an_instrument_whose_book_is_empty(tmp_path):
    records = trade("A", 100, 2) + trade("N", 101, 3, k=1)
    assert told(write(tmp_path, records)) == [
        EMPTY,
        (TRADE, 0, -1, 100, 2, LAST),
        (TRADE, 0, 0, 101, 3, LAST),
    ]


def test_a_bar_is_known_when_it_closed(tmp_path):
    record = bar(dbn.RType.OHLCV_1M, (100, 103, 99, 102), 40, NOON)
    source = Dbn((write(tmp_path, record),), tick=TICK)
    (chunk,) = chunks(source)
    assert isinstance(source, Broad) and source.kinds == () and source.instruments[0].depth == 0
    last = NOON + 60 * SECOND - 1
    assert chunk.bars.tolist() == [(NOON, last, 100, 103, 99, 102, 40, 0, 0)]
    assert chunk.events[FIELDS].tolist() == [(CLOSE, 0, 0, 102, 40, LAST)]
    assert chunk.events["ts_recv"][0] == last


def test_bars_beside_a_book_close_nothing_and_the_shortest_count(tmp_path):
    minute, second = (
        bar(kind, (100, 103, 99, 102), 40, NOON)
        for kind in (dbn.RType.OHLCV_1M, dbn.RType.OHLCV_1S)
    )
    source = Dbn((write(tmp_path, quote(dbn.MBP1Msg, ROW) + second + minute),))
    (chunk,) = chunks(source)
    assert chunk.bars["ts_recv"].tolist() == [NOON + SECOND - 1]
    assert CLOSE not in chunk.events["action"]
    assert source.counts == {"mbp-1": 1, "ohlcv-1m": 1, "ohlcv-1s": 1}


def test_phases(tmp_path):
    actions = ("PRE_OPEN", "TRADING", "SSR_CHANGE", "HALT", "QUOTING", "CLOSE")
    records = [status(getattr(dbn.StatusAction, a), k) for k, a in enumerate(actions)]
    events = rows(tmp_path, *records)
    assert [(e[0], e[4]) for e in events] == [
        (STATUS, phase) for phase in (AUCTION, TRADING, TRADING, HALT, AUCTION, HALT)
    ]
