"""Every venue whose messages are numbered: what is heard again, or late, makes no other book."""

import pytest
from sources.venues import test_bitfinex as bitfinex
from sources.venues import test_bybit as bybit
from sources.venues import test_coinbase as coinbase
from sources.venues import test_deribit as deribit
from sources.venues import test_gate as gate
from sources.venues import test_kucoin as kucoin
from sources.venues import test_okx as okx
from sources.venues.talk import told_again, told_with_holes

from flowsense.schema import Decimal, Instrument

BINANCE = Instrument("BTCUSDT", "binance-spot", Decimal(1, -1), Decimal(1, -3))
TABLES = {
    "binance-spot": (BINANCE, BINANCE._replace(symbol="ETHUSDT")),
    "binance-usdm": (BINANCE._replace(venue="binance-usdm"),),
    "bitfinex": bitfinex.TABLE,
    "bybit-linear": (bybit.BTC, bybit.ETH),
    "coinbase": (coinbase.BTC, coinbase.ETH),
    "deribit": deribit.TABLE,
    "gate": gate.TABLE,
    "kucoin": kucoin.TABLE,
    "okx": (okx.SPOT, okx.SWAP),
}


@pytest.mark.parametrize("name", TABLES)
def test_messages_that_are_heard_again_change_nothing(name):
    told_again(name, TABLES[name], 1)


@pytest.mark.parametrize("name", TABLES)
def test_messages_that_are_overtaken_are_holes_or_nothing(name):
    assert told_with_holes(name, TABLES[name], 1, n=60, drop=0.3, swaps=True).seen


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_messages_out_of_order_of_many_seeds(name):
    for seed in range(2, 12):
        told_again(name, TABLES[name], seed, 40)
        told_with_holes(name, TABLES[name], seed, n=30, drop=0.3, swaps=True)
