"""Ticks and lots that recordings used together must share, and how a source is read in others."""

from collections.abc import Mapping
from math import gcd
from typing import TypeAlias, TypeVar

from flowsense.errors import InputError
from flowsense.schema import Decimal, Instrument
from flowsense.sources import Source

Key: TypeAlias = tuple[str, str]  # symbol and venue
S = TypeVar("S", bound=Source)


class Unit(Decimal):
    """A tick or a lot as every format takes it: some read numbers, some the text."""

    def __str__(self) -> str:
        digits = str(self.mantissa).rjust(1 - self.exponent, "0")
        whole = len(digits) + min(self.exponent, 0)
        point = "." if self.exponent < 0 else ""
        return digits[:whole] + point + digits[whole:] + "0" * max(self.exponent, 0)

    @classmethod
    def parse(cls, name: str, text: str) -> "Unit":
        """Exactly, from text like ``0.01``. Raises InputError."""
        whole, _, decimals = text.partition(".")
        digits = whole + decimals
        if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
            raise InputError(f"--{name} {text!r}: write a number above 0, like 0.01")
        return cls(int(digits), -len(decimals))


Pair: TypeAlias = tuple[Unit, Unit]  # tick and lot
Units: TypeAlias = Mapping[Key, Pair]


def key_of(instrument: Instrument) -> Key:
    return instrument.symbol, instrument.venue


def common(a: Decimal, b: Decimal) -> Unit:
    """The greatest common divisor, in lowest terms."""
    exponent = min(a.exponent, b.exponent)
    x, y = (u.mantissa * 10 ** (u.exponent - exponent) for u in (a, b))
    mantissa = gcd(x, y)
    while mantissa % 10 == 0 and exponent < 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    return Unit(mantissa, exponent)


def shared(instruments: list[Instrument]) -> Units:
    """Of each symbol and venue, what all its ticks and all its lots are multiples of."""
    units: dict[Key, Pair] = {}
    for i in instruments:
        tick, lot = units.get(key_of(i), (Unit(*i.tick), Unit(*i.lot)))
        units[key_of(i)] = common(tick, i.tick), common(lot, i.lot)
    return units


def other(source: Source, units: Units) -> Pair | None:
    """What to read a source in; None where it is. Raises InputError where no pair suits it all."""
    table = source.instruments
    asked = [units[key_of(i)] for i in table]
    if asked == [(common(i.tick, i.tick), common(i.lot, i.lot)) for i in table]:
        return None
    if len(set(asked)) > 1:
        raise refused(source)
    return asked[0]


def unchanged(source: S, units: Units) -> S:
    """For a format that says its units: the source itself. Raises InputError for others."""
    if other(source, units) is not None:
        raise refused(source)
    return source


def refused(source: Source) -> InputError:
    return InputError(
        f"{source.name}: its tick {float(source.instruments[0].tick)} is another in the other "
        "recordings: give --tick and --lot, or record it again"
    )
