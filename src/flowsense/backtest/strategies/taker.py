"""What every taker does: go in, hold until a time, a stop or a target, and go out."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import View
from flowsense.backtest.ledger import RESTS
from flowsense.backtest.strategies import NOTHING, Request, asked, touch, withdrawn, working
from flowsense.exchange.client import Requests
from flowsense.exchange.contracts import Contract, contract, value
from flowsense.exchange.matching import LIMIT, MARKET
from flowsense.schema import NEVER, Instrument


class Held(NamedTuple):
    """Why and until when positions are held. K instruments."""

    serial: NDArray[np.int64]  # (1,) the last order id
    until: NDArray[np.int64]  # (K,) ns
    stop2: NDArray[np.int64]  # (K,) mid2; 0: none
    target2: NDArray[np.int64]  # (K,) likewise
    unit: NDArray[np.float64]  # (K,) of its `Contract`
    inverse: NDArray[np.bool_]  # (K,)


class Want(NamedTuple):
    """A position that a strategy asks for, of one instrument that has a row now."""

    instrument: int
    side: int
    lots: int
    until: int  # ns
    stop2: int = 0
    target2: int = 0


def holding(instruments: tuple[Instrument, ...]) -> Held:
    """Before the first order."""
    n = len(instruments)
    none = np.zeros(n, np.int64)
    inverse = np.array([i.inverse for i in instruments], np.bool_)
    units = np.array([contract(i).unit for i in instruments])
    return Held(np.zeros(1, np.int64), np.full(n, NEVER), none, none, units, inverse)


def take(
    held: Held, view: View, wants: Sequence[Want], beyond: int | None = None
) -> tuple[Held, Requests]:
    """Orders towards what is wanted, and out of what is over.

    beyond: ticks behind the touch that a marketable limit may pay; None: market orders. What a
    limit leaves resting is withdrawn. An instrument with an order on its way waits, also with one
    at the market that no bar met yet. A want to the
    side that is held renews its end, stop and target; one to the other side ends it.
    """
    if not wants and not view.position.any() and not len(view.orders):
        return held, NOTHING
    mine = working(view)
    busy = {o.instrument for o in mine}
    out = [withdrawn(view.ts, o) for o in mine if o.told == RESTS and o.price]
    wanted = {w.instrument: w for w in wants}
    serial, plans = int(held.serial[0]), []
    for i, side, lots in changes(held, view, wanted):
        if i in busy:
            continue
        serial += 1
        out.append(order(view, serial, i, side, lots, beyond))
    for i, want in wanted.items():
        if want.side * int(view.position[i]) >= 0 and i not in busy:
            plans.append(want)
    if not out and not plans:
        return held, NOTHING
    return planned(held, serial, plans), asked(out)


def changes(held: Held, view: View, wanted: dict[int, Want]) -> Iterator[tuple[int, int, int]]:
    """(instrument, side, lots) to send: in where flat, out where it is over."""
    for i in {*np.flatnonzero(view.position).tolist(), *wanted}:
        p, want = int(view.position[i]), wanted.get(i)
        if p == 0 and want is not None:
            yield i, want.side, want.lots
        elif p and (over(held, view, i, p) if want is None else want.side * p < 0):
            yield i, -1 if p > 0 else 1, abs(p)


def over(held: Held, view: View, i: int, position: int) -> bool:
    """Whether its time, its stop or its target has come."""
    side, mid2 = 1 if position > 0 else -1, int(view.quote["mid2"][i])
    stop2, target2 = int(held.stop2[i]), int(held.target2[i])
    stopped = stop2 != 0 and side * (mid2 - stop2) <= 0
    reached = target2 != 0 and side * (mid2 - target2) >= 0
    return stopped or reached or view.ts >= int(held.until[i])


def order(view: View, serial: int, i: int, side: int, lots: int, beyond: int | None) -> Request:
    if beyond is None:
        return (view.ts, serial, 0, lots, i, MARKET, side)
    return (view.ts, serial, touch(view, i, -side) + side * beyond, lots, i, LIMIT, side)


def planned(held: Held, serial: int, plans: Sequence[Want]) -> Held:
    """The same with what these wants say of their instruments."""
    until, stop2, target2 = held.until.copy(), held.stop2.copy(), held.target2.copy()
    for w in plans:
        until[w.instrument], stop2[w.instrument] = w.until, w.stop2
        target2[w.instrument] = w.target2
    serials = np.array([serial], np.int64)
    return held._replace(serial=serials, until=until, stop2=stop2, target2=target2)


def lots_of(held: Held, view: View, i: int, share: float) -> int:
    """Whole lots of a share of the equity; 0 where that is none."""
    price = int(view.quote["mid2"][i]) / 2
    if price <= 0 or view.equity <= 0:
        return 0
    each = value(Contract(held.unit[i], held.inverse[i]), price, 1)
    return int(share * view.equity / each)
