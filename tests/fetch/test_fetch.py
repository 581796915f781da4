"""History: whole files, resumed, polite, and keys that nothing shows."""

import traceback
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from servers_of_history import (
    MINUTE,
    Kept,
    binance,
    candle,
    databento,
    massive,
    ns,
    on_a_thread,
    serving,
)

from flowsense.errors import InputError
from flowsense.fetch import Wanted
from flowsense.fetch.candles import candles
from flowsense.fetch.databento import records
from flowsense.replay.databento import Recording
from flowsense.schema import MILLISECOND, SECOND
from flowsense.sources import chunks
from flowsense.sources.dbn import Dbn
from flowsense.sources.open import open_source
from flowsense.testing.loop import BEGIN, run
from flowsense.wall import elapsed

KEY = "canary0123456789abcdefghijklmnop"
START = ns("2023-11-01")
BARS = "dbn/nautilus/historical_bars_catalog/databento"
OVER_MIDNIGHT = f"{BARS}/futures_ohlcv-1m_2024-07-01T23-40_2024-07-02T00-10.dbn.zst"


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)


def wanted(venue="binance-spot", symbol="BTCUSDT", count=1_100):
    return Wanted(venue, symbol, START, START + count * 60 * SECOND, 60 * SECOND)


def fetched(ask, out, kept, server=binance, **more):
    """Through a server of the vendor's paths."""
    path = {
        binance: "/api/v3/klines",
        massive: "/v2/aggs/ticker/{ticker}/range/1/minute/{start}/{end}",
        databento: "/v0/timeseries.get_range",
    }[server]

    async def main():
        handler = server(kept, elapsed, **more)
        async with serving(path, handler, "POST" if server is databento else "GET") as base:
            return await (records if server is databento else candles)(ask, out, base)

    return run(main())


def bars(path):
    return np.concatenate([chunk.bars for chunk in chunks(open_source(str(path)))])


def test_candles_of_several_pages_are_one_file_that_a_source_reads(tmp_path):
    kept, out = Kept(), tmp_path / "btc.parquet"
    assert fetched(wanted(), out, kept) == 1_100 and len(kept.asked) == 2
    found, last = bars(out), START // MILLISECOND + 1_099 * MINUTE
    assert found["ts_open"].tolist() == [START + k * 60 * SECOND for k in range(1_100)]
    opened, high, low, close, volume, trades = candle(last)
    units = open_source(str(out)).instruments[0]
    scaled = [found[-1][name] * float(units.tick) for name in ("open", "high", "low", "close")]
    assert scaled == [opened, high, low, close] and found[-1]["trades"] == trades
    assert found[-1]["lots"] * float(units.lot) == volume
    assert [path.name for path in tmp_path.iterdir()] == ["btc.parquet"]


def test_a_server_that_says_later_is_left_alone_for_as_long_as_it_says(tmp_path):
    busy = web.Response(status=429, headers={"Retry-After": "37"})
    kept = Kept(busy, web.Response(status=503))
    fetched(wanted(count=10), tmp_path / "a.parquet", kept)
    waits = np.diff(kept.when)
    assert waits[0] >= 37 and 0.5 <= waits[1] < 5 and len(kept.asked) == 3


@pytest.mark.parametrize("server", [binance, massive])
def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path, server):
    names = {binance: wanted(), massive: wanted("massive-stocks", "AAPL", 80)}
    more = {binance: {}, massive: {"key": KEY}}[server]
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    fetched(names[server], whole, Kept(), server, **more)
    broken = Kept(None, *(web.Response(status=500) for _ in range(8)))
    with pytest.raises(InputError, match=r"answered 500 .*what has come is kept"):
        fetched(names[server], out, broken, server, **more)
    assert not out.exists()
    kept = Kept()
    fetched(names[server], out, kept, server, **more)
    assert len(kept.asked) == 1 and bars(out).tobytes() == bars(whole).tobytes()


def test_pages_of_another_request_are_not_mixed_in(tmp_path):
    out = tmp_path / "out.parquet"
    with pytest.raises(InputError):
        fetched(wanted(), out, Kept(None, *(web.Response(status=500) for _ in range(8))))
    with pytest.raises(InputError, match="of another request"):
        fetched(wanted(symbol="ETHUSDT"), out, Kept())


def test_pages_of_massive_are_followed_on_its_own_server_only(tmp_path):
    ask, out = wanted("massive-crypto", "BTC-USD", 100), tmp_path / "out.parquet"
    kept = Kept()
    assert fetched(ask, out, kept, massive, key=KEY) == 100
    assert "X:BTCUSD" in kept.asked[0].replace("%3A", ":") and "cursor=abc" in kept.asked[1]
    with pytest.raises(InputError, match="no business"):
        there = "http://elsewhere.example"
        fetched(ask, tmp_path / "b.parquet", Kept(), massive, key=KEY, elsewhere=there)


def test_a_refused_key_is_named_by_its_variable_and_shown_nowhere(tmp_path):
    ask = wanted("massive-stocks", "AAPL", 10)
    forbidden = web.json_response({"error": f"key {KEY} may not"}, status=403)
    with pytest.raises(InputError, match="set MASSIVE_API_KEY to a key") as caught:
        fetched(ask, tmp_path / "a.parquet", Kept(forbidden), massive, key=KEY)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown and "key *** may not" in shown
    assert KEY not in "".join(p.read_text() for p in tmp_path.rglob("*.json"))


def test_a_candle_that_has_not_closed_is_left_out(tmp_path):
    now = BEGIN // (60 * SECOND) * 60 * SECOND
    ask = Wanted("binance-spot", "BTCUSDT", now - 300 * SECOND, now + 600 * SECOND, 60 * SECOND)
    assert fetched(ask, tmp_path / "a.parquet", Kept()) == 5


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "has no candles"),
        (b"{", "not understood"),
        (b'[[1,"2"]]', "not understood"),
        (b'[[1698796800000,"2","1","1","1","1",0,"",0]]', "sent no candle"),
        (b'[[1698796800000,"nan","1","1","1","1",0,"",0]]', "sent no candle"),
    ],
)
def test_what_is_no_candle_is_refused_and_nothing_is_written(tmp_path, body, says):
    with pytest.raises(InputError, match=says):
        fetched(wanted(count=10), tmp_path / "a.parquet", Kept(web.Response(body=body)))
    assert not (tmp_path / "a.parquet").exists()


def test_what_cannot_be_asked_is_refused_before_anything_is_asked(tmp_path):
    for change, says in (({"interval": 7 * SECOND}, "has 1s"), ({"end": START}, "--from is not")):
        kept = Kept()
        with pytest.raises(InputError, match=says):
            fetched(wanted()._replace(**change), tmp_path / "a.parquet", kept)
        assert not kept.asked and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("suffix", [".dbn", ".dbn.zst"])
def test_days_of_records_are_one_file_equal_to_that_of_the_vendor(tmp_path, data, suffix):
    path, out = data / OVER_MIDNIGHT, tmp_path / f"es{suffix}"
    recording = Recording(path)
    symbol = Dbn((path,)).instruments[0].symbol
    span = ns("2024-07-01T23:40"), ns("2024-07-02T00:10")
    ask = Wanted(recording.metadata.dataset, symbol, *span, schema="ohlcv-1m")
    broken = Kept(None, None, *(web.Response(status=502) for _ in range(8)))
    with pytest.raises(InputError, match="answered 502"):
        fetched(ask, out, broken, databento, key=KEY, recording=recording)
    kept = Kept()
    fetched(ask, out, kept, databento, key=KEY, recording=recording)
    (form,) = kept.forms
    assert form["start"] == "2024-07-02T00:00:00.000000000Z" and form["symbols"] == symbol
    assert bars(out).tobytes() == bars(path).tobytes() and len(bars(out)) > 20
    assert [file.name for file in tmp_path.iterdir()] == [out.name]


def test_a_day_that_is_cut_off_is_refused_and_asked_for_again(tmp_path, data):
    recording = Recording(data / OVER_MIDNIGHT)
    span = ns("2024-07-01T23:40"), ns("2024-07-02T00:10")
    ask = Wanted(recording.metadata.dataset, "X", *span, schema="ohlcv-1m")
    cut = web.Response(body=recording.head + recording.records[:70])
    with pytest.raises(InputError, match="ends inside it"):
        fetched(ask, tmp_path / "a.dbn", Kept(None, cut), databento, key=KEY, recording=recording)
    kept = Kept()
    fetched(ask, tmp_path / "a.dbn", kept, databento, key=KEY, recording=recording)
    assert len(kept.forms) == 2 and Path(tmp_path / "a.dbn").stat().st_size > 1_000


def test_the_command_writes_what_a_source_reads(tmp_path, capsys):
    from flowsense.cli.fetch import fetch

    out, times = tmp_path / "a.parquet", ("2023-11-01", "2023-11-01T00:10")
    with on_a_thread("/api/v3/klines", binance(Kept(), lambda: 0)) as base:
        fetch("binance-spot", "BTCUSDT", *times, out, "1m", base)
    assert "10 candles of 1m" in capsys.readouterr().out and len(bars(out)) == 10
    with pytest.raises(InputError, match="did you mean binance-spot"):
        fetch("binance-spt", "BTCUSDT", *times, out, "1m", "")


def test_the_command_fetches_records_of_any_schema(tmp_path, capsys, data):
    from flowsense.cli.fetch import fetch

    recording, out = Recording(data / OVER_MIDNIGHT), tmp_path / "es.dbn"
    server = databento(Kept(), lambda: 0, KEY, recording)
    with on_a_thread("/v0/timeseries.get_range", server, "POST") as base:
        venue = f"databento/{recording.metadata.dataset}"
        fetch(venue, "ESU4", "2024-07-01T23:50", "2024-07-02", out, "1m", base)
        with pytest.raises(InputError, match="Databento has mbo"):
            fetch(f"{venue}/mbq", "ESU4", "2024-07-01", "2024-07-02", out, "1m", base)
    assert "bytes of ohlcv-1m" in capsys.readouterr().out and len(bars(out)) == 20


def test_a_folder_is_no_file_and_what_is_no_dbn_is_asked_for_again(tmp_path, data):
    with pytest.raises(InputError, match="is a folder: name a file"):
        fetched(wanted(), tmp_path, Kept())
    span = ns("2024-07-01T23:40"), ns("2024-07-02T00:10")
    ask, out = Wanted("GLBX.MDP3", "X", *span, schema="ohlcv-1m"), tmp_path / "a.dbn"
    recording, page = Recording(data / OVER_MIDNIGHT), b"<html>"
    for nothing in (Kept(web.Response(body=page)), Kept(web.Response(body=page))):
        with pytest.raises(InputError, match=r"is no DBN|ends inside"):
            fetched(ask, out, nothing, databento, key=KEY, recording=recording)


@pytest.mark.parametrize("venue", ["binance-spot", "databento/GLBX.MDP3/mbo"])
def test_a_name_that_would_be_read_as_another_format_is_refused_unasked(tmp_path, venue):
    from flowsense.cli.fetch import fetch

    out = tmp_path / "x.csv"
    with pytest.raises(InputError, match=r"x\.csv: give a name that ends in \.(parquet|dbn)"):
        fetch(venue, "X", "2023-11-01", "2023-11-02", out, "1m", "http://127.0.0.1:9")
    assert not any(tmp_path.iterdir())


def test_every_further_try_is_told(tmp_path, caplog):
    with pytest.raises(InputError, match="8 times"):
        run(candles(wanted(), tmp_path / "a.parquet", "http://127.0.0.1:9"))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 7 and said[0].endswith("try 2 of 8 in 0.5 s")
