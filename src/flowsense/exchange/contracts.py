"""What lots are worth, gain and cost: linear and inverse contracts, and fees.

A linear contract is settled in the currency of its price, an inverse one in what it is about: its
size is fixed in the currency of the price (100 USD of bitcoin), so its value in bitcoin is size /
price. One lot at a price of so many ticks is worth::

    linear    price * unit
    inverse   -unit / price       in what it is about, which grows as the price falls

All functions take numbers or arrays alike, lots of either sign where they are a position, and are
the same inside a compiled loop, where a record with the fields of a `Contract` may stand for one.
"""

from math import isfinite
from typing import Any, NamedTuple

from flowsense._jit import either
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.schema import Instrument

NOTHING = Terms()


class Contract(NamedTuple):
    """The numbers of an instrument that money needs."""

    unit: float  # currency of one lot and tick; inverse: what it is about, times ticks
    inverse: bool
    maker: float = 0.0  # fee, as a share of the value, less the rebate
    taker: float = 0.0
    each: float = 0.0  # fee for each lot, in what `unit` is


def contract(instrument: Instrument, terms: Terms = NOTHING) -> Contract:
    """Of an Instrument: 1 lot is `lot` lot units of `contract` each."""
    tick, size = float(instrument.tick), float(instrument.lot) * float(instrument.contract)
    maker = terms.maker - terms.rebate
    if instrument.inverse:
        return Contract(size / tick, True, maker, terms.taker, terms.per_lot / tick)
    return Contract(size * tick, False, maker, terms.taker, terms.per_lot)


@either
def worth(c: Any, price: Any) -> Any:
    """Of one lot, long, at `price` ticks; it rises with the price, and of an inverse is below 0."""
    return -c.unit / price if c.inverse else price * c.unit


@either
def value(c: Any, price: Any, lots: Any) -> Any:
    """What `lots` are worth at `price` ticks, in the currency of settlement."""
    return lots * abs(worth(c, price))


@either
def gain(c: Any, before: Any, after: Any, lots: Any) -> Any:
    """Of a position of `lots` (short below 0) while the price goes from `before` to `after`."""
    if c.inverse:
        return lots * (worth(c, after) - worth(c, before))
    return lots * ((after - before) * c.unit)  # a difference of ticks is exact


@either
def fee(c: Any, price: Any, lots: Any, maker: bool) -> Any:
    """Of an execution of `lots` > 0 that rested or took. Below 0: a rebate."""
    share = c.maker if maker else c.taker
    return value(c, price, lots) * share + (c.each * lots / price if c.inverse else c.each * lots)


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
