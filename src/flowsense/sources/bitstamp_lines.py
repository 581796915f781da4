"""Recorded lines, `ms kind {json}` each, to what they say in whole ticks and lots."""

from collections.abc import Iterator
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from flowsense.errors import InputError
from flowsense.schema import MILLISECOND, Decimal
from flowsense.sources.binance_decimals import multiples, numbers
from flowsense.sources.files import Block

NEAR = 1e-9  # of a price or size: a trade is told in binary floats
SIDES = {0: 1, 1: -1}  # order_type


class Kind(Enum):
    CREATED, CHANGED, DELETED = "order_created", "order_changed", "order_deleted"
    TRADE, BOOK = "trade", "order_book"


ORDERS = (Kind.CREATED, Kind.CHANGED, Kind.DELETED)


class Unit(NamedTuple):
    """What one recording counts in."""

    tick: Decimal
    lot: Decimal


class Said(NamedTuple):
    """One line before its numbers are read."""

    number: int
    ts: int  # ns, the recorder's
    kind: Kind
    id: int  # of the order or trade, 0 of a book
    side: int  # of the order: +1 bid, -1 ask
    bids: int  # levels; an order and a trade are one
    texts: list[str]  # price, size, price, size, ... bids first


class Line(NamedTuple):
    """What one line says; `levels` are (price in ticks, size in lots), bids first."""

    number: int
    ts: int
    kind: Kind
    id: int
    side: int
    bids: int
    levels: list[tuple[int, int]]


def parse(path: Path, block: Block, unit: Unit) -> Iterator[Line]:
    """The lines of a block. Raises InputError that names file, line and value."""
    said = []
    for number, text in enumerate(block.data.splitlines(), block.first):
        try:
            said.append(_said(number, text, unit))
        except (KeyError, ValueError) as error:
            why = f"has no field {error}" if isinstance(error, KeyError) else str(error)
            raise refused(path, number, why) from None
    values = _whole(path, said, unit)
    at = 0
    for s in said:
        n = len(s.texts) // 2
        yield Line(*s[:6], values[at : at + n])
        at += n


def _said(number: int, text: bytes, unit: Unit) -> Said:
    stamp, name, body = (*text.split(b" ", 2), b"", b"")[:3]
    if len(stamp) != 13 or not stamp.isdigit():
        raise ValueError(f"{_short(stamp)} is no time of 13 digits (ms)")
    try:
        kind = Kind(name.decode("ascii", "replace"))
    except ValueError:
        raise ValueError(f"{_short(name)} is no kind of line, such as order_created") from None
    try:
        d = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"what follows {kind.value} is not JSON ({error})") from None
    if not isinstance(d, dict):
        raise ValueError(f"what follows {kind.value} is no JSON object")
    ts = int(stamp) * MILLISECOND
    if kind is Kind.BOOK:
        bids, asks = _levels(d["bids"]), _levels(d["asks"])
        return Said(number, ts, kind, 0, 0, len(bids) // 2, bids + asks)
    if kind is Kind.TRADE:
        texts = [_float(d["price"], unit.tick), _float(d["amount"], unit.lot)]
        return Said(number, ts, kind, _id(d), 0, 1, texts)
    price, amount, side = d["price"], d["amount"], d["order_type"]
    if type(price) is not str or type(amount) is not str:
        raise ValueError("price or amount is not a text like '236.47'")
    if type(side) is not int or side not in SIDES:
        raise ValueError(f"order_type {_short(side)} is neither 0 (buy) nor 1 (sell)")
    return Said(number, ts, kind, _id(d), SIDES[side], 1, [price, amount])


def _levels(levels: Any) -> list[str]:
    """[["price", "size"], ...] as a flat list."""
    if type(levels) is not list or {*map(type, levels)} - {list} or {*map(len, levels)} - {2}:
        raise ValueError('a level is not of the form ["price", "size"]')
    flat = list(chain.from_iterable(levels))
    if {*map(type, flat)} - {str}:
        raise ValueError("a price or size is not a text like '236.47'")
    return flat


def _float(value: Any, unit: Decimal) -> str:
    """235.02000000000001 as the decimal it stands for."""
    if type(value) not in (int, float) or not 0 < value < 1e15:
        raise ValueError(f"price or amount {_short(value)} is no number above 0")
    text = f"{value:.{max(-unit.exponent, 0)}f}"
    if abs(float(text) - value) > NEAR * value:
        raise ValueError(f"{_short(value)} is no multiple of {float(unit)}: give a finer unit")
    return text


def _id(d: dict[str, Any]) -> int:
    value = d["id"]
    if type(value) is not int or not 0 < value < 2**62:
        raise ValueError(f"id {_short(value)} is no whole number above 0")
    return value


def _whole(path: Path, said: list[Said], unit: Unit) -> list[tuple[int, int]]:
    """All levels of the lines in ticks and lots. Raises InputError."""
    texts = list(chain.from_iterable(s.texts for s in said))
    comma = [k for k, text in enumerate(texts) if "," in text]
    mantissa, decimals, bad = numbers(texts)
    if comma or bad >= 0:
        k = comma[0] if comma else bad
        raise _wrong(path, said, k, "is no plain decimal of at most 18 digits, 0 or above")
    columns = []
    for k, (name, one) in enumerate(zip(("tick", "lot"), unit, strict=True)):
        count, bad = multiples(mantissa[k::2], decimals[k::2], one)
        if bad >= 0:
            raise _wrong(path, said, 2 * bad + k, f"is no multiple of the {name} {float(one)}")
        columns.append(count)
    if not columns[0].all():
        raise _wrong(path, said, 2 * int((columns[0] == 0).argmax()), "must be above 0")
    values = list(zip(*(column.tolist() for column in columns), strict=True))
    at = 0
    for s in said:
        n = len(s.texts) // 2
        if s.kind is not Kind.CHANGED and s.kind is not Kind.DELETED:
            for k in range(at, at + n):
                if not values[k][1]:
                    raise _wrong(path, said, 2 * k + 1, "must be above 0")
        at += n
    return values


def _wrong(path: Path, said: list[Said], number: int, why: str) -> InputError:
    """The error of the number at this place of all their numbers."""
    for s in said:
        if number < len(s.texts):
            name = ("price", "size")[number % 2]
            return refused(path, s.number, f"{name} {_short(s.texts[number])} {why}")
        number -= len(s.texts)
    raise IndexError(number)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def refused(path: Path, number: int, why: str) -> InputError:
    return InputError(f"{path}: line {number}: {why}: cut the file there or download it again")
