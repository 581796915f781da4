"""Prices and sizes as a venue writes them: text, until they are counted in ticks and lots."""

from decimal import Decimal as Exact
from decimal import InvalidOperation
from itertools import chain
from typing import Any, NamedTuple

from flowsense.schema import Decimal


class Levels(NamedTuple):
    """Of an update or a snapshot, or the one price and size of a trade by its aggressor."""

    bids: int
    asks: int
    text: str  # price,size,price,size,... bids first

    @property
    def total(self) -> int:
        return self.bids + self.asks


def pairs(bids: Any, asks: Any) -> Levels:
    """Of two lists [["price", "size"], ...]. Raises ValueError.

    >>> pairs([["61737.6", "0.001"]], [])
    Levels(bids=1, asks=0, text='61737.6,0.001')
    """
    if type(bids) is not list or type(asks) is not list:
        raise ValueError("the levels are no lists")
    both = bids + asks
    if not {*map(type, both)} <= {list} or not {*map(len, both)} <= {2}:
        raise ValueError('a level is not of the form ["price", "size"]')
    return flat(len(bids), len(asks), [*chain.from_iterable(both)])


def flat(bids: int, asks: int, numbers: list[str]) -> Levels:
    """Of price, size, price, size, ... bids first. Raises ValueError."""
    try:
        text = ",".join(numbers)
    except TypeError:
        raise ValueError("a price or size is not a text like '61800.20'") from None
    if numbers and text.count(",") != len(numbers) - 1:
        raise ValueError("a price or size holds a comma")
    if len(numbers) != 2 * (bids + asks):
        raise ValueError(f"{len(numbers)} numbers are not {bids} bids and {asks} asks")
    return Levels(bids, asks, text)


def plain(number: str) -> str:
    """Without an exponent, which some venues write small numbers with. Raises ValueError.

    >>> plain("1e-7")
    '0.0000001'
    """
    if "e" not in number and "E" not in number:
        return number
    try:
        value = Exact(number)
    except InvalidOperation:
        raise ValueError(f"{number[:40]!r} is no number") from None
    if not value.is_finite() or not -40 < value.adjusted() < 40:
        raise ValueError(f"{number[:40]!r} is no price and no size")
    return f"{value:f}"


def decimal(number: str) -> Decimal:
    """A tick or a lot. Raises ValueError for what is not above 0.

    >>> decimal("0.0100"), decimal("1e-8")
    (Decimal(mantissa=1, exponent=-2), Decimal(mantissa=1, exponent=-8))
    """
    sign, digits, exponent = Exact(plain(number)).normalize().as_tuple()
    mantissa = int("".join(map(str, digits)))
    if sign or not mantissa or not isinstance(exponent, int):
        raise ValueError(f"{number[:40]!r} is no tick and no lot: it is not above 0")
    return Decimal(mantissa, exponent)
