"""What an account has sent and holds, as far as its journal says: a fold over its records."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from flowsense.trade import DONE, Order, Told

ID = "fs{salt}{number:08x}"  # letters and digits, 16: what every venue takes


class Sent(NamedTuple):
    """An order that was written down to be sent, and what is known of it."""

    order: Order
    ts: int  # ns UTC
    told: Told | None = None


@dataclass
class Account:
    """Positions are in lots, of what was bought and sold here."""

    salt: str = ""  # of its ids; "": nothing was recorded yet
    numbers: int = 0  # of orders so far
    live: dict[str, Sent] = field(default_factory=dict)  # whose end is not known, by id
    base: dict[str, Decimal] = field(default_factory=dict)  # lots that were there before
    lots: dict[str, Decimal] = field(default_factory=dict)  # since then, by ``venue:symbol``
    money: float = 0.0  # taken in less paid, fees too
    fees: float = 0.0
    filled: int = 0  # orders, in part or whole
    refused: int = 0  # by the venue, or never arrived
    marks: dict[str, float] = field(default_factory=dict)  # of the loss that is watched
    plans: dict[str, list[float]] = field(default_factory=dict)  # of who decides, by asset

    def next(self) -> str:
        """The id of the next order: it follows from what is recorded, so none is given twice."""
        return ID.format(salt=self.salt, number=self.numbers)

    def position(self, where: str) -> Decimal:
        return self.lots.get(where, Decimal(0))

    def apply(self, record: dict[str, Any]) -> None:
        """One record, in the order in which they were written."""
        match record["do"]:
            case "begin":
                self.salt = record["salt"]
                self.base = {k: Decimal(v) for k, v in record["base"].items()}
            case "send":
                order = Order(**record["order"])
                self.live[order.id] = Sent(order, record["ts"])
                self.numbers += 1
            case "told":
                self._told(Told(**record["told"] | {"kept": Decimal(record["told"]["kept"])}))
            case "gone":
                self.live.pop(record["id"], None)
                self.refused += 1
            case "marks":
                self.marks = record["marks"]
            case "plan":
                self.plans[record["asset"]] = record["plan"]

    def _told(self, told: Told) -> None:
        sent = self.live.get(told.id)
        if sent is None:
            return
        order, before = (
            sent.order,
            sent.told or told._replace(filled=0, value=0.0, fee=0.0, kept=Decimal(0)),
        )
        bought = order.side * (told.filled - before.filled) - (told.kept - before.kept)
        self.lots[order.where] = self.position(order.where) + bought
        self.money -= order.side * (told.value - before.value) + told.fee - before.fee
        self.fees += told.fee - before.fee
        self.filled += before.filled == 0 < told.filled
        self.live[told.id] = sent._replace(told=told)
        if told.state == DONE:
            del self.live[told.id]

    def dump(self) -> bytes:
        """All of it, so that older records are not needed."""
        live = [[s.order._asdict(), s.ts, said(s.told)] for s in self.live.values()]
        plain = {k: v for k, v in vars(self).items() if k not in ("live", "base", "lots")}
        amounts = {k: texts(getattr(self, k)) for k in ("base", "lots")}
        return orjson.dumps(plain | amounts | {"live": live})

    @classmethod
    def load(cls, data: bytes) -> "Account":
        found = orjson.loads(data)
        live = dict[str, Sent]()
        for order, ts, told in found.pop("live"):
            live[order["id"]] = Sent(Order(**order), ts, told and heard(told))
        base, lots = (
            {where: Decimal(n) for where, n in found.pop(k).items()} for k in ("base", "lots")
        )
        return cls(live=live, base=base, lots=lots, **found)


def texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {where: str(lots) for where, lots in amounts.items()}


def said(told: Told | None) -> dict[str, Any] | None:
    """As JSON keeps it."""
    return told and told._asdict() | {"kept": str(told.kept)}


def heard(told: dict[str, Any]) -> Told:
    return Told(**told | {"kept": Decimal(told["kept"])})
