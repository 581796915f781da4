"""Whose row is brought, where a symbol is heard at several venues."""

import pytest

from flowsense.errors import InputError
from flowsense.schema import Decimal, Instrument
from flowsense.serve.asking import place

TABLE = tuple(Instrument(s, v, Decimal(1, -2), Decimal(1, 0)) for s, v in
              (("BTC", "okx"), ("BTC", "coinbase"), ("ETH", "okx")))  # fmt: skip


def test_a_symbol_heard_at_several_venues_has_to_say_which():
    assert place(TABLE, "ETH") == 2
    assert place(TABLE, "BTC", "okx") == 0 and place(TABLE, "BTC", "coinbase") == 1
    with pytest.raises(InputError, match="several venues: name one of okx, coinbase"):
        place(TABLE, "BTC")


def test_what_is_not_heard_is_told_with_what_is():
    with pytest.raises(InputError, match="'coinbase:ETH' is not heard: known are okx:BTC, coin"):
        place(TABLE, "ETH", "coinbase")
