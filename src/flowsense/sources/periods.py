"""Lengths of time as options say them, up to days: ``16h``, ``1d``, ``0s``."""

import re

from flowsense.forecast import duration, spell
from flowsense.schema import DAY, SECOND

LONG = (("d", DAY), ("h", 3600 * SECOND))


def period(text: str) -> int:
    """ns, 0 too. Raises InputError.

    >>> period("16h") // SECOND
    57600
    """
    if re.fullmatch(r"0+(ns|us|ms|s|m|h|d)", text):
        return 0
    if match := re.fullmatch(r"(\d{1,5})([dh])", text):
        return int(match[1]) * dict(LONG)[match[2]]
    return duration(text)


def spelled(ns: int) -> str:
    """The shortest text that `period` reads back."""
    return next((f"{ns // size}{unit}" for unit, size in LONG if ns % size == 0), spell(ns))
