"""A taker on bars whose stop and target wait at the venue, so that a bar can reach them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flowsense.backtest import View
from flowsense.backtest.ledger import RESTS
from flowsense.backtest.resting import STOP
from flowsense.backtest.strategies import NOTHING, Order, Request, asked, withdrawn, working
from flowsense.backtest.strategies.taker import Held, Want, holding, lots_of, planned
from flowsense.errors import InputError
from flowsense.exchange.client import Requests
from flowsense.exchange.matching import LIMIT, MARKET
from flowsense.schema import Instrument


@dataclass(frozen=True)
class Bracket:
    """In at a signal without vetoes, out at its stop, target or horizon, or at one that opposes it.

    The stop goes out with the entry; the target once the position is told, for just its lots. Both
    go out again where a hole in the bars took them. For `backtest.bars.BarVenue`, which alone
    knows stops.

    Attributes:
        lots: of every position; 0: the size of the signal, as a share of the equity.
    """

    lots: int = 0

    def __post_init__(self) -> None:
        if self.lots < 0:
            raise InputError(f"bracket: lots {self.lots}: give 0 or more")

    def init(self, instruments: tuple[Instrument, ...]) -> Held:
        """Flat."""
        return holding(instruments)

    def decide(self, state: Held, view: View) -> tuple[Held, Requests]:
        """For each instrument that has a row."""
        mine, serial = working(view), int(state.serial[0])
        out, plans = list[Request](), list[Want]()
        for i in np.flatnonzero(view.here).tolist():
            orders, want = [o for o in mine if o.instrument == i], self.want(state, view, i)
            if not view.position[i] and not orders and want.lots > 0:
                plans.append(want)
                parts = entry(view.ts, want)
            else:
                parts = rest(state, view, i, orders, want.side if want.lots else 0)
            for part in parts:
                fresh = part[1] == 0
                serial += fresh
                out.append((part[0], serial, *part[2:]) if fresh else part)
        if not out:
            return state, NOTHING
        return planned(state, serial, plans), asked(out)

    def want(self, state: Held, view: View, i: int) -> Want:
        """The position that is recommended as of now; no lots where none is."""
        s = view.signal[i]
        acts = s["size"] > 0 and s["vetoes"] == 0 and s["ts"] == view.ts and s["side"] != 0
        lots = (self.lots or lots_of(state, view, i, float(s["size"]))) if acts else 0
        until, stop2, target2 = view.ts + int(s["horizon"]), int(s["stop2"]), int(s["target2"])
        return Want(i, int(s["side"]), lots, until, stop2, target2)


def entry(ts: int, want: Want) -> Iterator[Request]:
    """Both under id 0, to be numbered."""
    i, side, lots, _, stop2, _ = want
    yield (ts, 0, 0, lots, i, MARKET, side)
    if stop2:
        yield (ts, 0, away(stop2, side), lots, i, STOP, -side)


def away(mid2: int, side: int) -> int:
    """Ticks of a mid, rounded up for a long and down for a short."""
    return side * -(-side * mid2 // 2)


def rest(state: Held, view: View, i: int, orders: list[Order], side: int) -> Iterator[Request]:
    """What a position still needs, or to go out of it; orders without one are withdrawn."""
    p, resting = int(view.position[i]), [o for o in orders if o.told == RESTS and o.price]
    sign = 1 if p > 0 else -1
    over = view.ts >= int(state.until[i]) or side * p < 0
    if p == 0 or over:
        yield from (withdrawn(view.ts, o) for o in resting)
    if p == 0 or any(not o.price for o in orders):  # flat, or a market order is on its way
        return
    if over:
        yield (view.ts, 0, 0, abs(p), i, MARKET, -sign)
        return
    there = {o.price for o in orders if o.side == -sign}
    for mid2, kind in ((int(state.stop2[i]), STOP), (int(state.target2[i]), LIMIT)):
        if mid2 and away(mid2, sign) not in there:
            yield (view.ts, 0, away(mid2, sign), abs(p), i, kind, -sign)
