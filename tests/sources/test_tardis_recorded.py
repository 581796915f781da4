"""Tables of Tardis as they were recorded."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.schema import (
    CLEAR,
    GAP,
    LAST,
    SET,
    SNAPSHOT,
    Decimal,
    checked,
)
from flowsense.sources.open import open_source
from flowsense.sources.tardis import open

OPEN = SNAPSHOT | LAST


def all_events(source):
    return checked(np.concatenate(list(source)), len(source.instruments))


@pytest.fixture
def fixtures(data):
    return data / "exchange_json_fixtures/tardis/test_data/csv"


def test_recorded_deltas_with_a_snapshot(fixtures):
    source = open_source(fixtures / "deltas_with_snapshot.csv.zst")
    assert source.instruments[0][:4] == (
        "BTCUSDT",
        "binance-futures",
        Decimal(1, 0),
        Decimal(5, -1),
    )
    names = ("action", "side", "price", "lots", "bits")
    assert [tuple(int(e[n]) for n in names) for e in all_events(source)] == [
        (CLEAR, 0, 0, 0, SNAPSHOT),
        (SET, 1, 50000, 2, SNAPSHOT),
        (SET, -1, 50001, 4, OPEN),
        (SET, 1, 49999, 1, LAST),
        (SET, -1, 50002, 3, LAST),
        (SET, 1, 49998, 0, LAST),
        (CLEAR, 0, 0, 0, SNAPSHOT | GAP),
        (SET, 1, 50100, 6, SNAPSHOT),
        (SET, -1, 50101, 8, OPEN),
        (SET, 1, 50099, 2, LAST),
        (SET, -1, 50102, 4, LAST),
    ]


def test_recorded_times_in_nanoseconds(fixtures):
    (source,) = open([fixtures / "deltas_1.csv.zst"])
    events = all_events(source)
    assert set(events["ts_event"]) == {1585699200245000000}
    assert set(events["ts_recv"]) == {1585699200355684000}
    assert events["price"].tolist() == [0, 12843, 12842]


def test_recorded_trades_with_their_ticker(fixtures):
    paths = [fixtures / f"{name}_1.csv.zst" for name in ("derivative_ticker", "trades")]
    trades, ticker = open(paths)
    events = all_events(trades)
    assert events["side"].tolist() == [0, -1, 1] and events["price"].tolist() == [0, 17063, 17062]
    assert ticker.kinds == (
        "funding_rate",
        "predicted_funding_rate",
        "open_interest",
        "last_price",
        "index_price",
        "mark_price",
    )
    (chunk,) = ticker.chunks()
    assert chunk.observations["value"][:3].tolist() == [0.0001, 0.00012, 1e6]
    assert len(open_source(paths).instruments) == 1


def test_a_recorded_options_chain_is_refused_by_name(data):
    path = data / "exchange_json_fixtures/tardis/test_data/options_chain.csv.zst"
    with pytest.raises(
        InputError, match=r"options_chain.csv.zst: is an options chain, which is no"
    ):
        open_source(path)


def test_recorded_depth_of_binance_is_a_table_of_ticks(data):
    snap, update = (
        data / f"misc_l2/binance_btcusdt-depth-{name}.csv" for name in ("snap", "update")
    )
    book = all_events(open_source(snap))
    assert len(book) == 101 and set(book["bits"][:-1]) == {SNAPSHOT} and book["bits"][-1] == OPEN
    changes = all_events(open_source(update))
    assert len(changes) == 101 and set(changes["ts_recv"]) == {1667347199939 * 10**6}
