"""The instrument table as JSON, as it stands in recordings and checkpoints."""

from typing import Any

from flowsense.errors import InputError
from flowsense.schema import Decimal, Instrument

KINDS = {"symbol": str, "venue": str, "inverse": bool, "by_order": bool, "depth": int}
DECIMALS = ("tick", "lot", "contract")


def encode(instruments: tuple[Instrument, ...]) -> list[dict[str, Any]]:
    """Decimals become [mantissa, exponent], so nothing is rounded."""
    return [
        {k: list(v) if isinstance(v, Decimal) else v for k, v in i._asdict().items()}
        for i in instruments
    ]


def decode(table: Any) -> tuple[Instrument, ...]:
    """The inverse of `encode`, for what comes from disk. Raises InputError."""
    if not isinstance(table, list):
        raise InputError("instrument table: not a list")
    return tuple(instrument(n, row) for n, row in enumerate(table))


def instrument(n: int, row: Any) -> Instrument:
    if not isinstance(row, dict) or set(row) != set(Instrument._fields):
        raise InputError(f"instrument table: entry {n} does not hold {Instrument._fields}")
    for name, kind in KINDS.items():
        if type(row[name]) is not kind:
            raise InputError(f"instrument table: {name} of entry {n} is {row[name]!r}")
    decimals = {name: decimal(n, name, row[name]) for name in DECIMALS}
    return Instrument(**(row | decimals))


def decimal(n: int, name: str, value: Any) -> Decimal:
    whole = isinstance(value, list) and len(value) == 2 and all(type(v) is int for v in value)
    if not whole or value[0] <= 0 or abs(value[1]) > 30:
        raise InputError(f"instrument table: {name} of entry {n} is {value!r}")
    return Decimal(*value)
