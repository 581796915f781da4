"""How an order for one asset is best split over venues: by price after fees, as deep as it goes.

Every level of every book is a price after fees and a number of lots. Taken in the order of that
price they are the cheapest way to fill any size, because each venue's own levels are in that order
too (the costs are convex; Gross 1956). A least size that a venue asks of an order breaks this: so
each set of venues is tried, the least size of each of them taken first, and the best set wins.

Where all venues trade in the same step, no split fills more, and none that fills as much is
cheaper. Where steps differ, a coarse step is exchanged for what is dearest elsewhere as long as
that helps; the best split can be missed by a step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import inf, isfinite
from typing import Any, NamedTuple

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.schema import DEPTH, NEVER, SECOND, WHOLE, Decimal, Instrument

MOST = 8  # venues that are tried in every combination


@dataclass(frozen=True, slots=True)
class Limits:
    """What no order may go beyond."""

    slippage: float = 0.001  # how much worse than the best price of all venues a level may be
    stale_ns: int = 2 * SECOND  # age of a book

    def __post_init__(self) -> None:
        if not 0 <= self.slippage <= 1:
            raise InputError(f"trade: slippage {self.slippage}: give a share from 0 to 1")
        if not 0 < self.stale_ns <= NEVER:
            raise InputError(f"trade: stale after {self.stale_ns} ns: give more than 0")


class Offer(NamedTuple):
    """One venue: its book as of now, what it charges, and how much may be sent there."""

    instrument: Instrument
    book: Any  # BOOK
    ts: int  # ns, as of which the book was so
    state: int = WHOLE  # of a QUOTE
    terms: Terms = Terms()
    notional: float = 0.0  # least value of an order, in the currency of the price
    room: float = inf  # units of the asset that balance and limits leave

    @property
    def name(self) -> str:
        return f"{self.instrument.venue}:{self.instrument.symbol}"


class Leg(NamedTuple):
    """One order of the split."""

    venue: str
    symbol: str
    side: int
    lots: int
    price: int  # ticks: the worst level it reaches
    units: float  # of the asset
    value: float  # at the levels of the book
    fee: float


class Routed(NamedTuple):
    """The split. `cost` is what a unit costs after fees, or brings; nan where nothing is filled."""

    legs: tuple[Leg, ...]
    wanted: float  # units
    filled: float
    cost: float
    alone: float  # the same at the best single venue that fills as much; nan: none does
    refused: tuple[str, ...]  # venues that were left out, and why

    @property
    def saved(self) -> float:
        """Money beside the best single venue; 0 where none could have filled it."""
        if not (self.legs and isfinite(self.alone)):
            return 0.0
        return self.legs[0].side * (self.alone - self.cost) * self.filled


class Step(NamedTuple):
    """A level of one venue."""

    cost: float  # of a unit, after fees; of a sale below 0
    price: int  # ticks
    lots: int


class Market(NamedTuple):
    """A venue that takes part."""

    offer: Offer
    unit: Fraction  # of the asset, in a lot
    steps: tuple[Step, ...]  # the cheapest first
    least: int  # lots of an order
    most: int


def route(
    side: int, units: float, offers: Sequence[Offer], now: int, limits: Limits | None = None
) -> Routed:
    """The split of `units` > 0 of the asset, bought (side 1) or sold (-1).

    Books that are older than the limits, or not whole, are left out and named. Raises InputError
    for no offer, too many, inverse contracts, and amounts that cannot be.
    """
    limits = limits or Limits()
    check(side, units, offers)
    refused, usable, markets = list[str](), list[Offer](), list[Market]()
    for offer in offers:
        if why := unusable(side, offer, now, limits):
            refused.append(f"{offer.name}: {why}")
        else:
            usable.append(offer)
    worst = min((side * touch(side, o) for o in usable), default=0.0) * (1 + side * limits.slippage)
    for offer in usable:
        if (one := market(side, offer, side * worst)).most >= one.least:
            markets.append(one)
        else:
            refused.append(f"{offer.name}: no level within the limits, or too little room")
    wanted, best, alone = near(units), NOTHING, NOTHING
    for few in subsets(len(markets)):
        found = filled([markets[i] for i in few], wanted)
        if found.better(best):
            best = found
        if len(few) == 1 and found.better(alone):
            alone = found
    legs = tuple(leg(side, m.offer, lots, m) for m, lots in best.lots if lots)
    same = alone.units == best.units and best.units > 0
    return Routed(
        *(legs, units, float(best.units), side * best.each()),
        *(side * alone.each() if same else float("nan"), tuple(refused)),
    )


def check(side: int, units: float, offers: Sequence[Offer]) -> None:
    if side not in (1, -1) or not (isfinite(units) and units > 0):
        raise InputError(f"route: side {side}, {units} units: give 1 or -1, and more than 0")
    if not 0 < len(offers) <= MOST:
        raise InputError(f"route: {len(offers)} venues: give 1 to {MOST}")
    for offer in offers:
        if offer.instrument.inverse:
            raise InputError(f"{offer.name}: is an inverse contract: route linear ones alone")


def unusable(side: int, offer: Offer, now: int, limits: Limits) -> str:
    """Why nobody knows what an order would meet there; "" where it is known."""
    age = now - offer.ts
    if offer.state != WHOLE:
        return "its book is not whole"
    if age > limits.stale_ns:
        return f"its book is {age / SECOND:.1f} s old"
    if age < 0:
        return "its book is of the future: set the clock"
    if next(ladder(side, offer.book), None) is None:
        return "nobody is on the other side"
    return ""


def touch(side: int, offer: Offer) -> float:
    """The best price that an order meets, before fees."""
    ticks, _ = next(ladder(side, offer.book))
    return ticks * float(offer.instrument.tick)


def market(side: int, offer: Offer, worst: float) -> Market:
    """What may be taken there, at prices that are no worse than that."""
    i, terms = offer.instrument, offer.terms
    tick, unit = float(i.tick), exact(i.lot) * exact(i.contract)
    each, steps = terms.per_lot / float(unit), list[Step]()
    for price, lots in ladder(side, offer.book):
        value = price * tick
        if side * value > side * worst + 1e-9 * abs(worst):
            break
        steps.append(Step(side * value + terms.taker * abs(value) + each, price, lots))
    deep = sum(step.lots for step in steps)
    room = int(near(offer.room) / unit) if isfinite(offer.room) else deep
    return Market(offer, unit, tuple(steps), least(side, offer, steps, unit), min(room, deep))


def exact(number: Decimal) -> Fraction:
    return number.mantissa * Fraction(10) ** number.exponent


def near(number: float) -> Fraction:
    """What was meant: 0.06 is six hundredths, and not a little less."""
    return Fraction(number).limit_denominator(10**12)


def ladder(side: int, book: Any) -> Iterator[tuple[int, int]]:
    """(ticks, lots) that an order of this side meets, the best first."""
    name = "ask" if side > 0 else "bid"
    for n in range(min(DEPTH, int(book["known"]))):
        if not (lots := int(book[f"{name}_sz"][n])):
            return
        yield int(book[f"{name}_px"][n]), lots


def least(side: int, offer: Offer, steps: Sequence[Step], unit: Fraction) -> int:
    """Lots of an order: at the venue's rule for lots, and worth what it asks for."""
    found = max(offer.terms.least, 1)
    if steps and offer.notional > 0:
        # a sale is priced at its limit, the lowest level within the limits
        price = min(steps[0].price, steps[-1].price) * float(offer.instrument.tick)
        found = max(found, -int(-offer.notional // (price * float(unit))))
    return found


def subsets(n: int) -> Iterator[tuple[int, ...]]:
    for k in range(1, n + 1):
        yield from combinations(range(n), k)


class Filled(NamedTuple):
    """One way to do it."""

    lots: tuple[tuple[Market, int], ...]
    units: Fraction
    cost: float  # of all, after fees; of a sale below 0

    def better(self, other: "Filled") -> bool:
        """More of it, or as much for less; of the same the one with fewer orders."""
        if self.units != other.units:
            return self.units > other.units
        gain = other.cost - self.cost
        return gain > 1e-12 * max(abs(self.cost), abs(other.cost))

    def each(self) -> float:
        return self.cost / float(self.units) if self.units else float("nan")


NOTHING = Filled((), Fraction(0), 0.0)


def filled(markets: Sequence[Market], wanted: Fraction) -> Filled:
    """By these venues, all of them; NOTHING where their least sizes are more than is wanted."""
    took = [m.least for m in markets]
    left = wanted - sum(n * m.unit for n, m in zip(took, markets, strict=True))
    if left < 0:
        return NOTHING
    order = sorted((s.cost, i, n) for i, m in enumerate(markets) for n, s in enumerate(m.steps))
    ends = [ends_of(m) for m in markets]
    for _, i, n in order:
        m = markets[i]
        more = min(ends[i][n] - took[i], m.most - took[i], int(left / m.unit))
        if more > 0:
            took[i] += more
            left -= more * m.unit
    return exchanged(priced(markets, took), wanted)


def priced(markets: Sequence[Market], took: Sequence[int]) -> Filled:
    lots = tuple(zip(markets, took, strict=True))
    units = sum((n * m.unit for m, n in lots), Fraction(0))
    return Filled(lots, units, sum(spent(m, n) for m, n in lots))


def exchanged(found: Filled, wanted: Fraction) -> Filled:
    """The same, or better: a step more where steps are coarse, for the dearest of the others."""
    coarse = [
        k for k, (m, _) in enumerate(found.lots) if m.unit > min(o.unit for o, _ in found.lots)
    ]
    for k in coarse * 2:
        other = exchange(found, k, wanted)
        if other is not None and other.better(found):
            found = other
    return found


def exchange(found: Filled, k: int, wanted: Fraction) -> Filled | None:
    """One more step at the k-th venue; None where there is none, or nobody gives way."""
    markets, took = [m for m, _ in found.lots], [n for _, n in found.lots]
    if took[k] >= markets[k].most:
        return None
    took[k] += 1
    over = found.units + markets[k].unit - wanted
    while over > 0:
        spare = [
            (last(m, took[j]), j)
            for j, m in enumerate(markets)
            if j != k and took[j] > m.least and m.unit <= over
        ]
        if not spare:
            return None
        _, j = max(spare)
        m = markets[j]
        gone = min(int(over / m.unit), took[j] - m.least, took[j] - before(m, took[j]))
        took[j] -= gone
        over -= gone * m.unit
    return priced(markets, took)


def last(m: Market, lots: int) -> float:
    """Of a unit of the dearest level that is taken."""
    return [step.cost for step, _ in walked(m, lots)][-1]


def before(m: Market, lots: int) -> int:
    """Lots of the levels before that one."""
    return sum(taken for _, taken in [*walked(m, lots)][:-1])


def ends_of(m: Market) -> list[int]:
    """Lots until the end of each level."""
    total, found = 0, list[int]()
    for step in m.steps:
        total += step.lots
        found.append(total)
    return found


def spent(m: Market, lots: int) -> float:
    """After fees."""
    return sum(taken * float(m.unit) * step.cost for step, taken in walked(m, lots))


def walked(m: Market, lots: int) -> Iterator[tuple[Step, int]]:
    for step in m.steps:
        if lots <= 0:
            return
        yield step, min(lots, step.lots)
        lots -= step.lots


def leg(side: int, offer: Offer, lots: int, m: Market) -> Leg:
    i, way = offer.instrument, tuple(walked(m, lots))
    unit = float(m.unit)
    value = sum(step.price * float(i.tick) * taken * unit for step, taken in way)
    fee = spent(m, lots) - side * value
    return Leg(i.venue, i.symbol, side, lots, way[-1][0].price, lots * unit, value, fee)
