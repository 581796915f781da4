"""Prices and sizes as a venue writes them: text, until they are counted in ticks and lots."""

from datetime import datetime
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


def pairs(bids: Any, asks: Any, width: int = 2) -> Levels:
    """Of two lists [["price", "size"], ...], `width` texts a level. Raises ValueError.

    >>> pairs([["61737.6", "0.001"]], [])
    Levels(bids=1, asks=0, text='61737.6,0.001')
    """
    if type(bids) is not list or type(asks) is not list:
        raise ValueError("the levels are no lists")
    both = bids + asks
    if not {*map(type, both)} <= {list} or not {*map(len, both)} <= {width}:
        raise ValueError('a level is not of the form ["price", "size"]')
    both = both if width == 2 else [level[:2] for level in both]
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
        return written(Exact(number))
    except InvalidOperation:
        raise ValueError(f"{number[:40]!r} is no number") from None


def written(number: Exact) -> str:
    """All of its digits, trailing zeros too, without an exponent. Raises ValueError.

    >>> written(Exact("0.50")), written(Exact("1e-7"))
    ('0.50', '0.0000001')
    """
    if not number.is_finite() or not -40 < number.adjusted() < 40:
        raise ValueError(f"{str(number)[:40]!r} is no price and no size")
    return f"{number:f}"


def of(bids: list[tuple[Exact, Exact]], asks: list[tuple[Exact, Exact]]) -> Levels:
    """Of (price, size) as exact numbers. Raises ValueError.

    >>> of([(Exact("61737.6"), Exact("0.001"))], [])
    Levels(bids=1, asks=0, text='61737.6,0.001')
    """
    numbers = [written(number) for level in chain(bids, asks) for number in level]
    return flat(len(bids), len(asks), numbers)


def exactly(text: str) -> int:
    """ns UTC of a time of RFC 3339 that ends with Z. Raises ValueError.

    >>> exactly("2023-10-06T17:35:55.440295Z")
    1696613755440295000
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or len(fraction) > 9 or not (fraction or "0").isdigit():
        raise ValueError(f"{text[:40]!r} is no time like '2023-10-06T17:35:55.440295Z'")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))


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
