"""What the venues hold beside what the journal says, and whether that can be explained."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from flowsense.schema import SECOND
from flowsense.trade import DONE, OPEN, Gateway, Told, Unknown
from flowsense.trade.account import Account, Sent, said
from flowsense.wall import Clock

ASKED_NS = SECOND // 4  # between two questions
LATE = 3  # times a position is asked for, which some venues tell a moment later


class Difference(NamedTuple):
    """One line of the table."""

    where: str  # venue:symbol
    what: str
    here: str  # by the journal
    there: str  # by the venue
    why: str  # "": nobody can say

    @property
    def told(self) -> str:
        found = f"{self.where}: {self.what}: here {self.here}, there {self.there}"
        return f"{found} ({self.why})" if self.why else found


Note = Callable[[dict[str, Any]], None]


def reconciled(
    account: Account, gateways: Mapping[str, Gateway], note: Note, clock: Clock, utc: int
) -> tuple[Difference, ...]:
    """All that differs; what the venue tells of our orders is given to `note`.

    Raises Unknown where a venue cannot be asked.
    """
    found = list[Difference]()
    for sent in [*account.live.values()]:
        found += settled(sent, gateways[sent.order.venue], note, clock, utc)
    for gateway in gateways.values():
        found += strangers(account, gateway)
        found += unlike(account, gateway, clock)
    return tuple(found)


def settled(
    sent: Sent, gateway: Gateway, note: Note, clock: Clock, utc: int
) -> Iterator[Difference]:
    """What became of an order whose end is not known; what still rests of it is withdrawn."""
    order = sent.order
    left = sent.ts + gateway.window_ns - utc  # ns in which it may yet arrive
    told = asked(gateway, order.id, order.symbol, clock, min(max(left, 0), gateway.window_ns))
    if told is None:
        note({"do": "gone", "id": order.id, "why": "never arrived"})
        yield Difference(order.where, order.id, "sent", "nothing", "it never arrived")
        return
    if told.state == OPEN:
        told = withdrawn(gateway, told)
    before = sent.told.filled if sent.told else 0
    note({"do": "told", "told": said(told)})
    here, there = (f"{order.side * n} lots filled" for n in (before, told.filled))
    yield Difference(order.where, order.id, here, there, "told by the venue meanwhile")


def asked(gateway: Gateway, id: str, symbol: str, clock: Clock, ns: int) -> Told | None:
    """Until it is known there, or can no longer arrive."""
    until = clock.now() + ns
    while (told := gateway.find(id, symbol)) is None and clock.now() < until:
        clock.sleep(min(ASKED_NS, until - clock.now()))
    return told


def withdrawn(gateway: Gateway, told: Told) -> Told:
    """Raises Unknown where it rests on."""
    gateway.cancel(told.id, told.symbol)
    after = gateway.find(told.id, told.symbol)
    if after is None or after.state != DONE:
        raise Unknown(f"{gateway.venue}: order {told.id} cannot be withdrawn")
    return after


def strangers(account: Account, gateway: Gateway) -> Iterator[Difference]:
    """Orders that rest there, and are not ours."""
    for told in gateway.open_orders():
        if told.id not in account.live:
            rests = f"{told.side:+d}, {told.filled} lots filled"
            yield Difference(f"{gateway.venue}:{told.symbol}", told.id, "no order", rests, "")


def unlike(account: Account, gateway: Gateway, clock: Clock) -> list[Difference]:
    """Positions that are not what was traded here; less than a lot is a venue's dust."""
    for again in range(LATE):
        found = list[Difference]()
        held = {f"{gateway.venue}:{symbol}": n for symbol, n in gateway.positions().items()}
        mine = {w for w in (*account.base, *account.lots) if w.startswith(f"{gateway.venue}:")}
        for where in sorted(held.keys() | mine):
            here = account.base.get(where, Decimal(0)) + account.position(where)
            there = held.get(where, Decimal(0))
            if abs(here - there) >= 1:
                found.append(Difference(where, "position", f"{here} lots", f"{there} lots", ""))
        if not found or again == LATE - 1:
            break
        clock.sleep(ASKED_NS)
    return found
