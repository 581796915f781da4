"""Massive and Databento in their own protocols: served, recorded, and replayed to the bit."""

import pytest
from serve.parity import alike
from serve.raw import Databento

from flowsense.replay import speaker
from flowsense.replay.databento import Recording
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import Decimal, Instrument
from flowsense.testing.fitted import save
from flowsense.testing.streams import Recording as Memory
from flowsense.testing.toy import by_level, by_order, merge

pytestmark = pytest.mark.slow
KEY = "db-0123456789abcdefghijklmnopqrst"
SMALL, CENT_PART, SHARE = Decimal(1, -8), Decimal(1, -4), Decimal(1, 0)


@pytest.fixture(scope="module", params=["interval:100ms"])
def model(tmp_path_factory, request):
    return save(tmp_path_factory.mktemp("vendors") / "model", clocks=(request.param,))


@pytest.mark.parametrize(
    ("name", "symbols", "units"),
    [
        ("massive-stocks", ("MSFT", "AAPL"), (CENT_PART, SHARE)),
        ("massive-crypto", ("BTC-USD@1", "ETH-USD@1"), (SMALL, SMALL)),
        ("massive-crypto-quotes", ("BTC-USD@1", "ETH-USD@1"), (SMALL, SMALL)),
    ],
)
def test_quotes_books_and_trades_of_massive(name, symbols, units, model, tmp_path, monkeypatch):
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    table = tuple(Instrument(symbol, name, *units, depth=100) for symbol in symbols)
    events = merge(*(by_level(by_order(600, 5 + k, k)) for k in range(2)))
    replay = Replay(Messages(Memory(table, events)), speaker(name)(table))
    wanted = tuple(f"{name}:{symbol}" for symbol in symbols)
    pipeline, rows = alike({name: replay}, wanted, model, tmp_path / "lake", seconds=3.0)
    assert len(rows) > 20 and pipeline.session.feeds[0].decoder.errors == []


@pytest.mark.parametrize("model", ["events:50"], indirect=True)
@pytest.mark.parametrize("records", [20_000, pytest.param(77_517, marks=pytest.mark.soak)])
def test_orders_of_databento(data, model, tmp_path, monkeypatch, records):
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    days = (data / f"dbn/nautilus/esh4-glbx-mdp3-202312{day}.mbo.dbn.zst" for day in (24, 25))
    told, later = map(Recording, days)
    told.records = (told.records + later.records)[: 56 * records]
    other = Recording(data / "dbn/databento-python/GLBX.MDP3/test_data.definition.dbn.zst")
    definition = other.head + other.records.replace(b"ESH1", b"ESH4")
    name = "databento/GLBX.MDP3/mbo"
    venues = {name: Databento(told, KEY, definition)}
    _, rows = alike(venues, (f"{name}:ESH4",), model, tmp_path / "lake", seconds=3.0)
    assert len(rows) > 20
