"""The books that a served venue shows, and its numbers as the text that it would write."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from flowsense.schema import (
    CLEAR,
    GAP,
    MILLISECOND,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    Decimal,
    Events,
    Instrument,
)


class View(NamedTuple):
    """Levels, ticks to lots, from the touch outwards; of changes, 0 lots where one is gone."""

    bids: dict[int, int]
    asks: dict[int, int]


class Turn(NamedTuple):
    """What a message did besides changing levels."""

    trades: Events
    anew: bool  # the book began again: who has subscribed gets a snapshot
    lost: bool  # it is not known from here on
    phase: int | None


def told(shelf: "Shelf", events: Events) -> Turn:
    """One message, into the shelf."""
    shelf.apply(events)
    return turned(events)


def turned(events: Events) -> Turn:
    cleared = events[events["action"] == CLEAR]
    status = events[events["action"] == STATUS]
    return Turn(
        events[events["action"] == TRADE],
        anew=bool((cleared["bits"] & SNAPSHOT).any()),
        lost=bool((cleared["bits"] & GAP).any()),
        phase=int(status["lots"][-1]) if len(status) else None,
    )


@dataclass
class Shelf:
    """One instrument's book by level, in ticks and lots."""

    instrument: Instrument
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    sequence: int = 0  # messages that changed it, or the venue's own number

    def apply(self, events: Events) -> None:
        """One message: its SETs and CLEARs."""
        for e in events:
            if e["action"] == CLEAR:
                self.bids.clear()
                self.asks.clear()
            elif e["action"] == SET:
                side = self.bids if e["side"] > 0 else self.asks
                side[int(e["price"])] = int(e["lots"])
                if not e["lots"]:
                    del side[int(e["price"])]

    def shown(self, events: Events, *depths: int) -> tuple[View, ...]:
        """One message likewise; what it changes in a view of so many levels a side, for each."""
        sets, most = events[events["action"] == SET], max(len(self.bids), len(self.asks))
        before = {depth: self.view(depth) for depth in depths if most + len(sets) > depth}
        self.apply(events)
        bids, asks = (sets["price"][sets["side"] == side].tolist() for side in (1, -1))
        near = View({p: self.bids.get(p, 0) for p in bids}, {p: self.asks.get(p, 0) for p in asks})
        return tuple(
            changed(before[depth], self.view(depth)) if depth in before else near
            for depth in depths
        )

    def best(self, side: int, depth: int = 10**9) -> Iterator[tuple[int, int]]:
        """Levels from the touch outwards: +1 bids, -1 asks."""
        levels = self.bids if side > 0 else self.asks
        for price in sorted(levels, reverse=side > 0)[:depth]:
            yield price, levels[price]

    def view(self, depth: int = 10**9) -> View:
        return View(dict(self.best(1, depth)), dict(self.best(-1, depth)))

    def differ(self, was: View, now: View) -> View:
        """Levels that a view must be told of: new, changed, or gone from the whole book."""
        held = self.bids, self.asks
        gone = [{p: 0 for p in old if p not in all_} for old, all_ in zip(was, held, strict=True)]
        come = [
            {p: n for p, n in new.items() if old.get(p) != n}
            for old, new in zip(was, now, strict=True)
        ]
        return View(gone[0] | come[0], gone[1] | come[1])

    def price(self, ticks: int) -> str:
        return text(ticks, self.instrument.tick)

    def size(self, lots: int) -> str:
        return text(lots, self.instrument.lot)


def listed(unit: Decimal) -> str:
    """A tick or a lot as a plain decimal."""
    return text(1, unit)


def changed(was: View, now: View) -> View:
    """What levels are now that are not as they were."""
    bids, asks = (
        {price: 0 for price in old if price not in new}
        | {price: lots for price, lots in new.items() if old.get(price) != lots}
        for old, new in zip(was, now, strict=True)
    )
    return View(bids, asks)


def asking(text: bytes) -> dict[str, Any]:
    """What a client says, or nothing where it is no object of JSON."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def milliseconds(event: Events) -> int:
    """The venue's clock, or ours where it is not known."""
    return int(event["ts_event"] or event["ts_recv"]) // MILLISECOND


def shortest(number: str) -> str:
    """Without zeros that say nothing.

    >>> shortest("30244.0"), shortest("1.50"), shortest("100")
    ('30244', '1.5', '100')
    """
    return number.rstrip("0").rstrip(".") if "." in number else number


def text(count: int, unit: Decimal) -> str:
    """So many units as a plain decimal, with the digits that the unit has.

    >>> text(617376, Decimal(1, -1)), text(3, Decimal(25, -2)), text(2, Decimal(1, 1))
    ('61737.6', '0.75', '20')
    """
    value = count * unit.mantissa * 10 ** max(unit.exponent, 0)
    places = max(-unit.exponent, 0)
    if not places:
        return str(value)
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}d}"
