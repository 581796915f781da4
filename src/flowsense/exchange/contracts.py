"""What lots are worth, gain and cost: linear and inverse contracts, and fees.

A linear contract is settled in the currency of its price, an inverse one in what it is about: its
size is fixed in the currency of the price (100 USD of bitcoin), so its value in bitcoin is size /
price. All functions take numbers or arrays alike, lots of either sign where they are a position.
`kernel(value)` and the others are the same inside a compiled loop.
"""

from math import isfinite
from typing import Any, NamedTuple

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.schema import Instrument


class Contract(NamedTuple):
    """The numbers of an instrument that money needs."""

    tick: float  # price of one tick
    size: float  # of one lot: units of the underlying, or of the currency of the price if inverse
    inverse: bool


def contract(instrument: Instrument) -> Contract:
    """Of an Instrument: 1 lot is `lot` lot units of `contract` each."""
    size = float(instrument.lot) * float(instrument.contract)
    return Contract(float(instrument.tick), size, instrument.inverse)


def value(c: Contract, price: Any, lots: Any) -> Any:
    """What `lots` are worth at `price` ticks, in the currency of settlement."""
    if c.inverse:
        return lots * c.size / (price * c.tick)
    return lots * c.size * (price * c.tick)


def gain(c: Contract, before: Any, after: Any, lots: Any) -> Any:
    """Of a position of `lots` (short below 0) while the price goes from `before` to `after`."""
    if c.inverse:
        return lots * c.size * (1.0 / (before * c.tick) - 1.0 / (after * c.tick))
    return lots * c.size * ((after - before) * c.tick)


def fee(c: Contract, terms: Terms, price: Any, lots: Any, maker: Any) -> Any:
    """Of an execution of `lots` > 0; `maker` 1 or 0. Below 0: a rebate."""
    share = maker * (terms.maker - terms.rebate) + (1 - maker) * terms.taker
    each = terms.per_lot * lots
    return share * value(c, price, lots) + (each / (price * c.tick) if c.inverse else each)


def checked(terms: Terms) -> Terms:
    """Terms that can be. Raises InputError."""
    for name, number in terms._asdict().items():
        if not isfinite(number):
            raise InputError(f"terms: {name} {number}, give a number")
        if number < 0 and name != "funding":
            hint = "; what a maker is paid is `rebate`" if name == "maker" else ""
            raise InputError(f"terms: {name} {number}, give 0 or more{hint}")
    for name in ("least", "funding_ns"):
        if (number := getattr(terms, name)) < 1 or number != int(number):
            raise InputError(f"terms: {name} {number}, give a whole number of at least 1")
    return terms
