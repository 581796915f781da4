"""Day files of bytes made here: what each message becomes, books against dicts, what is no file."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from sources.itch_bytes import (
    MIDNIGHT,
    NAME,
    OPEN,
    action,
    add,
    books,
    cancel,
    cross,
    delete,
    executed,
    executed_at,
    framed,
    hidden,
    listed,
    message,
    program,
    replaced,
    system,
)

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.schema import (
    ADD,
    AUCTION,
    CANCEL,
    CLEAR,
    FILL,
    HALT,
    LAST,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    checked,
)
from flowsense.sources import itch, itch_blocks, itch_reading
from flowsense.sources.files import head
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit
from flowsense.testing.streams import check_stream

HEAD = (system("O"), listed(1, "AAA"), system("S"))
BID = add(1, 10, "B", 300, "AAA", 100_000)  # 300 at $10.00
COLUMNS = ("action", "side", "price", "lots", "order_id", "bits")


@pytest.fixture
def day(tmp_path):
    """Writes messages as a raw file; -> its path."""

    def write(*messages, name=NAME):
        (path := tmp_path / name).write_bytes(framed(*messages))
        return path

    return write


@pytest.fixture
def became(day):
    """The events of messages after the head of a day."""

    def read(*messages, **options):
        (source,) = itch.open([day(*HEAD, *messages)], **options)
        events = checked(np.concatenate(list(source)), len(source.instruments))
        return [tuple(e[k] for k in COLUMNS) for e in events[1:]]

    return read


def test_a_day_begins_with_empty_books_and_ends_in_a_halt(day):
    (source,) = itch.open([day(*HEAD, listed(2, "BBB"), system("E"))])
    events = np.concatenate(list(source))
    assert [i.symbol for i in source.instruments] == ["AAA"]  # the directory was closed
    assert events["action"].tolist() == [CLEAR, STATUS]
    assert events["bits"].tolist() == [SNAPSHOT | LAST, LAST]
    assert events["lots"].tolist() == [0, HALT]


def test_an_order_is_added_with_and_without_its_maker(became):
    ask = add(1, 11, "S", 5, "AAA", 100_100, mpid=b"NITE")
    assert became(BID, ask) == [
        (ADD, 1, 1_000, 300, 10, LAST),
        (ADD, -1, 1_001, 5, 11, LAST),
    ]


def test_an_execution_is_one_trade_against_the_side_of_the_order(became):
    assert became(BID, executed(1, 10, 100))[1:] == [
        (TRADE, -1, 1_000, 100, 10, 0),
        (FILL, 1, 1_000, 100, 10, LAST),
    ]


def test_an_execution_at_its_own_price_between_ticks_is_told_against_the_aggressor(became):
    assert became(BID, executed_at(1, 10, 100, 99_950))[1:] == [
        (TRADE, -1, 999, 100, 10, 0),
        (FILL, 1, 1_000, 100, 10, LAST),
    ]


def test_what_does_not_print_is_no_trade(became):
    assert became(BID, executed_at(1, 10, 100, 99_900, "N"))[1:] == [
        (FILL, 1, 1_000, 100, 10, LAST)
    ]


def test_a_cancel_takes_some_and_a_deletion_all(became):
    assert became(BID, cancel(1, 10, 100), delete(1, 10), delete(1, 10))[1:] == [
        (CANCEL, 1, 1_000, 100, 10, LAST),
        (CANCEL, 1, 1_000, 200, 10, LAST),
    ]


def test_a_replacement_is_one_message_of_two_events(became):
    assert became(BID, replaced(1, 10, 12, 50, 99_900))[1:] == [
        (CANCEL, 1, 1_000, 300, 10, 0),
        (ADD, 1, 999, 50, 12, LAST),
    ]


def test_a_hidden_trade_has_no_aggressor(became):
    assert became(hidden(1, 40, "AAA", 100_050)) == [(TRADE, 0, 1_000, 40, 7, LAST)]


def test_a_cross_is_an_auction_in_between(became):
    assert became(cross(1, 40, "AAA", 100_000), cross(1, 0, "AAA", 0)) == [
        (STATUS, 0, 0, AUCTION, 0, 0),
        (TRADE, 0, 1_000, 40, 9, 0),
        (STATUS, 0, 0, TRADING, 0, LAST),
    ]


def test_a_halt_ends_through_quotation_and_a_cross(became):
    told = became(*(action(1, "AAA", s) for s in "HPQ"), cross(1, 4, "AAA", 100_000))
    assert [(a, lots) for a, _, _, lots, *_ in told] == [
        (STATUS, HALT),
        (STATUS, HALT),
        (STATUS, AUCTION),
        (TRADE, 4),
    ]
    assert became(action(1, "AAA", "T")) == [(STATUS, 0, 0, TRADING, 0, LAST)]


def test_a_finer_tick_keeps_every_price(became):
    told = became(add(1, 10, "B", 1, "AAA", 9_999), hidden(1, 4, "AAA", 9_999), tick=Unit(1, -4))
    assert [price for _, _, price, *_ in told] == [9_999, 9_999]


def test_times_are_of_new_york_and_never_fall(day):
    late, early = add(1, 1, "B", 1, "AAA", 100, OPEN + 5), add(1, 2, "B", 1, "AAA", 100, OPEN + 3)
    (source,) = itch.open([day(*HEAD, late, early)])
    events = np.concatenate(list(source))[1:]
    assert events["ts_event"].tolist() == [MIDNIGHT + OPEN + 5, MIDNIGHT + OPEN + 3]
    assert events["ts_recv"].tolist() == [MIDNIGHT + OPEN + 5] * 2
    assert events["sequence"].tolist() == [4, 5]
    assert source.counts["time of the exchange fell"] == 1


def test_what_is_no_market_data_is_counted(day):
    more = message("L", 1, OPEN, bytes(15)), message("Z", 1, OPEN, b"?"), b"", delete(1, 99)
    (source,) = itch.open([day(*HEAD, BID, BID, *more, add(5, 77, "B", 1, "ZZZ", 100))])
    assert source.counts == {
        "message S": 2,
        "message R": 1,
        "message A": 3,
        "message L": 1,
        "message D": 1,
        "message of another type": 1,
        "empty message": 1,
        "message of an unknown order": 1,
        "message of a stock that is not in the directory": 1,
        "order added twice": 1,
    }


def test_an_order_added_twice_is_the_later_one(became):
    assert [a for a, *_ in became(BID, add(1, 10, "S", 7, "AAA", 100_000), delete(1, 10))] == [
        ADD,
        CANCEL,
        ADD,
        CANCEL,
    ]


def levels(events, tick=100):
    """{instrument: {(side, price): lots}} after each message, and shares traded."""
    orders, traded = {}, Counter()
    for e in events:
        who, key = int(e["instrument"]), int(e["order_id"])
        if e["action"] == ADD:
            orders[key] = [who, b"B" if e["side"] > 0 else b"S", int(e["price"]) * tick, 0]
            orders[key][3] = int(e["lots"])
        elif e["action"] in (CANCEL, FILL):
            orders[key][3] -= int(e["lots"])
        elif e["action"] == TRADE:
            traded[who + 1] += int(e["lots"])
        if e["bits"] & LAST:
            out = defaultdict(Counter)
            for o in orders.values():
                if o[3]:
                    out[o[0] + 1][o[1], o[2]] += o[3]
            yield int(e["sequence"]), dict(out), dict(+traded)


@pytest.mark.parametrize("seed", range(5))
def test_books_are_those_of_a_slow_reader(day, seed):
    messages = program(seed)
    (source,) = itch.open([day(*messages)])
    expected = list(books(messages))
    found = list(levels(np.concatenate(list(source))))
    assert found[-1][0] == len(messages) and len(found) > 400
    for number, book, traded in found:
        assert (book, traded) == expected[number - 1]


def test_one_stock_of_many_is_as_it_is_among_them(day):
    path = day(*program(7))
    (every,), (one,) = itch.open([path]), itch.open([path], symbols="bbb,")
    assert itch.open([path], symbol="BBB") == itch.open([path], symbols=["BBB"]) == [one]
    assert [i.symbol for i in one.instruments] == ["BBB"]
    events, alone = (np.concatenate(list(s)) for s in (every, one))
    mine = events[events["instrument"] == 1].copy()
    mine["instrument"] = 0
    assert np.array_equal(alone, mine)


@pytest.mark.parametrize("size", [21, 64, 1_000])
def test_blocks_cut_anywhere_give_the_same_events(day, monkeypatch, size):
    path = day(*program(3))
    whole = np.concatenate(list(*itch.open([path])))
    monkeypatch.setattr(itch_blocks, "SIZE", size)
    chunks = list(*itch.open([path]))
    assert all(chunk["bits"][-1] & LAST for chunk in chunks)
    assert np.array_equal(np.concatenate(chunks), whole)


def test_orders_that_outgrow_their_table_move(day, monkeypatch):
    path = day(*program(4))
    whole = np.concatenate(list(*itch.open([path])))
    monkeypatch.setattr(itch_blocks, "SIZE", 64)  # the table is then nearly half full
    monkeypatch.setattr(itch_reading, "SLOTS", 2)
    monkeypatch.setattr(itch_reading, "EVENTS", 16)
    assert np.array_equal(np.concatenate(list(*itch.open([path]))), whole)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_are_refused_or_counted(day, seed):
    rng, path = np.random.default_rng(seed), day(*program(seed, 120))
    good = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(30):
        data = good.copy()
        at = rng.integers(len(data), size=3)
        data[at] = rng.integers(256, size=3)
        path.write_bytes(data.tobytes())
        try:
            (source,) = itch.open([path])
            for chunk in source:
                checked(chunk, len(source.instruments))
                assert (chunk["lots"] >= 0).all() and (chunk["price"] >= 0).all()
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


@pytest.mark.compiled
def test_a_day_obeys_the_laws_of_a_stream(day):
    (source,) = itch.open([day(*program(6, 200))])
    events = np.concatenate(list(source))
    check_stream(spec(("depth", "ofi", "orders"), ("interval:1s",)), source.instruments, events)


def test_what_is_recognised(day, tmp_path):
    path = day(*HEAD, name="anything.bin")
    assert itch.claims(path, head(path))
    assert itch.claims(tmp_path / "S013019-v50.txt.gz", b"")
    assert not itch.claims(tmp_path / "XYZ.csv", b"ts,price\n")
    assert open_source(day(*HEAD)).instruments[0].symbol == "AAA"


@pytest.mark.parametrize(
    ("name", "venue"),
    [("20190130.BX_ITCH_50", "bx"), ("S013019-v50.txt", "nasdaq"), ("2019-01-30-psx", "psx")],
)
def test_day_and_venue_are_in_the_name(day, name, venue):
    (source,) = itch.open([day(*HEAD, name=name)])
    assert source.instruments[0].venue == venue
    assert np.concatenate(list(source))["ts_recv"][0] == MIDNIGHT + OPEN


def test_other_ticks_are_taken_and_other_lots_refused(day):
    (source,) = itch.open([day(*HEAD, BID)])
    finer = source.in_units({("AAA", "nasdaq"): (Unit(1, -4), Unit(1, 0))})
    assert np.concatenate(list(finer))["price"].tolist() == [0, 100_000]
    assert source.in_units({("AAA", "nasdaq"): (Unit(1, -2), Unit(1, 0))}) is source
    with pytest.raises(InputError, match="give --tick and --lot"):
        source.in_units({("AAA", "nasdaq"): (Unit(1, -2), Unit(1, -1))})


BAD = {
    "message 4: A of side 'X', neither B nor S": add(1, 1, "X", 1, "AAA", 100),
    "message 4: A of 0 shares": add(1, 1, "B", 0, "AAA", 100),
    "message 4: A at the price 0": add(1, 1, "B", 1, "AAA", 0),
    "message 4: A with an order reference that cannot be": add(1, 2**63, "B", 1, "AAA", 100),
    "message 4: the price 0.0001 lies between ticks": add(1, 1, "B", 1, "AAA", 1),
    "message 4: D has 20 bytes": delete(1, 1) + b"?",
    "message 4: H with the flag '?'": action(1, "AAA", "?"),
    "message 4: P of 0 shares": hidden(1, 0, "AAA", 100),
    "message 4: Q of -1 shares": cross(1, 2**63, "AAA", 100),
    "message 4: P at the price 0": hidden(1, 1, "AAA", 0),
    "message 4: E at 90000000000000 ns after midnight": executed(1, 10, 1, 90_000 * 10**9),
}


@pytest.mark.parametrize("said", BAD)
def test_messages_that_cannot_be_are_refused(day, said):
    path = day(*HEAD, BAD[said])
    with pytest.raises(InputError) as error:
        list(*itch.open([path]))
    assert str(error.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (executed(1, 10, 301), "E takes 301 shares from an order of fewer"),
        (executed(1, 10, 0), "E of 0 shares"),
        (cancel(1, 10, 301), "X takes 301 shares"),
        (cancel(1, 10, 0), "X of 0 shares"),
        (executed_at(1, 10, 1, 0), "C at the price 0"),
        (executed_at(1, 10, 1, 100, "?"), "C with the flag '?'"),
        (replaced(1, 10, 11, 0, 100), "U of 0 shares"),
    ],
)
def test_what_orders_cannot_do_is_refused(became, bad, said):
    with pytest.raises(InputError, match=f"message 5: {said.replace('?', '.')}"):
        became(BID, bad)


def test_files_that_cannot_be_are_refused_in_one_sentence(tmp_path, day):
    def refused(path, **options):
        with pytest.raises(InputError) as error:
            list(*itch.open([path], **options))
        return str(error.value)

    path = day(*HEAD, BID)
    assert "tick 3e-05: give dollars in steps" in refused(path, tick=Decimal(3, -5))
    assert "holds no stock 'AAB', did you mean AAA?" in refused(path, symbols="AAB")
    assert "holds no stock 'XYZ': leave it out" in refused(path, symbols="XYZ")
    assert "write it like 2019-01-30" in refused(path, date="yesterday")
    assert "its name holds no date" in refused(day(*HEAD, name="some.bin"))
    assert "its name holds no date" in refused(day(*HEAD, name="20191339.bin"))
    assert "is it ITCH 5.0?" in refused(day(system("O")))
    assert "damaged" in refused(day(listed(1, "\x01")))
    assert "no such file" in refused(tmp_path / NAME.replace("30", "29"))
    path.write_bytes(framed(*HEAD, BID)[:-1])
    assert "ends inside a message" in refused(path)
    path.write_bytes(b"")
    assert "is empty" in refused(path)
