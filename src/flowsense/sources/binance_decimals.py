"""Decimal text to exact integers. Nothing here goes through a float."""

from math import gcd
from typing import Any, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import array, compiled, kernel
from flowsense.schema import LARGEST, Decimal

Ints: TypeAlias = NDArray[np.int64]
Divisors: TypeAlias = set[tuple[int, int]]
COMMA, POINT, ZERO, NINE = (ord(c) for c in ",.09")
MOST = 9 * 10**17  # a mantissa up to this can take one more digit
POWERS = np.array([10**k for k in range(19)])


@kernel
def longer(
    c: int, value: int, places: int, zeros: int, ends: int, point: bool
) -> tuple[int, int, int, int, bool]:
    """A number with one more character: its digits, how many of them are behind the point, zeros
    left out that may end it, whether it may end here, whether it has a point.

    Digits below 0 where it is no plain decimal. Equal values have one form, whatever zeros end it.
    """
    if c == POINT and ends and not point:
        return value, places, zeros, 0, True
    if c == ZERO and point:
        return value, places, zeros + 1, 1, True
    if c < ZERO or c > NINE:
        return -1, 0, 0, 0, False
    for _ in range(zeros + 1):
        if value >= MOST:
            return -1, 0, 0, 0, False
        value *= 10
    return value + c - ZERO, places + (zeros + 1 if point else 0), 0, 1, point


@compiled(types.int64(array("i1", readonly=True), array("i8"), array("i8")))
def scan(text: Any, mantissa: Any, decimals: Any) -> int:
    """Comma-separated decimals -> how many, or -1 - index of the first that is not a plain one."""
    n, value, places, zeros, ends, point = 0, 0, 0, 0, 0, False
    for i in range(len(text) + 1):
        c = int(text[i]) if i < len(text) else COMMA
        if c == COMMA and ends:
            mantissa[n], decimals[n] = value, places
            n, value, places, zeros, ends, point = n + 1, 0, 0, 0, 0, False
        else:
            value, places, zeros, ends, point = longer(c, value, places, zeros, ends, point)
            if value < 0:
                return -1 - n
    return n


def numbers(texts: list[str]) -> tuple[Ints, Ints, int]:
    """-> mantissas, decimals, and the index of the first text that is no decimal, or -1.

    >>> mantissa, decimals, bad = numbers(["61737.6300", "0", "5"])
    >>> mantissa.tolist(), decimals.tolist(), bad
    ([6173763, 0, 5], [2, 0, 0], -1)
    """
    text = ",".join(texts).encode()
    room = text.count(b",") + 1
    mantissa, decimals = np.zeros(room, np.int64), np.zeros(room, np.int64)
    n = scan(np.frombuffer(text, np.int8), mantissa, decimals) if texts else 0
    return mantissa[:n], decimals[:n], -1 - n if n < 0 else -1


def common(mantissa: Ints, decimals: Ints) -> Divisors:
    """Each number of decimals with the greatest common divisor of the mantissas that have it."""
    places = np.unique(decimals)
    return {(int(p), int(np.gcd.reduce(mantissa[decimals == p]))) for p in places}


def unit(divisors: Divisors) -> Decimal:
    """The largest decimal of which all are whole multiples: exact; 1 if all are zero.

    >>> unit({(2, 25), (0, 1)})
    Decimal(mantissa=25, exponent=-2)
    """
    places = max((p for p, divisor in divisors if divisor), default=0)
    whole = gcd(*(divisor * 10 ** (places - p) for p, divisor in divisors if divisor)) or 1
    return Decimal(whole, -places)


def multiples(mantissa: Ints, decimals: Ints, of: Decimal) -> tuple[Ints, int]:
    """-> how many units each is, and the index of the first that is not a whole number, or -1.

    More than `LARGEST` units are no number either.
    """
    whole = of.mantissa * 10 ** max(of.exponent, 0)
    missing = -min(of.exponent, 0) - decimals
    power = POWERS[np.clip(missing, 0, 18)]
    fits = (missing >= 0) & (missing <= 18) & (mantissa <= (2**63 - 1) // power)
    count, rest = np.divmod(np.where(fits, mantissa, 0) * power, whole)
    bad = np.flatnonzero(~fits | (rest != 0) | (count > LARGEST))
    return count, int(bad[0]) if len(bad) else -1
