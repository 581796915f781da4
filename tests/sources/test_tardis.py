import gzip

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.schema import (
    CLEAR,
    DEPTH,
    EVENT,
    GAP,
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
    checked,
    kind_of,
)
from flowsense.sources import Broad
from flowsense.sources.open import open_source
from flowsense.sources.tardis import claims, open
from flowsense.sources.tardis_tables import BOOKS, interleaved
from flowsense.sources.units import Unit

LEADING = "exchange,symbol,timestamp,local_timestamp"
UPDATES = f"{LEADING},is_snapshot,side,price,amount"
TRADES = f"{LEADING},id,side,price,amount"
QUOTES = f"{LEADING},ask_amount,ask_price,bid_price,bid_amount"
TICKER = f"{LEADING},funding_timestamp,funding_rate,open_interest,mark_price"
T0 = 1_600_000_000_000_000  # us
OPEN = SNAPSHOT | LAST


def rows(*cells, symbol="BTC", exchange="x"):
    """Lines of exchange, symbol, timestamp, local_timestamp (5 us later) and the cells given."""
    lines = (line.split(",", 1) for line in cells)
    return "".join(
        f"{exchange},{symbol},{T0 + int(t)},{T0 + int(t) + 5},{rest}\n" for t, rest in lines
    )


def written(tmp_path, header, text, name="a.csv"):
    path = tmp_path / name
    content = f"{header}\n{text}".encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def all_events(source):
    return checked(np.concatenate(list(source)), len(source.instruments))


def told(source):
    """The events as tuples: us after the first, action, side, price, lots, bits."""
    events = all_events(source)
    assert (events["ts_recv"] - events["ts_event"] == 5000).all()
    names = ("action", "side", "price", "lots", "bits")
    return [((int(e["ts_event"]) // 1000 - T0), *(int(e[n]) for n in names)) for e in events]


SNAPSHOT_AND_UPDATES = rows(
    "0,true,bid,99.5,2",
    "0,true,ask,100.5,3",
    "1,false,bid,99.0,1",
    "1,false,ask,100.5,0",
    "2,false,ask,101.0,4",
)


def test_a_snapshot_then_updates(tmp_path):
    (source,) = open([written(tmp_path, UPDATES, SNAPSHOT_AND_UPDATES)])
    assert source.instruments[0][:4] == ("BTC", "x", Decimal(5, -1), Decimal(1, 0))
    assert source.instruments[0].depth == DEPTH
    assert told(source) == [
        (0, CLEAR, 0, 0, 0, SNAPSHOT),
        (0, SET, 1, 199, 2, SNAPSHOT),
        (0, SET, -1, 201, 3, SNAPSHOT | LAST),
        (1, SET, 1, 198, 1, 0),
        (1, SET, -1, 201, 0, LAST),
        (2, SET, -1, 202, 4, LAST),
    ]


def test_a_snapshot_after_updates_follows_a_loss(tmp_path):
    text = SNAPSHOT_AND_UPDATES + rows("9,true,bid,90,1", "9,false,bid,91,1", "10,true,bid,92,1")
    (source,) = open([written(tmp_path, UPDATES, text)])
    assert told(source)[6:] == [
        (9, CLEAR, 0, 0, 0, SNAPSHOT | GAP),
        (9, SET, 1, 180, 1, SNAPSHOT | LAST),
        (9, SET, 1, 182, 1, LAST),
        (10, CLEAR, 0, 0, 0, SNAPSHOT | GAP),
        (10, SET, 1, 184, 1, SNAPSHOT | LAST),
    ]


def test_a_snapshot_in_several_messages_is_one(tmp_path):
    text = rows("0,true,bid,99,2", "1,true,ask,101,3", "2,false,bid,98,1")
    (source,) = open([written(tmp_path, UPDATES, text)])
    assert [row[1] for row in told(source)] == [CLEAR, SET, SET, SET]


def test_trades_alone_open_an_empty_book(tmp_path):
    text = rows("0,a,buy,100,2", "0,b,sell,99,1", "3,c,unknown,98,1")
    (source,) = open([written(tmp_path, TRADES, text)])
    assert told(source) == [
        (0, CLEAR, 0, 0, 0, OPEN),
        (0, TRADE, 1, 100, 2, 0),
        (0, TRADE, -1, 99, 1, LAST),  # one local_timestamp, one message
        (3, TRADE, 0, 98, 1, LAST),
    ]


def test_trades_and_book_of_one_instrument_are_interleaved(tmp_path):
    trades = rows("1,a,buy,100.5,3", "3,b,sell,99.5,1")
    paths = [
        written(tmp_path, UPDATES, SNAPSHOT_AND_UPDATES, "x_incremental_book_L2_BTC.csv"),
        written(tmp_path, TRADES, trades, "x_trades_BTC.csv.gz"),
    ]
    source = open_source(paths)
    assert source.files == (paths[1], paths[0]) and len(source.instruments) == 1
    assert [row[:3] for row in told(source)] == [
        (0, CLEAR, 0),
        (0, SET, 1),
        (0, SET, -1),
        (1, TRADE, 1),  # the trade is told before the level that it emptied
        (1, SET, 1),
        (1, SET, -1),
        (2, SET, -1),
        (3, TRADE, -1),
    ]


def test_quotes_are_a_book_of_one_level(tmp_path):
    text = rows("0,7,100.5,100,5", "1,6,100.5,100,5", "2,6,101,,")
    (source,) = open([written(tmp_path, QUOTES, text)])
    assert source.instruments[0].depth == 1
    assert told(source) == [
        (0, CLEAR, 0, 0, 0, SNAPSHOT),
        (0, SET, 1, 200, 5, SNAPSHOT),
        (0, SET, -1, 201, 7, SNAPSHOT | LAST),
        (1, SET, 1, 200, 5, 0),
        (1, SET, -1, 201, 6, LAST),
        (2, SET, 1, 200, 0, 0),
        (2, SET, -1, 201, 0, 0),
        (2, SET, -1, 202, 6, SCROLL | LAST),
    ]


def books(levels):
    names = (
        f"{s}[{k}].{w}"
        for k in range(levels)
        for s in ("asks", "bids")
        for w in ("price", "amount")
    )
    return ",".join([LEADING, *names])


def test_whole_books_become_the_levels_that_differ(tmp_path):
    text = rows(
        "0,101,1,99,2,102,3,98,4",
        "1,101,1,99,2,102,5,98,4",
        "2,102,5,99,2,103,6,98,4",  # the best ask went: one comes into sight
        "3,102,5,99,2,,,98,4",
        "4,102,5,99,2,,,98,4",  # nothing changed, nothing is told
    )
    (source,) = open([written(tmp_path, books(2), text)])
    assert source.instruments[0].depth == 2
    assert told(source) == [
        (0, CLEAR, 0, 0, 0, SNAPSHOT),
        (0, SET, -1, 101, 1, SNAPSHOT),
        (0, SET, -1, 102, 3, SNAPSHOT),
        (0, SET, 1, 99, 2, SNAPSHOT),
        (0, SET, 1, 98, 4, SNAPSHOT | LAST),
        (1, SET, -1, 102, 5, LAST),
        (2, SET, -1, 101, 0, 0),
        (2, SET, -1, 103, 6, SCROLL | LAST),
        (3, SET, -1, 103, 0, LAST),
    ]


def rebuilt(events, levels):
    """(messages, levels, ask or bid, price or lots) of the book after each message."""
    sides, out = {1: {}, -1: {}}, []
    for e in events:
        if e["action"] == SET and e["lots"]:
            sides[int(e["side"])][int(e["price"])] = int(e["lots"])
        elif e["action"] == SET:
            del sides[int(e["side"])][int(e["price"])]
        if e["bits"] & LAST:
            book = np.zeros((levels, 2, 2), np.int64)
            for k, side in ((0, -1), (1, 1)):
                for n, price in enumerate(sorted(sides[side], reverse=side > 0)):
                    book[n, k] = price, sides[side][price]
            out.append(book)
    return np.array(out)


def test_random_whole_books_are_rebuilt_however_long_the_table_is(tmp_path):
    rng, levels, n = np.random.default_rng(7), 3, 1500
    lines, wanted = [], []
    for t in range(n):
        ask = 1000 + np.sort(rng.choice(np.arange(1, 9), levels, replace=False))
        bid = 1000 - np.sort(rng.choice(np.arange(1, 9), levels, replace=False))
        sizes = rng.integers(1, 4, (levels, 2))
        book = np.stack([np.stack([ask, bid], 1), sizes], 2)
        if not wanted or not np.array_equal(book, wanted[-1]):
            lines.append(f"{t}," + ",".join(map(str, book.ravel())))
            wanted.append(book)
    (source,) = open([written(tmp_path, books(levels), rows(*lines))])
    assert np.array_equal(rebuilt(all_events(source), levels), wanted)


def test_a_ticker_is_observations_of_the_same_instrument(tmp_path):
    text = rows("0,7,0.0001,500,100.25", "60,7,,510,100.5")
    paths = [
        written(tmp_path, TICKER, text, "x_derivative_ticker_BTC.csv"),
        written(tmp_path, UPDATES, SNAPSHOT_AND_UPDATES, "x_incremental_book_L2_BTC.csv"),
    ]
    book, ticker = open(paths)
    assert isinstance(ticker, Broad) and ticker.kinds == (
        "funding_rate",
        "open_interest",
        "mark_price",
    )
    assert ticker.instruments == (book.instruments[0]._replace(depth=0),)
    found = np.concatenate([c.observations for c in ticker.chunks()])
    assert found["value"].tolist() == [0.0001, 500, 100.25, 510, 100.5]
    assert found["kind"][0] == kind_of("funding_rate") and set(found["instrument"]) == {0}
    assert found["ts_recv"].tolist() == [(T0 + 5) * 1000] * 3 + [(T0 + 65) * 1000] * 2
    merged = open_source(paths)
    assert merged.instruments == book.instruments and len(list(merged.chunks())) > 0


def test_a_ticker_may_be_told_twice_at_one_time(tmp_path):
    text = rows("0,7,0.0001,500,100.25", "0,7,0.0001,501,100.25")
    (ticker,) = open([written(tmp_path, TICKER, text)])
    assert sum(len(c.observations) for c in ticker.chunks()) == 6
    assert ticker.instruments[0].tick == Decimal(0, 0)


def test_days_follow_each_other_and_files_agree_on_their_units(tmp_path):
    one = written(tmp_path, UPDATES, rows("0,true,bid,99.5,2"), "day1.csv")
    two = written(tmp_path, UPDATES, rows("9,true,bid,99.75,2"), "day2.csv")
    trades = written(tmp_path, TRADES, rows("5,a,buy,100,3"), "trades.csv")
    (source,) = open([two, trades, one])
    assert source.instruments[0][2:4] == (Decimal(25, -2), Decimal(1, 0))
    assert [(row[0], row[1], row[3], row[5]) for row in told(source)] == [
        (0, CLEAR, 0, SNAPSHOT),
        (0, SET, 398, SNAPSHOT | LAST),
        (5, TRADE, 400, LAST),
        (9, CLEAR, 0, SNAPSHOT | GAP),
        (9, SET, 399, SNAPSHOT | LAST),
    ]


def test_instruments_of_one_file_bring_their_files_together(tmp_path):
    both = rows("1,a,buy,100,1") + rows("2,b,buy,7,1", symbol="ETH")
    paths = [
        written(tmp_path, UPDATES, rows("0,true,bid,99,2"), "book_BTC.csv"),
        written(tmp_path, UPDATES, rows("0,true,bid,6,2", symbol="ETH"), "book_ETH.csv"),
        written(tmp_path, TRADES, both, "trades_PERPETUALS.csv"),
        written(tmp_path, TRADES, rows("3,c,buy,5,1", exchange="y"), "other.csv"),
    ]
    first, second = open(paths)
    assert {i.symbol for i in first.instruments} == {"BTC", "ETH"}
    symbols = [i.symbol for i in first.instruments]
    found = [(e["action"], symbols[e["instrument"]]) for e in all_events(first)]
    assert found.count((CLEAR, "BTC")) == found.count((CLEAR, "ETH")) == 1
    assert found[-2:] == [(TRADE, "BTC"), (TRADE, "ETH")]
    assert [(i.symbol, i.venue) for i in second.instruments] == [("BTC", "y")]


def test_other_units(tmp_path):
    (source,) = open([written(tmp_path, UPDATES, SNAPSHOT_AND_UPDATES)], tick="0.25", lot="0.5")
    assert told(source)[1][3:5] == (398, 4)
    finer = source.in_units({("BTC", "x"): (Unit(1, -2), Unit(1, -3))})
    assert told(finer)[1][3:5] == (9950, 2000) and finer.instruments[0].tick == Decimal(1, -2)


def test_streams_are_interleaved_by_time_whatever_their_pieces():
    rng = np.random.default_rng(1)
    wanted, streams = [], []
    for k in range(3):
        times = np.sort(rng.integers(0, 500, 400))
        events = np.zeros(400, EVENT)
        events["ts_recv"], events["side"], events["lots"] = times, k, np.arange(400)
        wanted += [(int(t), k, n) for n, t in enumerate(times)]
        cuts = np.sort(rng.choice(400, 30))
        streams.append(iter(np.split(events, cuts)))
    found = np.concatenate(list(interleaved(streams)))
    assert [(int(e["ts_recv"]), int(e["side"]), int(e["lots"])) for e in found] == sorted(wanted)


def test_the_first_line_is_what_it_is_known_by(tmp_path):
    assert claims(tmp_path / "a.csv", f"{TRADES}\n".encode())
    assert not claims(tmp_path / "a.csv", b"symbol,exchange\n") and "trades" not in BOOKS


@pytest.mark.parametrize(
    ("header", "text", "what"),
    [
        (UPDATES, "", "a.csv: holds no row: leave it out"),
        (UPDATES, rows("0,false,bid,1,1"), "the book of BTC opens without a snapshot: take the fi"),
        (UPDATES, rows("0,maybe,bid,1,1"), "row 1, column 'is_snapshot': 'maybe' is not one of"),
        (UPDATES, rows("0,true,buy?,1,1"), "row 1, column 'side': 'buy?' is not one of"),
        (UPDATES, rows("0,true,bid,nan,1"), "row 1, column 'price': 'nan' is blank"),
        (UPDATES, rows("0,true,bid,-1,1"), "row 1, column 'price': '-1' should be above 0"),
        (UPDATES, rows("0,true,bid,1,inf"), "row 1, column 'amount': 'inf' is not a finite number"),
        (UPDATES, rows("5,true,bid,1,1", "4,true,bid,1,1"), "row 2, column 'local_timestamp': "),
        (TRADES, rows("5,a,buy,1,1", "4,b,buy,1,1"), "row 2, column 'local_timestamp': '16000000"),
        (TRADES, rows("0,a,buy,1,0"), "row 1, column 'amount': '0' should be above 0 in a trade"),
        (TRADES, rows("0,a,buy,1"), "a.csv: damaged, or not what its name says"),
        (TRADES, rows("0,a,buy,1,1") + rows("0,a,buy,1,1", exchange="y"), "of several exchanges"),
        (QUOTES, rows("0,1,2,3,"), "row 1, column 'bid_amount': '' should be above 0, or both"),
        (books(2), rows("0,101,1,99,2,100,3,98,4"), "'100' is no worse than the level above it"),
        (books(2), rows("0,101,1,99,2,102,3,99,4"), "'99' is no worse than the level above it"),
        (books(2), rows("0,,,99,2,102,3,98,4"), "'102' is no worse than the level above it"),
        (books(1), rows("0,-1,1,99,2"), "column 'asks[0].price': '-1' should be above 0"),
        (books(1), rows("0,1,-1,99,2"), "column 'asks[0].amount': '-1' is below 0"),
        (books(1), rows("5,2,1,1,1", "4,2,1,1,1"), "row 2, column 'local_timestamp': '16000000"),
        (f"{LEADING},what", rows("0,1"), "no data type of Tardis has the columns exchange, symbol"),
        (f"{LEADING},id,strike_price", rows("0,1,1"), "is an options chain, which is not read"),
        ("id,side", "1,buy\n", "no data type of Tardis has the columns id, side"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path, header, text, what):
    path = written(tmp_path, header, text)
    with pytest.raises(InputError) as error:
        told(open([path])[0])
    assert what in str(error.value) and str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_files_that_do_not_go_together_are_refused(tmp_path):
    book = written(tmp_path, UPDATES, SNAPSHOT_AND_UPDATES, "book.csv")
    quotes = written(tmp_path, QUOTES, rows("0,7,100.5,100,5"), "quotes.csv")
    with pytest.raises(InputError, match=r"tells the book of BTC, and so does .*\.csv: leave one"):
        open([book, quotes])
    again = written(tmp_path, UPDATES, rows("1,true,bid,9,9"), "again.csv")
    (source,) = open([book, again])
    with pytest.raises(InputError, match=r"again.csv: begins before book.csv ends: leave one"):
        list(source)
    with pytest.raises(InputError, match=r"is liquidations, which is not read"):
        open([written(tmp_path, TRADES, rows("0,a,buy,1,1"), "x_liquidations_BTC.csv")])


def test_a_table_that_changed_and_a_cut_one(tmp_path):
    for header, text in ((TRADES, "0,a,buy,1,1"), (books(1), "0,2,1,1,1")):
        path = written(tmp_path, header, rows(text))
        (source,) = open([path])
        written(tmp_path, header, rows(text, symbol="ETH"))
        with pytest.raises(InputError, match="changed while it was read"):
            list(source)
    cut = written(tmp_path, TRADES, rows("0,a,buy,1,1"), "cut.csv.gz")
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"its .gz compression is damaged or cut off"):
        open([cut])


@pytest.mark.parametrize(("levels", "count"), [(5, 26), (25, 64)])
def test_recorded_books_come_back(data, levels, count):
    path = data / f"misc_l2/tardis_binance-futures_book_snapshot_{levels}_BTCUSDT.csv"
    source = open_source(path)
    events = all_events(source)
    assert len(events) == count and source.instruments[0].depth == levels
    lines = [line.split(",")[4:] for line in path.read_text().split()[1:]]
    wanted = np.array(lines, float).reshape(len(lines), levels, 2, 2) * [100, 1000]
    assert np.array_equal(rebuilt(events, levels), np.rint(wanted))
