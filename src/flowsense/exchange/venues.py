"""What venues charge who has just come: fees by venue and product, as they publicly stated them.

Fees change, differ by country and fall with volume, coins held and promotions: these are a place to
begin, and to be checked against the venue's own page before a figure made with them is believed.
"""

from typing import NamedTuple

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.registry import unknown

STATED = "2025"  # the year as of which they were written down
BP = 1e-4


class Fees(NamedTuple):
    """Of one product of a venue, at its lowest tier."""

    line: str  # what it is
    terms: Terms = Terms()
    each: float = 0.0  # either way for each unit: of a share, in the currency of its price


def shares(line: str, maker: float, taker: float) -> Fees:
    """Of fees in basis points of the value; a maker's below 0 is a rebate."""
    return Fees(line, Terms(BP * max(maker, 0), BP * taker, BP * max(-maker, 0)))


VENUES = {
    "binance-spot": shares("spot", 10, 10),
    "binance-usdm": shares("perpetuals and futures settled in USDT", 2, 5),
    "binance-coinm": shares("perpetuals and futures settled in the coin, inverse", 2, 5),
    "bitfinex-spot": shares("spot", 10, 20),
    "bitstamp-spot": shares("spot", 30, 40),
    "bybit-spot": shares("spot", 10, 10),
    "bybit-linear": shares("perpetuals settled in USDT", 2, 5.5),
    "bybit-inverse": shares("perpetuals settled in the coin, inverse", 2, 5.5),
    "coinbase-advanced": shares("spot", 40, 60),
    "deribit-perpetual": shares("perpetuals on bitcoin and ether, inverse", 0, 5),
    "hyperliquid-perpetual": shares("perpetuals settled in USDC", 1.5, 4.5),
    "kraken-spot": shares("Kraken Pro, spot", 25, 40),
    "kraken-futures": shares("perpetuals and futures", 2, 5),
    "okx-spot": shares("spot", 8, 10),
    "okx-swap": shares("perpetuals", 2, 5),
    "us-equities": Fees(
        "a broker's .35 cents a share; without what exchanges charge takers and pay makers, "
        "up to .3 cents a share, and without least fees of an order",
        each=0.0035,
    ),
}


def fees(name: str) -> Fees:
    """Those of that name. Raises InputError with the closest where there is none."""
    if name not in VENUES:
        raise InputError(unknown("venue", name, tuple(VENUES)))
    return VENUES[name]


def told(fees: Fees) -> str:
    """``maker 2, taker 5 bp``."""
    maker, taker = (x / BP for x in (fees.terms.maker - fees.terms.rebate, fees.terms.taker))
    if fees.each:
        return f"{fees.each:g} for each unit"
    return f"maker {maker:g}, taker {taker:g} bp"
