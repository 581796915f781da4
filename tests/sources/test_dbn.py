"""Databento: several schemas and files, whose the ids are, ticks and lots."""

import databento_dbn as dbn
import numpy as np
import pytest
from dbn_wire import (
    EMPTY,
    ID,
    MIDNIGHT,
    NANO,
    NOON,
    PUBLISHER,
    RESTING,
    TICK,
    mapping,
    metadata,
    of_orders,
    order,
    orders,
    quote,
    told,
    trade,
    write,
)

from flowsense.errors import InputError
from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    DAY,
    GAP,
    LAST,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
)
from flowsense.sources.dbn import Dbn
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit

ROW = [(99, 5, 101, 7)]


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


def test_an_id_whose_symbol_is_empty_is_its_own_name(tmp_path):
    head = metadata(mappings=[mapping("", (1, 31, ID))])
    source = Dbn((write(tmp_path, orders("A 7 B 100 5 LAST"), head=head),))
    assert len(np.concatenate(list(source))) and source.instruments[0].symbol == str(ID)


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
