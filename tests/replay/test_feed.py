"""What a venue lives through: message by message, by level, again from the start if it shall."""

from itertools import islice

import numpy as np
import pytest
from binance_wire import spot, written
from markets import L2, L3, stream

from flowsense.errors import InputError
from flowsense.replay.feed import EARLIEST, Lines, Messages, feed
from flowsense.replay.shelf import Shelf
from flowsense.schema import (
    ADD,
    BEAT,
    CANCEL,
    CLEAR,
    CLOSE,
    EVENT,
    FILL,
    GAP,
    LAST,
    MODIFY,
    SECOND,
    SET,
    SNAPSHOT,
    TRADE,
)
from flowsense.sources.open import open_source


class Table:
    """A recording in memory, in one chunk."""

    name = "table"

    def __init__(self, events, *instruments):
        self.events, self.instruments = events, instruments

    def __iter__(self):
        yield self.events


def told(moments):
    return [
        [tuple(e[n].item() for n in ("action", "side", "price", "lots", "bits")) for e in m.what]
        for m in moments
    ]


def test_a_message_ends_with_last_and_where_time_or_instrument_change():
    events = stream(
        *((CLEAR, 0, 0, 0, SNAPSHOT), (SET, 1, 10, 2, SNAPSHOT | LAST), (TRADE, 1, 11, 1, 0)),
        *((BEAT, 0, 0, 0, 0), (CLEAR, 0, 0, 0, GAP), (SET, -1, 9, 1, LAST, 1)),
    )
    events["ts_recv"][:2] = events["ts_recv"][0]
    events["ts_recv"][2:5] = events["ts_recv"][2]
    found = [*Messages(Table(events, L2, L2._replace(symbol="C")))]
    assert [len(m.what) for m in found] == [2, 2, 1, 1] and found[3].instrument == 1


def test_times_that_no_venue_writes_are_moved():
    first, second = Messages(Table(stream((BEAT, 0, 0, 0, 0), (BEAT, 0, 0, 0, 0)), L2))
    assert first.ts == EARLIEST + 10**6 and second.ts - first.ts == 10**6
    assert first.what["ts_event"][0] == first.what["ts_recv"][0] == first.ts


def test_single_orders_are_told_as_their_levels():
    events = stream(
        *((ADD, 1, 10, 5, LAST, 0, 1), (ADD, 1, 10, 3, LAST, 0, 2), (MODIFY, 1, 9, 4, LAST, 0, 1)),
        *(
            (FILL, 1, 10, 1, 0, 0, 2),
            (TRADE, -1, 10, 1, LAST, 0, 0),
            (CANCEL, 1, 10, 2, LAST, 0, 2),
        ),
        *((CANCEL, 1, 7, 2, LAST, 0, 77), (CLEAR, 0, 0, 0, SNAPSHOT), (ADD, -1, 12, 6, LAST, 0, 9)),
        *((CLEAR, 0, 0, 0, GAP), (CANCEL, -1, 12, 6, LAST, 0, 9)),
    )
    events["ts_recv"][8] = events["ts_recv"][7]
    events["ts_recv"][4] = events["ts_recv"][3]
    assert told(Messages(Table(events, L3))) == [
        [(SET, 1, 10, 5, LAST)],
        [(SET, 1, 10, 8, LAST)],
        [(SET, 1, 10, 3, 0), (SET, 1, 9, 4, LAST)],
        [(TRADE, -1, 10, 1, 0), (SET, 1, 10, 2, LAST)],
        [(SET, 1, 10, 0, LAST)],
        [(CLEAR, 0, 0, 0, SNAPSHOT), (SET, -1, 12, 6, LAST)],
        [(CLEAR, 0, 0, 0, GAP)],
    ]


def test_random_orders_and_their_levels_are_one_book():
    rng, orders, lines = np.random.default_rng(1), {}, []
    for _ in range(500):
        key = int(rng.integers(40))
        side, price = int(rng.choice([1, -1])), int(rng.integers(90, 111))
        if key in orders and rng.random() < 0.6:
            side, price, lots = orders[key]
            taken = int(rng.integers(1, lots + 1))
            orders[key] = side, price, lots - taken
            lines.append((int(rng.choice([CANCEL, FILL])), side, price, taken, LAST, 0, key))
            if taken == lots:
                del orders[key]
        else:
            orders[key] = side, price, int(rng.integers(1, 9))
            lines.append((int(rng.choice([ADD, MODIFY])), *orders[key], LAST, 0, key))
    shelf = Shelf(L2)
    for moment in Messages(Table(stream(*lines), L3)):
        shelf.apply(moment.what)
    for side, book in ((1, shelf.bids), (-1, shelf.asks)):
        prices = {p for s, p, _ in orders.values() if s == side}
        mine = [(p, n) for s, p, n in orders.values() if s == side]
        assert book == {p: sum(n for q, n in mine if q == p) for p in prices}


def test_again_from_the_start_times_rise_and_what_was_is_gone():
    events = stream((SET, 1, 10, 5, LAST), (SET, 1, 10, 0, LAST), every=SECOND)
    found = [*islice(Messages(Table(events, L2), loop=True), 7)]
    assert [m.ts // SECOND - EARLIEST // SECOND for m in found] == [1, 2, 3, 3, 4, 5, 5]
    assert told(found)[2] == [(CLEAR, 0, 10, 5, 0)] and told(found)[3] == told(found)[0]
    events[0] = stream((CLEAR, 0, 0, 0, SNAPSHOT), every=SECOND)[0]
    assert len(told(islice(Messages(Table(events, L2), loop=True), 4))) == 4


def test_of_a_recording_without_events_there_is_no_end():
    assert [*Messages(Table(np.zeros(0, EVENT), L2), loop=True)] == []


def test_a_symbol_is_chosen_and_counted_anew():
    events = stream((SET, 1, 10, 5, LAST, 0), (SET, 1, 11, 5, LAST, 1))
    found = feed(Table(events, L2, L2._replace(symbol="C")), "x", symbols=("C",))
    assert [i.symbol for i in found.instruments] == ["C"]
    assert [(m.instrument, m.what["price"].tolist()) for m in found] == [(0, [11])]
    with pytest.raises(InputError, match=r"table: symbol 'D' is unknown: "):
        feed(Table(events, L2), "x", symbols=("D",))


def test_bars_alone_are_no_venue():
    with pytest.raises(InputError, match="table: holds bars alone"):
        Messages(Table(stream((CLOSE, 0, 10, 5, LAST)), L2._replace(depth=0)))


def test_what_binance_has_said_is_told_as_it_is_by_the_same_venue_once(tmp_path):
    source = open_source(written(tmp_path / "a.jsonl", spot(3)[0]))
    assert isinstance(feed(source, "binance-spot"), Lines)
    assert isinstance(feed(source, "binance-usdm"), Messages)
    assert isinstance(feed(source, "binance-spot", loop=True), Messages)
