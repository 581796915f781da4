"""Databento: worked records that can be checked by hand, and files that are refused."""

import databento_dbn as dbn
import numpy as np
import pyarrow as pa
import pytest
from dbn_wire import (
    ID,
    MIDNIGHT,
    NANO,
    NOON,
    PUBLISHER,
    bar,
    mapping,
    metadata,
    order,
    orders,
    quote,
    status,
    trade,
    write,
)

from flowsense.errors import InputError
from flowsense.schema import (
    ADD,
    AUCTION,
    CANCEL,
    CLEAR,
    CLOSE,
    DAY,
    FILL,
    GAP,
    HALT,
    LAST,
    MODIFY,
    SCROLL,
    SECOND,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    checked,
)
from flowsense.sources import Broad, chunks, dbn_decode
from flowsense.sources.dbn import Dbn
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit

EMPTY = (CLEAR, 0, 0, 0, 0, SNAPSHOT | LAST)
TICK = Decimal(1, 0)
RESTING = ("A 7 A 101 5 LAST", "A 8 A 101 4 LAST")
FIELDS = ["action", "order_id", "side", "price", "lots", "bits"]


def told(*paths, tick=TICK, **options):
    """(action, id, side, price, lots, bits) of every event."""
    source = Dbn(tuple(paths), tick=tick, **options)
    events = np.concatenate(list(source))
    return checked(events, len(source.instruments))[FIELDS].tolist()


def of_orders(folder, *texts, **options):
    return told(write(folder, orders(*texts), **options))


def test_orders_are_told_as_they_are_and_a_book_from_midnight_on_begins_empty(tmp_path):
    assert of_orders(tmp_path, "A 7 B 100 5", "M 7 B 99 6 LAST", "C 7 B 99 2 LAST") == [
        EMPTY,
        (ADD, 7, 1, 100, 5, 0),
        (MODIFY, 7, 1, 99, 6, LAST),
        (CANCEL, 7, 1, 99, 2, LAST),
    ]


def test_an_execution_is_one_trade_and_takes_the_lots_once(tmp_path):
    sequence = ("T 9 B 101 5", "F 7 A 101 5", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[3:] == [
        (TRADE, 9, 1, 101, 5, 0),
        (FILL, 7, -1, 101, 5, LAST),
    ]


def test_what_a_cancel_takes_beyond_the_fill_was_cancelled(tmp_path):
    sequence = ("T 9 B 101 2", "F 7 A 101 2", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[4:] == [
        (FILL, 7, -1, 101, 2, 0),
        (CANCEL, 7, -1, 101, 3, LAST),
    ]


def test_a_fill_that_a_modification_follows_is_told_before_it(tmp_path):
    sequence = ("T 9 B 101 2", "F 7 A 101 2", "M 7 A 101 3 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[4:] == [
        (FILL, 7, -1, 101, 2, 0),
        (MODIFY, 7, -1, 101, 3, LAST),
    ]


def test_fills_of_several_orders_and_of_one_order_twice(tmp_path):
    fills = ("T 9 B 101 6", "F 7 A 101 3", "F 8 A 101 1", "F 7 A 101 2")
    sequence = (*fills, "C 8 A 101 1", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[3:] == [
        (TRADE, 9, 1, 101, 6, 0),
        (FILL, 8, -1, 101, 1, 0),
        (FILL, 7, -1, 101, 2, 0),
        (FILL, 7, -1, 101, 3, LAST),
    ]


def test_a_fill_without_an_aggressor_is_the_trade(tmp_path):
    assert of_orders(tmp_path, *RESTING, "F 7 A 101 5", "C 7 A 101 5 LAST")[3:] == [
        (TRADE, 7, 1, 101, 5, 0),
        (FILL, 7, -1, 101, 5, LAST),
    ]


def test_an_aggressor_alone_is_the_trade(tmp_path):
    assert of_orders(tmp_path, *RESTING, "T 0 N 101 5 LAST")[3:] == [(TRADE, 0, 0, 101, 5, LAST)]


def test_a_cancel_in_the_next_message_was_no_fill(tmp_path):
    sequence = ("T 9 B 101 5", "F 7 A 101 5 LAST", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[3:] == [
        (TRADE, 9, 1, 101, 5, 0),
        (STATUS, 0, 0, 0, TRADING, LAST),
        (CANCEL, 7, -1, 101, 5, LAST),
    ]


def test_a_snapshot_without_an_end_ends_before_the_next_record(tmp_path):
    texts = ("A 7 A 101 5 SNAP", "A 8 B 99 1 SNAP", "A 9 B 98 2 LAST")
    records = b"".join(order(t, 5 * (k > 1)) for k, t in enumerate(texts))
    assert told(write(tmp_path, records)) == [
        (CLEAR, 0, 0, 0, 0, SNAPSHOT),
        (ADD, 7, -1, 101, 5, SNAPSHOT),
        (ADD, 8, 1, 99, 1, SNAPSHOT),
        (STATUS, 0, 0, 0, TRADING, SNAPSHOT | LAST),
        (ADD, 9, 1, 98, 2, LAST),
    ]


def test_a_snapshot_with_its_own_clear_and_end(tmp_path):
    texts = ("R 0 N - 0 SNAP", "A 7 A 101 5 SNAP LAST", "A 9 B 98 2 LAST")
    records = b"".join(order(t, 5 * (k > 1)) for k, t in enumerate(texts))
    assert told(write(tmp_path, records)) == [
        (CLEAR, 0, 0, 0, 0, SNAPSHOT),
        (ADD, 7, -1, 101, 5, SNAPSHOT | LAST),
        (ADD, 9, 1, 98, 2, LAST),
    ]


def test_a_clear_makes_the_book_empty_and_whole(tmp_path):
    assert of_orders(tmp_path, *RESTING, "R 0 N - 0 LAST", "A 9 B 98 2 LAST")[3:] == [
        EMPTY,
        (ADD, 9, 1, 98, 2, LAST),
    ]


def test_of_a_book_that_is_not_known_only_trades_are_told_and_it_is_never_whole(tmp_path):
    texts = ("A 7 A 101 5 LAST", "C 3 A 101 5 LAST", "T 0 A 101 5 LAST", "R 0 N - 0 LAST")
    path = write(tmp_path, orders(*texts), head=metadata(NOON))
    assert told(path) == [(TRADE, 0, -1, 101, 5, 0), EMPTY]


def test_a_book_that_may_be_bad_is_lost_until_it_is_cleared(tmp_path):
    texts = ("A 9 A 102 1 BAD LAST", "A 3 A 103 1 LAST", "R 0 N - 0 LAST")
    assert of_orders(tmp_path, *RESTING, *texts)[3:] == [(CLEAR, 0, 0, 0, 0, GAP), EMPTY]


def test_a_record_that_tells_nothing_still_closes_its_message(tmp_path):
    assert of_orders(tmp_path, "A 7 B 100 5", "N 0 N - 0 LAST", "N 0 N - 0 LAST")[1:] == [
        (ADD, 7, 1, 100, 5, 0),
        (STATUS, 0, 0, 0, TRADING, LAST),
    ]


def test_records_of_a_snapshot_that_came_at_several_times_are_one_snapshot(tmp_path):
    texts = ("A 7 A 101 5 SNAP", "A 8 B 99 1 SNAP", "A 9 B 98 2 SNAP LAST")
    assert [e[0] for e in of_orders(tmp_path, *texts)] == [CLEAR, ADD, ADD, ADD]


def test_the_snapshot_of_the_next_midnight_is_another_one(tmp_path):
    later = order("A 8 B 99 1 SNAP", ts_recv=NOON + DAY)
    path = write(tmp_path, order("A 7 A 101 5 SNAP") + later)
    assert [e[0] for e in told(path)] == [CLEAR, ADD, CLEAR, ADD]


def test_a_level_of_a_feed_without_orders_is_one_order(tmp_path):
    records = order("A 0 B -3 5 LAST", flags=144) + order("C 0 B -3 1 LAST", 1, flags=144)
    one, two = told(write(tmp_path, records))[1:]
    assert one == (ADD, 4 * 3 + 2 + 1, 1, -3, 5, LAST) and two[:2] == (CANCEL, one[1])


def test_more_fills_than_are_remembered_are_taken_for_cancels(tmp_path, monkeypatch):
    monkeypatch.setattr(dbn_decode, "POOL", 2)
    fills = ("T 9 B 101 9", "F 7 A 101 5", "F 8 A 101 4", "F 7 A 101 1")
    sequence = (*fills, "C 8 A 101 4", "C 7 A 101 1 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[4:] == [
        (CANCEL, 8, -1, 101, 4, 0),
        (FILL, 7, -1, 101, 1, LAST),
    ]


def test_what_cannot_rest_is_left_out(tmp_path):
    texts = ("A 7 N 101 5 LAST", "A 7 B - 5 LAST", "A 7 B 101 0 LAST", "T 0 B - 5 LAST")
    assert of_orders(tmp_path, *texts, "A 0 B - 0 TOB LAST") == [EMPTY]


def test_the_touch_of_a_feed_without_orders_is_one_order_a_side(tmp_path):
    texts = ("A 0 B 99 5 TOB LAST", "A 0 B 100 2 TOB LAST", "A 0 B - 0 TOB LAST")
    assert of_orders(tmp_path, *texts)[1:] == [
        (MODIFY, 2, 1, 99, 5, LAST),
        (MODIFY, 2, 1, 100, 2, LAST),
        (CANCEL, 2, 1, 100, 2, LAST),
    ]


def test_receive_times_never_fall(tmp_path):
    records = b"".join(order("A 7 B 100 5 LAST", k) for k in (5, 3, 9))
    source = Dbn((write(tmp_path, records),))
    assert (np.concatenate(list(source))["ts_recv"] - NOON).tolist() == [5, 5, 5, 9]


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
    closed = NOON + 60 * SECOND
    assert chunk.bars.tolist() == [(NOON, closed, 100, 103, 99, 102, 40, 0, 0)]
    assert chunk.events[FIELDS].tolist() == [(CLOSE, 0, 0, 102, 40, LAST)]
    assert chunk.events["ts_recv"][0] == closed


def test_bars_beside_a_book_close_nothing_and_the_shortest_count(tmp_path):
    minute, second = (
        bar(kind, (100, 103, 99, 102), 40, NOON)
        for kind in (dbn.RType.OHLCV_1M, dbn.RType.OHLCV_1S)
    )
    source = Dbn((write(tmp_path, quote(dbn.MBP1Msg, ROW) + second + minute),))
    (chunk,) = chunks(source)
    assert chunk.bars["ts_recv"].tolist() == [NOON + SECOND]
    assert CLOSE not in chunk.events["action"]
    assert source.counts == {"mbp-1": 1, "ohlcv-1m": 1, "ohlcv-1s": 1}


def test_phases(tmp_path):
    actions = ("PRE_OPEN", "TRADING", "SSR_CHANGE", "HALT", "QUOTING", "CLOSE")
    records = [status(getattr(dbn.StatusAction, a), k) for k, a in enumerate(actions)]
    events = rows(tmp_path, *records)
    assert [(e[0], e[4]) for e in events] == [
        (STATUS, phase) for phase in (AUCTION, TRADING, TRADING, HALT, AUCTION, HALT)
    ]


def test_each_execution_is_told_once_whatever_schemas_tell_it(tmp_path):
    traded = quote(dbn.MBP1Msg, ROW, "T", "B", 101, 3, k=1)
    one = write(tmp_path, quote(dbn.MBP1Msg, ROW) + traded, "a.dbn")
    two = write(tmp_path, trade("B", 101, 3, k=1), "b.dbn")
    (source,) = [open_source([one, two], tick=TICK)]
    assert np.concatenate(list(source))["action"].tolist().count(TRADE) == 1
    assert source.counts == {"mbp-1": 2, "trades": 1}


def test_samples_and_trades_of_one_instrument_make_one_stream(tmp_path):
    quotes = quote(dbn.BBOMsg, ROW) + quote(dbn.BBOMsg, [(99, 5, 101, 4)], k=9)
    paths = write(tmp_path, quotes, "a.dbn"), write(tmp_path, trade("B", 101, 3, k=5), "b.dbn")
    assert [e[0] for e in told(*paths)] == [CLEAR, SET, SET, TRADE, SET]


def day(folder, number, *texts, head=None):
    """A file of one day, from midnight to midnight."""
    start = MIDNIGHT + number * DAY
    records = b"".join(order(t, k, ts_recv=start + k, ts_event=start) for k, t in enumerate(texts))
    return write(folder, records, f"{number}.dbn", metadata(start, start + DAY))


def test_a_file_of_the_next_day_goes_on_with_the_book(tmp_path):
    paths = day(tmp_path, 0, "A 7 B 100 5 LAST"), day(tmp_path, 1, "C 7 B 100 5 LAST")
    assert told(*reversed(paths)) == [
        EMPTY,
        (ADD, 7, 1, 100, 5, LAST),
        (CANCEL, 7, 1, 100, 5, LAST),
    ]


def test_days_that_are_missing_are_a_gap(tmp_path):
    paths = day(tmp_path, 0, "A 7 B 100 5 LAST"), day(tmp_path, 2, "A 9 B 99 1 LAST")
    assert told(*paths)[2:] == [(CLEAR, 0, 0, 0, 0, GAP), EMPTY, (ADD, 9, 1, 99, 1, LAST)]


def test_a_day_that_is_missing_of_one_instrument_is_a_gap_of_that_one(tmp_path):
    def other(number, text):
        start = MIDNIGHT + number * DAY
        record = order(text, ts_recv=start, ts_event=start, instrument_id=5)
        head = metadata(start, start + DAY)
        return write(tmp_path, record, f"other{number}.dbn", head)

    mine = [day(tmp_path, k, f"A {k} B 100 5 LAST") for k in range(3)]
    gone = [other(k, f"A {k} B 100 5 LAST") for k in (0, 2)]
    source = Dbn((*mine, *gone), tick=TICK)
    events = np.concatenate(list(source))
    lost = events[events["bits"] == GAP]
    assert [source.instruments[k].symbol for k in lost["instrument"]] == ["5"]


def test_the_same_told_twice_is_refused(tmp_path):
    paths = [write(tmp_path, orders(*RESTING), name) for name in ("a.dbn", "b.dbn")]
    with pytest.raises(InputError, match=r"b.dbn and .*a.dbn: both tell of instrument 17077 at"):
        list(open_source(paths))


def test_a_definition_beside_tells_tick_and_what_a_point_is_worth(tmp_path):
    definition = dbn.InstrumentDefMsg(
        1, ID, NOON, NOON, NANO // 4, NANO, "ESH4", "ES", "FUT", dbn.InstrumentClass.FUTURE,
        dbn.SecurityUpdateAction.ADD, min_price_increment_amount=12_500_000_000,
    )  # fmt: skip
    beside = write(tmp_path, bytes(definition), "definition.dbn", metadata(symbol=""))
    path = write(tmp_path, orders("A 7 B 100 5 LAST"), head=metadata(symbol=""))
    source = Dbn((path, beside))
    (instrument,) = source.instruments
    assert instrument.symbol == "ESH4" and instrument.venue == "glbx.mdp3"
    assert (instrument.tick, instrument.contract) == (Decimal(25, -2), Decimal(50, 0))
    assert source.counts == {"definition": 1, "mbo": 1}


def test_prices_finer_than_the_definition_stay_exact(tmp_path):
    definition = dbn.InstrumentDefMsg(
        1, ID, NOON, NOON, NANO // 4, NANO, "ESH4", "ES", "FUT", dbn.InstrumentClass.FUTURE,
        dbn.SecurityUpdateAction.ADD,
    )  # fmt: skip
    source = Dbn((write(tmp_path, bytes(definition) + orders("A 7 B 100.05 5 LAST")),))
    assert source.instruments[0].tick == Decimal(5, -2)
    assert np.concatenate(list(source))["price"][1] == 2_001


def test_negative_prices_of_spreads(tmp_path):
    assert of_orders(tmp_path, "A 7 B -3 5 LAST")[1] == (ADD, 7, 1, -3, 5, LAST)


def test_without_symbols_the_id_is_the_name(tmp_path):
    source = Dbn((write(tmp_path, orders("A 7 B 100 5 LAST"), head=metadata(symbol="")),))
    assert source.instruments[0].symbol == str(ID)


def test_an_id_that_bears_another_symbol_next_month_is_another_instrument(tmp_path):
    both = [mapping("OLD", (1, 26, ID)), mapping("NEW", (26, 31, ID))]
    records = order("A 7 B 100 5 LAST") + order("A 7 B 101 5 LAST", ts_recv=NOON + DAY)
    source = Dbn((write(tmp_path, records, head=metadata(mappings=both)),))
    assert [i.symbol for i in source.instruments] == ["OLD", "NEW"]
    events = np.concatenate(list(source))
    assert events["instrument"][events["action"] == ADD].tolist() == [0, 1]


def test_a_symbol_that_another_id_bears_next_day_is_one_instrument_with_a_new_book(tmp_path):
    head = metadata(mappings=[mapping("MSFT", (25, 26, ID), (26, 27, 5))])
    later = order("A 7 B 101 5 LAST", ts_recv=NOON + DAY, instrument_id=5)
    source = Dbn((write(tmp_path, order("A 7 B 100 5 LAST") + later, head=head),))
    assert [i.symbol for i in source.instruments] == ["MSFT"]
    events = np.concatenate(list(source))
    assert events["action"].tolist() == [CLEAR, ADD, CLEAR, CLEAR, ADD]
    assert events["bits"].tolist()[2:4] == [GAP, SNAPSHOT | LAST]


def test_symbols_of_a_live_stream_are_those_of_its_messages(tmp_path):
    kind = dbn.SType.RAW_SYMBOL
    named = dbn.SymbolMappingMsg(PUBLISHER, ID, NOON, kind, "ES.FUT", kind, "ESZ3", 0, 2**63)
    path = write(tmp_path, bytes(named) + orders("A 7 B 100 5 LAST"), head=metadata(symbol=""))
    source = Dbn((path,))
    assert source.instruments[0].symbol == "ESZ3" and source.counts["symbol mapping"] == 1


def test_symbols_asked_for_by_id(tmp_path):
    asked = {"stype_in": dbn.SType.INSTRUMENT_ID, "stype_out": dbn.SType.RAW_SYMBOL}
    named = mapping(str(ID), (1, 31, "ESH4"))
    head = metadata(mappings=[named], **asked)
    source = Dbn((write(tmp_path, orders("A 7 B 100 5 LAST"), head=head),))
    assert source.instruments[0].symbol == "ESH4"


def test_files_that_change_while_they_are_read(tmp_path):
    path = write(tmp_path, orders("A 7 B 100 5 LAST"))
    for records in (orders("A 7 B 100.5 5 LAST"), order("A 7 B 100 5 LAST", publisher_id=9)):
        write(tmp_path, orders("A 7 B 100 5 LAST"))
        source = Dbn((path,))
        assert len(source.instruments) == 1
        write(tmp_path, records)
        with pytest.raises(InputError, match="changed while they were read"):
            list(source)


def test_publishers_of_one_dataset_have_books_of_their_own(tmp_path):
    records = order("A 7 B 100 5 LAST") + order("A 7 B 99 5 LAST", 1, publisher_id=2)
    source = Dbn((write(tmp_path, records),))
    assert [i.venue for i in source.instruments] == ["glbx.mdp3.1", "glbx.mdp3.2"]


def test_in_units_of_other_recordings(tmp_path):
    source = Dbn((write(tmp_path, orders("A 7 B 100 5 LAST")),))
    asked = {("ESH4", "glbx.mdp3"): (Unit(5, -1), Unit(1, -1))}
    other = source.in_units(asked)
    assert source.instruments[0].tick == Decimal(100, 0)
    assert other.instruments[0][2:4] == (Decimal(5, -1), Decimal(1, -1))
    assert np.concatenate(list(other))[["price", "lots"]].tolist()[1] == (200, 50)
    assert other.in_units(asked) is other


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"tick": Decimal(3, 0)}, r"ESH4: prices come in steps of 100\.0, and the tick 3\.0"),
        ({"tick": Decimal(1, -10)}, r"tick 1e-10: give one above 0"),
        ({"tick": Decimal(0, 0)}, r"tick 0\.0: give one above 0"),
        ({"lot": Decimal(3, 0)}, r"lot 3\.0: sizes are whole numbers"),
    ],
)
def test_units_that_cannot_be(tmp_path, options, what):
    with pytest.raises(InputError, match=what):
        Dbn((write(tmp_path, orders("A 7 B 100 5 LAST")),), **options).instruments  # noqa: B018


def broken(at, value):
    """A good record with one byte changed."""
    raw = bytearray(order("A 7 B 100 5 LAST"))
    raw[at] = value
    return bytes(raw)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty: copy or download it again"),
        (b"DBN", "its DBN metadata are damaged or cut off"),
        (metadata()[:50], "its DBN metadata are damaged or cut off"),
        (b"DBN\4" + metadata()[4:], "is DBN 4, and 1 to 3 are known"),
        (metadata() + order("A 7 B 100 5") + order("A 7 B 100 5")[:40], "record 2: the file ends"),
        (metadata() + broken(0, 3), "record 1: its length cannot be"),
        (metadata() + broken(0, 15)[:60] + bytes(4), "record 1: type 160 is never 60 bytes long"),
        (metadata() + broken(38, 66), "record 1: action 66: it cannot be"),
        (metadata() + broken(47, 127), "record 1: ts_recv .*: it cannot be"),
        (metadata() + quote(dbn.MBP10Msg, [(99, 1, 101, 1), (100, 1, 102, 1)]), "out of order"),
        (metadata() + bar(dbn.RType.OHLCV_1M, (1, 3, 2, 2), 1, NOON), "lies outside low and high"),
    ],
)
def test_files_that_are_refused(tmp_path, content, what):
    path = tmp_path / "bad.dbn"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad.dbn: .*{what}"):
        list(open_source(path))


def test_damaged_compression(tmp_path):
    path = write(tmp_path, orders(*RESTING * 50), "bad.dbn.zst")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"bad.dbn.zst: its .zst compression is damaged"):
        list(open_source(path))


def test_types_of_later_versions_are_passed_over_and_counted(tmp_path):
    source = Dbn((write(tmp_path, broken(1, 0x55) + orders("A 7 B 100 5 LAST")),))
    assert source.counts == {"mbo": 1, "type 85": 1} and len(np.concatenate(list(source))) == 2


def test_live_records_with_the_time_they_were_sent(tmp_path):
    longer = bytearray(order("A 7 B 100 5 LAST") + NOON.to_bytes(8, "little"))
    longer[0] += 2
    path = write(tmp_path, bytes(longer) * 2, head=metadata(ts_out=True))
    assert [e[0] for e in told(path)] == [CLEAR, ADD, ADD]


def test_a_file_is_known_by_its_content_and_a_fragment_by_its_name(tmp_path):
    for name, head in (("mine", None), ("part.dbn.frag", b""), ("mine.zst", None)):
        source = open_source(write(tmp_path, orders("A 7 B 100 5 LAST"), name, head))
        assert source.counts == {"mbo": 1} and source.name == str(tmp_path / name)


def dbz(symbols, version=1):
    """The first frame of a file from before version 1, and a record."""
    fixed = metadata()[8:50] + bytes(8) + bytes(3) + bytes(39)
    body = b"DBZ" + bytes([version]) + fixed + symbols
    records = pa.compress(orders("A 7 B 100 5 LAST"), codec="zstd", asbytes=True)
    return b"\x50\x2a\x4d\x18" + len(body).to_bytes(4, "little") + body + records


def damaged(at, value):
    """Metadata with some of the bytes after the fixed part changed."""
    raw = bytearray(metadata())
    raw[108 + at : 108 + at + len(value)] = value
    return bytes(raw)


@pytest.mark.parametrize(
    "content",
    [
        dbz(b"no zstd"),
        dbz(b"", version=2),
        damaged(4, b"\xff\xff\xff\x7f"),  # as many symbols
        damaged(91, b"\xff"),  # the symbol
        damaged(174, b"x7"),  # its id
        damaged(166, bytes(4)),  # from when on
        damaged(-84, b"\x99\x09"),  # the schema
    ],
)
def test_damaged_metadata(tmp_path, content):
    path = tmp_path / "bad.dbz"
    path.write_bytes(content + orders("A 7 B 100 5 LAST") * (content[:3] == b"DBN"))
    with pytest.raises(InputError, match=r"bad.dbz: its DBN metadata are damaged or cut off"):
        open_source(path).instruments  # noqa: B018


def test_compression_is_seen_whatever_the_name(tmp_path):
    content = pa.compress(metadata() + orders(*RESTING), codec="zstd", asbytes=True)
    path = tmp_path / "mine.dbn"
    path.write_bytes(content)
    assert open_source(path).counts == {"mbo": 2}


def test_a_symbol_that_is_no_text(tmp_path):
    kind = dbn.SType.RAW_SYMBOL
    named = bytearray(bytes(dbn.SymbolMappingMsg(1, ID, NOON, kind, "ES", kind, "ESZ3", 0, 0)))
    named[89] = 255
    path = write(tmp_path, bytes(named) + orders(*RESTING))
    with pytest.raises(InputError, match=r"mbo.dbn: the symbol .* is no text"):
        open_source(path).instruments  # noqa: B018


@pytest.mark.parametrize(("amount", "worth"), [(1, Decimal(1, 0)), (0, Decimal(1, 0))])
def test_a_worth_that_is_not_known_is_one(tmp_path, amount, worth):
    definition = dbn.InstrumentDefMsg(
        1, ID, NOON, NOON, 3, NANO, "ESH4", "ES", "FUT", dbn.InstrumentClass.FUTURE,
        dbn.SecurityUpdateAction.ADD, min_price_increment_amount=amount,
    )  # fmt: skip
    source = Dbn((write(tmp_path, bytes(definition) + orders(*RESTING)),))
    assert source.instruments[0].contract == worth


def test_a_price_beyond_all_ticks(tmp_path):
    record = order("A 7 B 1 5 LAST", price=2**62 + 1)
    with pytest.raises(InputError, match=r"ESH4: prices of more than 2\*\*53 ticks"):
        Dbn((write(tmp_path, orders(*RESTING) + record),)).instruments  # noqa: B018
