"""Recordings against the venue's own best bid and offer, and what is not a recording."""

import gzip
from collections.abc import Iterator
from decimal import Decimal as Exact
from itertools import pairwise

import numpy as np
import orjson
import pytest

from flowsense.errors import InputError
from flowsense.schema import CLEAR, GAP, LAST, SET, TRADE, Decimal, checked
from flowsense.sources import binance
from flowsense.sources.binance_decode import State, decode
from flowsense.sources.binance_lines import Market
from flowsense.sources.binance_sync import Sync
from flowsense.sources.files import Block, blocks, head

PAIRS = {  # of updates and bookTickers with the same u, of those that were applied
    "cm_btcusd_perp_20240808": 1_124,
    "cm_ethusd_perp_20240808": 1_345,
    "spot_btcusdt_20240808": 564,
    "spot_ethusdt_20240808": 577,
    "usdm_btcusdt_20240718": 195,
    "usdm_btcusdt_20240808": 629,
    "usdm_ethusdt_20240718": 281,
    "usdm_ethusdt_20240808": 551,
}
NS, MS = 1_700_000_000_000_000_000, 1_700_000_000_000


def test_the_pairs_are_all_that_the_recordings_hold():
    assert sum(PAIRS.values()) == 5_266


def recorded(data, *names):
    return [data / "binance_ws_raw" / f"{name}.jsonl.zst" for name in names]


def lines(path) -> Iterator[tuple[int, dict]]:
    for block in blocks(path):
        for line in block.data.splitlines():
            ns, _, body = line.partition(b" ")
            yield int(ns), orjson.loads(body)


def tickers(path):
    """u -> bid, its size, ask, its size, as the venue said."""
    told = (m["data"] for _, m in lines(path) if m.get("stream", "").endswith("@bookTicker"))
    return {d["u"]: tuple(Exact(d[k]) for k in "bBaA") for d in told}


def books(events):
    """(u, bids, asks) whenever the book is whole after an update; {ticks: lots} a side."""
    bids, asks = {}, {}
    names = ("action", "side", "price", "lots", "sequence", "bits")
    for action, side, price, lots, u, bits in zip(
        *(events[k].tolist() for k in names), strict=True
    ):
        if action == CLEAR:
            bids, asks = {}, {}
        elif action == SET:
            (bids if side > 0 else asks)[price] = lots
            if lots == 0:
                del (bids if side > 0 else asks)[price]
        if action == SET and bits & LAST:
            yield u, bids, asks


def compare(source, expected):
    """-> pairs seen and equal."""
    table, seen, equal = source.instruments[0], 0, 0
    tick, lot = (Exact(u.mantissa).scaleb(u.exponent) for u in (table.tick, table.lot))
    for u, bids, asks in books(np.concatenate(list(source))):
        if u in expected:
            bid, ask = max(bids), min(asks)
            touch = (bid * tick, bids[bid] * lot, ask * tick, asks[ask] * lot)
            seen, equal = seen + 1, equal + (touch == expected[u])
    return seen, equal


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_rebuilt_book_is_the_bookticker_at_the_same_update(data, name):
    (path,) = recorded(data, name)
    (source,) = binance.open([path])

    assert compare(source, tickers(path)) == (PAIRS[name], PAIRS[name])


@pytest.mark.slow
@pytest.mark.parametrize("coin", ["btc", "eth"])
def test_a_file_without_snapshot_goes_on_where_the_one_before_it_ends(data, coin):
    paths = recorded(data, f"usdm_{coin}usdt_20240719", f"usdm_{coin}usdt_20240718")
    (source,) = binance.open(paths)

    assert source.paths == (paths[1], paths[0])
    assert not {"gap", "receive time fell", "repeated depth"} & {*source.survey.counts}
    seen, equal = compare(source, tickers(paths[0]) | tickers(paths[1]))
    assert seen == equal > PAIRS[f"usdm_{coin}usdt_20240718"] + 400


@pytest.mark.slow
@pytest.mark.parametrize("coin", ["btc", "eth"])
def test_a_file_without_snapshot_is_refused_alone(data, coin):
    (source,) = binance.open(recorded(data, f"usdm_{coin}usdt_20240719"))

    with pytest.raises(InputError, match=r"0719.*no depth snapshot.*give the file that precedes"):
        iter(source).__next__()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spot_ethusdt_20240808", "usdm_ethusdt_20240718"])
def test_cuts_at_any_line_give_the_same_events_and_trades_are_all_there(data, name):
    (path,) = recorded(data, name)
    (source,) = binance.open([path])
    whole = np.concatenate(list(source))
    text = [line for block in blocks(path) for line in block.data.splitlines(keepends=True)]
    rng, state, parts = np.random.default_rng(3), State(Sync(source.market)), []
    edges = [0, *np.sort(rng.integers(0, len(text), 400)).tolist(), len(text)]
    for a, b in pairwise(edges):
        state, events = decode(source.survey.feed, state, path, Block(a + 1, b"".join(text[a:b])))
        parts.append(events)

    assert np.concatenate(parts).tobytes() == checked(whole, 1).tobytes()
    assert dict(state.counts) == source.survey.counts
    said = [m["data"] for _, m in lines(path) if m.get("stream", "").endswith("@trade")]
    got = whole[whole["action"] == TRADE]
    assert got["sequence"].tolist() == [d["t"] for d in said]
    assert got["side"].tolist() == [-1 if d["m"] else 1 for d in said]


@pytest.mark.slow
def test_a_folder_becomes_one_source_an_instrument(data):
    folder = sorted((data / "binance_ws_raw").glob("*.zst"))
    claimed = [path for path in folder if binance.claims(path, head(path))]
    sources = binance.open(claimed)

    assert {p.name for p in folder} - {p.name for p in claimed} == {
        "hyperliquid_btcusd_20250126.jsonl.zst"
    }
    assert [len(s.paths) for s in sources] == [1, 1, 1, 1, 3, 3]
    assert len({(s.symbol, s.market) for s in sources}) == 6


@pytest.mark.slow
def test_tick_lot_and_contract_of_a_coin_margined_recording(data):
    (source,) = binance.open(recorded(data, "cm_ethusd_perp_20240808"))
    (coin,) = source.instruments

    assert coin.venue == "binance-coinm" and coin.inverse
    assert (coin.tick, coin.lot, coin.contract) == (Decimal(1, -2), Decimal(1, 0), Decimal(10, 0))


def test_what_another_venue_recorded_is_not_claimed(data):
    (path,) = recorded(data, "hyperliquid_btcusd_20250126")

    assert not binance.claims(path, head(path))
    assert not binance.claims(path, b"")


@pytest.mark.parametrize("first", [b'"stream":"a@kline_1m"', b'"stream":"!t"', b'"lastUpdateId":1'])
def test_a_recording_is_claimed_by_its_first_line(tmp_path, first):
    assert binance.claims(tmp_path / "of_any_name", b"1700000000000000000 {" + first)


def depth(first, last, market=Market.SPOT, symbol="BTCUSDT", bids=(("9.00", "1.5"),), **more):
    more |= {} if market is Market.SPOT else {"pu": first - 1}
    more |= {"ps": "BTCUSD"} if market is Market.COINM else {}
    body = {"e": "depthUpdate", "E": MS + last, "s": symbol, "U": first, "u": last, **more}
    return {"stream": "btcusdt@depth", "data": {"b": bids, "a": [["10.00", "2.5"]], **body}}


def reply(number, **more):
    return {"lastUpdateId": number, "bids": [["9.00", "1.0"]], "asks": [["10.00", "2.0"]], **more}


def traded(number, stream="trade", **more):
    ids = {"t": number} if stream == "trade" else {"a": number}
    body = {"s": "BTCUSDT", "p": "9.5", "q": "0.5", "T": MS + number, "m": True, **ids, **more}
    return {"stream": f"btcusdt@{stream}", "data": body}


def write(path, *messages, at=NS, step=1_000):
    body = (m if isinstance(m, bytes) else orjson.dumps(m) for m in messages)
    text = b"".join(b"%d %b\n" % (at + i * step, b) for i, b in enumerate(body))
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def read(*paths, **options):
    (source,) = binance.open(list(paths), **options)
    return source, np.concatenate(list(source))


GOOD = reply(10), depth(11, 12), traded(1)


def test_a_compressed_recording_by_hand(tmp_path):
    path = write(tmp_path / "anything.gz", *GOOD)
    source, events = read(path)

    (table,) = source.instruments
    assert (table.symbol, table.venue) == ("BTCUSDT", "binance-spot")
    assert (table.tick, table.lot) == (Decimal(5, -1), Decimal(5, -1))
    assert events["price"].tolist() == [0, 18, 20, 18, 20, 19]
    assert events["lots"].tolist() == [0, 2, 4, 3, 5, 1]
    assert source.name == str(path) and source.files == (path,)


def test_a_given_tick_and_lot_hold_and_must_fit(tmp_path):
    path = write(tmp_path / "a", *GOOD)

    source, events = read(path, tick=Decimal(1, -2), lot=Decimal(1, -3))
    assert source.instruments[0].tick == Decimal(1, -2)
    assert events["price"][-1] == 950 and events["lots"][-1] == 500
    with pytest.raises(InputError, match=r"a: line 3: price '9.5' is no multiple.* tick 1e0"):
        read(path, tick=Decimal(1, 0))
    with pytest.raises(InputError, match=r"a: line 2: size '1.5' is no multiple.* lot 1e0"):
        read(path, lot=Decimal(1, 0))
    with pytest.raises(InputError, match=r"lot 0\.0: give one above 0"):
        read(path, lot=Decimal(0, 0))


@pytest.mark.parametrize("market", list(Market))
def test_the_market_is_told_by_the_first_update(tmp_path, market):
    path = write(tmp_path / "a", traded(1), depth(11, 12, market))

    assert binance.open([path])[0].market is market


@pytest.mark.parametrize(("symbol", "dollars"), [("BTCUSD_PERP", 100), ("ETHUSD_240927", 10)])
def test_a_coin_margined_contract_is_worth_a_round_sum(tmp_path, symbol, dollars):
    path = write(tmp_path / "a", reply(11, symbol=symbol), depth(11, 12, Market.COINM, symbol))
    (table,) = read(path)[0].instruments

    assert table.contract == Decimal(dollars, 0) and table.inverse


def test_files_are_chained_in_order_of_time_and_a_fall_of_the_clock_is_counted(tmp_path):
    later = write(tmp_path / "a", depth(13, 14), traded(2), at=NS + 10**9, step=-1_000)
    source, events = read(later, write(tmp_path / "b", *GOOD))

    assert [path.name for path in source.paths] == ["b", "a"]
    assert events["sequence"][-2:].tolist() == [14, 2]
    assert np.all(np.diff(events["ts_recv"]) >= 0) and events["ts_recv"][-1] == NS + 10**9
    assert source.survey.counts["receive time fell"] == 1


def test_events_that_are_no_book_and_no_trade_are_counted_by_name(tmp_path):
    partial = {"stream": "btcusdt@depth20@100ms", "data": depth(1, 99)["data"]}
    others = (
        {"stream": "!ticker@arr", "data": []},
        {"stream": "btcusdt@kline_1m", "data": {}},
        {"result": None, "id": 1},
        {"e": "serverShutdown", "E": MS},
        traded(3, X="INSURANCE_FUND"),
        traded(4, "aggTrade"),
    )
    source, events = read(write(tmp_path / "a", *GOOD, partial, *others))

    assert len(events) == 6
    assert source.survey.counts == {
        "snapshot": 1, "depth": 1, "book": 1, "trade": 1, "depth20": 1, "ticker": 1, "kline": 1,
        "reply": 1, "serverShutdown": 1, "trade INSURANCE_FUND": 1, "aggTrade": 1,
    }  # fmt: skip


def test_aggregated_trades_are_the_flow_where_there_are_no_others(tmp_path):
    source, events = read(write(tmp_path / "a", *GOOD[:2], traded(7, "aggTrade", q="0.25")))

    assert source.survey.feed.trades == "aggTrade"
    assert source.instruments[0].lot == Decimal(25, -2)
    assert (events["action"][-1], events["sequence"][-1]) == (TRADE, 7)


def test_times_in_microseconds_are_the_same_times(tmp_path):
    path = write(tmp_path / "a", *GOOD, traded(2, T=(MS + 5) * 1_000))

    assert read(path)[1]["ts_event"][-1] == (MS + 5) * 1_000_000


def test_a_gap_is_told_within_a_chain(tmp_path):
    _, events = read(write(tmp_path / "a", *GOOD), write(tmp_path / "b", depth(20, 21), at=NS * 2))

    assert (events["action"][-1], events["bits"][-1]) == (CLEAR, GAP)


UNREADABLE = {
    "damaged": (b'{"stream":"btcusdt@depth","data":{"e":"dep', "not JSON"),
    "number": (b"7", "7 is no JSON object"),
    "keys": ({"price": 1}, r"keys \['price'\] are neither"),
    "stream": ({"stream": "btcusdt@magic", "data": {}}, "'btcusdt@magic' is not one of Binance's"),
    "data": ({"stream": "btcusdt@depth", "data": [1]}, r"data \[1\] is no JSON object"),
    "field": ({"stream": "btcusdt@depth", "data": {"U": 1}}, "no field 'u'"),
    "id": (depth(11, True), "u True is no whole number"),
    "order": (depth(13, 12), "pu -1, U 13, u 12 do not rise"),
    "time": (depth(13, 14, E=12), "E 12 is no time in ms"),
    "list": (depth(13, 14, bids="9"), "the levels are no lists"),
    "level": (depth(13, 14, bids=[["9"]]), "a level is not of the form"),
    "float": (depth(13, 14, bids=[[9.0, 1.0]]), "is not a text like"),
    "comma": (depth(13, 14, bids=[["9,0", "1"]]), "holds a comma"),
    "negative": (depth(13, 14, bids=[["-9", "1"]]), "price '-9' is no plain decimal"),
    "nan": (depth(13, 14, bids=[["9", "NaN"]]), "size 'NaN' is no plain decimal"),
    "zero": (depth(13, 14, bids=[["0.00", "1"]]), "price '0.00' must be above 0"),
    "bare": (traded(2, q="0"), "size '0' must be above 0"),
    "side": (traded(2, m="yes"), "m 'yes' is neither true nor false"),
    "symbol": (depth(13, 14, symbol="ETHUSDT"), "'ETHUSDT' in a recording of BTCUSDT"),
    "market": (depth(13, 14, Market.USDM), "a usdm update in a spot recording"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_line_that_cannot_be_used_is_named_with_file_line_and_value(tmp_path, case):
    line, why = UNREADABLE[case]
    path = write(tmp_path / "tape", *GOOD, line)

    with pytest.raises(InputError, match=f"tape: line 4: .*{why}.*: (cut|give)") as told:
        read(path)
    assert str(told.value).count("\n") == 0


@pytest.mark.parametrize("stamp", [b"1700000000", b"", b"17000000000000000x0"])
def test_a_line_without_a_time_in_ns_is_refused(tmp_path, stamp):
    path = tmp_path / "tape"
    path.write_bytes(stamp + b" " + orjson.dumps(depth(1, 2)))

    with pytest.raises(InputError, match=r"tape: line 1: .* is no time of 19 digits"):
        binance.open([path])


def test_a_recording_without_updates_or_without_a_fitting_snapshot_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no depth update"):
        binance.open([write(tmp_path / "a", traded(1))])
    with pytest.raises(InputError, match="no update continues the snapshot"):
        read(write(tmp_path / "b", depth(11, 12), reply(5)))


@pytest.mark.slow
def test_a_compression_cut_off_is_refused(data, tmp_path):
    (path,) = recorded(data, "spot_ethusdt_20240808")
    cut = tmp_path / "cut.zst"
    cut.write_bytes(path.read_bytes()[:400_000])

    (source,) = binance.open([cut])
    with pytest.raises(InputError, match=r"cut\.zst: its \.zst compression is damaged"):
        list(source)


def test_random_damage_is_either_read_or_refused_in_one_sentence(tmp_path):
    good = write(tmp_path / "a", *GOOD, depth(13, 14), traded(2)).read_bytes()
    rng, refused = np.random.default_rng(5), 0
    for _ in range(200):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), 1 + refused % 2):
            bad[at] = rng.choice(list(b'0123456789",.:[]{} \xff\n'))
        (tmp_path / "bad").write_bytes(bad)
        try:
            checked(read(tmp_path / "bad")[1], 1)
        except InputError:
            refused += 1
    assert 100 < refused < 195
