"""LOBSTER: worked lines that can be checked by hand, and files that are refused."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.schema import (
    AUCTION,
    CLEAR,
    HALT,
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    checked,
)
from flowsense.sources.lobster import CENT, Lobster, claims, decode, open, start

NAME = "ABC_2012-06-21_34200000_57600000_{}_2.csv"
MIDNIGHT = 1_340_251_200_000_000_000  # 2012-06-21 00:00 in New York is 04:00 UTC
ADDED = "34200.1,1,7,50,100000,1"  # the bid of BOOK
BOOK = (
    "100100,100,100000,50,100300,200,99800,70"  # 10.01 x 100, 10.03 x 200 | 10.00 x 50, 9.98 x 70
)


def write(folder, messages, books, name=NAME):
    """The pair of files with these lines; the path of the message file."""
    for kind, lines in (("message", messages), ("orderbook", books)):
        (folder / name.format(kind)).write_text("".join(f"{line}\n" for line in lines))
    return folder / name.format("message")


def told(folder, message, book=BOOK, tick=CENT):
    """(action, side, price, lots, bits) of the events of a line that follows ADDED and BOOK."""
    source = Lobster(write(folder, [ADDED, message], [BOOK, book]), tick=tick)
    events = np.concatenate(list(source))
    return of_line(events, 2)


def of_line(events, line):
    mine = events[events["sequence"] == line]
    return mine[["action", "side", "price", "lots", "bits"]].tolist()


def test_the_first_line_opens_with_a_snapshot_of_its_book(tmp_path):
    source = Lobster(write(tmp_path, [ADDED], [BOOK]))
    events = checked(np.concatenate(list(source)), 1)
    assert of_line(events, 1) == [
        (CLEAR, 0, 0, 0, SNAPSHOT),
        (SET, -1, 1001, 100, SNAPSHOT),
        (SET, -1, 1003, 200, SNAPSHOT),
        (SET, 1, 1000, 50, SNAPSHOT),
        (SET, 1, 998, 70, SNAPSHOT | LAST),
    ]
    assert set(events["ts_recv"]) == set(events["ts_event"]) == {MIDNIGHT + 34_200_100_000_000}
    instrument = source.instruments[0]
    assert (instrument.symbol, instrument.venue, instrument.depth) == ("ABC", "nasdaq", 2)
    assert instrument.tick == Decimal(1, -2) and not instrument.by_order


def test_an_execution_in_the_first_line_comes_after_the_snapshot_that_knows_it(tmp_path):
    path = write(tmp_path, ["34200.1,4,7,5,100100,-1"], [BOOK])
    lines = of_line(np.concatenate(list(Lobster(path))), 1)
    assert lines[-2][-1] == SNAPSHOT | LAST
    assert lines[-1] == (TRADE, 1, 1001, 5, LAST)


def test_an_executed_sell_order_is_a_buy_and_takes_from_the_ask(tmp_path):
    after = "100100,60,100000,50,100300,200,99800,70"
    assert told(tmp_path, "34200.2,4,8,40,100100,-1", after) == [
        (TRADE, 1, 1001, 40, 0),
        (SET, -1, 1001, 60, LAST),
    ]


def test_a_trade_carries_the_id_of_the_order_that_rested(tmp_path):
    source = Lobster(write(tmp_path, [ADDED, "34200.2,5,88,40,100000,1"], [BOOK, BOOK]))
    assert np.concatenate(list(source))["order_id"][-1] == 88


@pytest.mark.parametrize(
    ("resting", "tick", "price"), [(1, -2, 1000), (-1, -2, 1001), (1, -4, 100050), (-1, -4, 100050)]
)
def test_a_hidden_trade_between_ticks_goes_against_the_aggressor(tmp_path, resting, tick, price):
    lines = told(tmp_path, f"34200.2,5,0,40,100050,{resting}", tick=Decimal(1, tick))
    assert lines == [(TRADE, -resting, price, 40, LAST)]


def test_a_level_that_comes_into_view_behind_a_deleted_one_scrolls(tmp_path):
    after = "100300,200,100000,50,100700,10,99800,70"
    assert told(tmp_path, "34200.2,3,8,100,100100,-1", after) == [
        (SET, -1, 1001, 0, 0),
        (SET, -1, 1007, 10, SCROLL | LAST),
    ]


def test_a_level_that_a_better_order_pushes_out_of_view_scrolls(tmp_path):
    after = "100100,100,100000,50,100300,200,99900,10"
    assert told(tmp_path, "34200.2,1,8,10,99900,1", after) == [
        (SET, 1, 998, 0, SCROLL),
        (SET, 1, 999, 10, LAST),
    ]


def test_an_order_at_the_deep_end_of_a_side_that_was_not_full_does_not_scroll(tmp_path):
    thin = "100100,100,100000,50,9999999999,0,-9999999999,0"
    lines = [ADDED, "34200.2,1,8,200,100300,-1", "34200.3,3,8,200,100300,-1"]
    path = write(tmp_path, lines, [thin, thin.replace("9999999999,0,-", "100300,200,-"), thin])
    events = np.concatenate(list(Lobster(path)))
    assert of_line(events, 2) == [(SET, -1, 1003, 200, LAST)]
    assert of_line(events, 3) == [(SET, -1, 1003, 0, LAST)]


def test_an_empty_book_is_whole(tmp_path):
    none = "9999999999,0,-9999999999,0,9999999999,0,-9999999999,0"
    path = write(tmp_path, ["34200.1,3,7,50,100000,1"], [none])
    assert of_line(next(iter(Lobster(path))), 1) == [(CLEAR, 0, 0, 0, SNAPSHOT | LAST)]


def test_a_line_that_changes_nothing_shown_is_still_heard(tmp_path):
    assert told(tmp_path, "34200.2,1,8,10,90000,1") == [(STATUS, 0, 0, TRADING, LAST)]


def test_a_cross_is_a_trade_of_no_side_in_an_auction(tmp_path):
    assert told(tmp_path, "34200.2,6,-1,9000,100000,-1") == [
        (STATUS, 0, 0, AUCTION, 0),
        (TRADE, 0, 1000, 9000, 0),
        (STATUS, 0, 0, TRADING, LAST),
    ]


def test_a_halt_lasts_through_quoting_and_the_cross_until_trading_resumes(tmp_path):
    halted = ["36023,7,0,0,-1,-1", "36323,7,0,0,0,-1", "36700,6,-1,9,100000,-1", "36723,7,0,0,1,-1"]
    events = np.concatenate(list(Lobster(write(tmp_path, [ADDED, *halted], [BOOK] * 5))))
    told = [of_line(events, line) for line in range(2, 6)]
    assert told == [
        [(STATUS, 0, 0, HALT, LAST)],
        [(STATUS, 0, 0, AUCTION, LAST)],
        [(TRADE, 0, 1000, 9, LAST)],
        [(STATUS, 0, 0, TRADING, LAST)],
    ]


def test_a_cross_straight_out_of_a_halt_leaves_the_auction_open(tmp_path):
    lines = [ADDED, "36023,7,0,0,-1,-1", "36700,6,-1,9,100000,-1", "36800,1,9,5,90000,1"]
    events = np.concatenate(list(Lobster(write(tmp_path, lines, [BOOK] * 4))))
    assert of_line(events, 3) == [(STATUS, 0, 0, AUCTION, 0), (TRADE, 0, 1000, 9, LAST)]
    assert of_line(events, 4) == [(STATUS, 0, 0, AUCTION, LAST)]


@pytest.mark.parametrize(
    ("day", "text", "ns"),
    [
        ("2012-06-21", "34200.004241176", MIDNIGHT + 34_200_004_241_176),
        ("2012-06-21", "34200", MIDNIGHT + 34_200_000_000_000),
        ("2012-06-21", "43002.632812672004", MIDNIGHT + 43_002_632_812_672),
        ("2012-06-21", "43002.632812671996", MIDNIGHT + 43_002_632_812_672),
        ("2013-01-15", "0.000000001", 1_358_226_000_000_000_001),  # winter: 05:00 UTC
    ],
)
def test_times_are_exact_nanoseconds_of_the_day_in_new_york(tmp_path, day, text, ns):
    path = write(tmp_path, [f"{text},1,7,50,100000,1"], [BOOK], NAME.replace("2012-06-21", day))
    assert next(iter(Lobster(path)))["ts_recv"][0] == ns


def test_prices_below_a_dollar_need_the_finer_tick(tmp_path):
    message, book = "34200.1,1,7,50,5001,1", "5003,100,5001,50,5004,200,4999,70"
    path = write(tmp_path, [message], [book])
    with pytest.raises(InputError, match=r"message_2.csv: row 1: price 5001 lies.*0\.0001"):
        list(Lobster(path))
    events = next(iter(Lobster(path, tick=Decimal(1, -4))))
    assert events["price"].tolist() == [0, 5003, 5004, 5001, 4999]


@pytest.mark.parametrize("tick", [Decimal(0, 0), Decimal(1, -5), Decimal(-1, -2), Decimal(15, -5)])
def test_a_tick_that_the_files_cannot_hold_is_refused(tmp_path, tick):
    with pytest.raises(InputError, match=r"tick .*: give dollars in steps of 0\.0001"):
        Lobster(write(tmp_path, [ADDED], [BOOK]), tick=tick)


BAD_MESSAGES = {
    "34200.2,8,8,10,100000,1": "type 8: it cannot be",
    "34200.2,0,8,10,100000,1": "type 0: it cannot be",
    "34200.0,1,8,10,100000,1": "34200000000000 ns after midnight is before the row above",
    "86400.0,1,8,10,100000,1": "86400000000000 ns after midnight: it cannot be",
    "34200.2,1,8,0,100000,1": "size 0: it cannot be",
    "34200.2,1,8,-5,100000,1": "size -5: it cannot be",
    "34200.2,1,8,10,0,1": "price 0: it cannot be",
    "34200.2,4,8,10,-100,1": "price -100: it cannot be",
    "34200.2,1,8,10,100000,0": "direction 0: it cannot be",
    "34200.2,5,8,10,100000,2": "direction 2: it cannot be",
    "34200.2,7,0,0,2,-1": "a halt of price 2: it cannot be",
    "34200.2,1,8,10,100050,1": "price 100050 lies between ticks",
    "34200.2,1,8,nan,100000,1": "column 4: 'nan' is not a whole number",
    "34200.2,1,8,10,NaN,1": "column 5: 'NaN' is not a whole number",
    "34200.2,1,8,10.5,100000,1": "column 4: '10.5' is not a whole number",
    "34200.,1,8,10,100000,1": "column 1: '34200.' is not a number",
    "34200.2,1,8,10,1000000000000000000000,1": "column 5: '1000000000000000000000' is not",
    "34200.2,1,,10,100000,1": "column 3: '' is not a whole number",
    "34200.2,1,8,10,100000": "has 5 columns, not 6",
    "34200.2,1,8,10,100000,1,0": "has 7 columns, not 6",
    "": "has 1 columns, not 6",
}
BAD_BOOKS = {
    BOOK.replace(",70", ",-70"): "size -70: it cannot be",
    BOOK.replace(",70", ",NaN"): "column 8: 'NaN' is not a whole number",
    BOOK.replace("99800", "0"): "price 0: it cannot be",
    BOOK.replace("99800", "-100"): "price -100: it cannot be",
    BOOK.replace("200,99800", "200,9999999999"): "price 9999999999: it cannot be",
    BOOK.replace(",70", ",0"): "price 99800 of a level without size",
    BOOK.replace("100300", "100100"): "price 100100: it is no worse than that of the level above",
    BOOK.replace("99800", "100200"): "price 100200: it is no worse",
    BOOK.replace("100100,100", "9999999999,0"): "price 100300: it is no worse",
    BOOK.replace("99800", "99850"): "price 99850 lies between ticks",
    BOOK + ",100400,1,99700,1": "has 12 columns, not 8",
    BOOK.removesuffix(",70"): "has 7 columns, not 8",
}


@pytest.mark.parametrize(("line", "why"), BAD_MESSAGES.items(), ids=str)
def test_a_message_that_cannot_be_is_named_with_its_row(tmp_path, line, why):
    with pytest.raises(InputError) as error:
        told(tmp_path, line)
    assert f"{NAME.format('message')}: row 2" in str(error.value) and why in str(error.value)


@pytest.mark.parametrize(("line", "why"), BAD_BOOKS.items(), ids=str)
def test_a_book_that_cannot_be_is_named_with_its_row(tmp_path, line, why):
    with pytest.raises(InputError) as error:
        told(tmp_path, "34200.2,1,8,10,90000,1", line)
    assert f"{NAME.format('orderbook')}: row 2" in str(error.value) and why in str(error.value)


@pytest.mark.parametrize(("messages", "books"), [(1, 2), (2, 1), (2_000, 2_001), (2_001, 2_000)])
def test_files_of_different_length_are_refused(tmp_path, messages, books):
    path = write(tmp_path, [ADDED] * messages, [BOOK] * books)
    short = "message" if messages < books else "orderbook"
    with pytest.raises(InputError, match=f"{short}_2.csv: ends after row {min(messages, books)} "):
        list(Lobster(path))


def test_without_its_other_file_a_recording_is_refused(tmp_path):
    path = write(tmp_path, [ADDED], [BOOK])
    (tmp_path / NAME.format("orderbook")).unlink()
    with pytest.raises(
        InputError, match=r"_message_2.csv: ABC_.*_orderbook_2.csv is not beside it"
    ):
        Lobster(path)


def test_names_that_do_not_fit_are_refused(tmp_path):
    path = write(tmp_path, [ADDED], [BOOK])
    other = write(tmp_path, [ADDED], [BOOK], NAME.replace("ABC", "DEF"))
    unnamed = tmp_path / "abc.csv"
    unnamed.write_text(ADDED)
    undated = write(tmp_path, [ADDED], [BOOK], NAME.replace("06-21", "13-21"))
    book = other.with_name(other.name.replace("message", "orderbook"))
    for args, why in (
        ((path, book), "is not its order book"),
        ((unnamed,), "name it as LOBSTER does"),
        ((undated,), "2012-13-21 is no date"),
        ((tmp_path / NAME.format("message").replace("ABC", "XYZ"),), "no such file"),
    ):
        with pytest.raises(InputError, match=why):
            Lobster(*args)


def test_a_recording_is_opened_once_by_any_of_its_files(tmp_path):
    message = write(tmp_path, [ADDED], [BOOK])
    book = tmp_path / NAME.format("orderbook")
    assert open([message, book]) == [Lobster(message, book)]
    assert claims(message, b"") and claims(book, b"") and not claims(tmp_path / "ticks.csv", b"")


def test_no_lines_are_no_events(tmp_path):
    pair = Lobster(write(tmp_path, [ADDED], [BOOK])).pair
    state, events = decode(start(pair), b"", b"", pair)
    assert len(events) == 0 and state.lines == 0


def test_windows_line_ends_and_a_missing_last_one_are_read(tmp_path):
    path = write(tmp_path, [ADDED], [BOOK])
    want = next(iter(Lobster(path))).tobytes()
    path.write_bytes(f"{ADDED}\r\n".encode())
    path.with_name(NAME.format("orderbook")).write_bytes(BOOK.encode())
    assert next(iter(Lobster(path))).tobytes() == want
