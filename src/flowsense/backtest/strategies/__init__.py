"""Strategies: frozen settings, a state of arrays, requests out. They do not know each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flowsense.backtest import View
from flowsense.exchange.client import Requests
from flowsense.exchange.matching import REQUEST, WITHDRAW
from flowsense.schema import zeros

Request = tuple[int, int, int, int, int, int, int]  # the fields of REQUEST
NOTHING: Requests = zeros(REQUEST)
NOTHING.setflags(write=False)


class Order(NamedTuple):
    """A record of OPEN."""

    order_id: int
    price: int
    lots: int
    sent: int
    instrument: int
    side: int
    told: int


def working(view: View) -> list[Order]:
    """Our orders, oldest first: plain numbers are read faster than records."""
    return [Order(*o) for o in view.orders.tolist()]


def touch(view: View, i: int, side: int) -> int:
    """Ticks of the best bid (side 1) or ask (-1) of an instrument; of bars the last close."""
    price = int(view.book["bid_px" if side > 0 else "ask_px"][i, 0])
    return price or side * (side * int(view.quote["mid2"][i]) // 2)


def asked(requests: Sequence[Request]) -> Requests:
    """(k,) REQUEST of ts, order_id, price, lots, instrument, kind, side; ids of orders rise."""
    return np.array(requests, REQUEST) if requests else NOTHING


def withdrawn(ts: int, o: Order) -> Request:
    """All of an order of ours."""
    return (ts, o.order_id, 0, o.lots, o.instrument, WITHDRAW, 0)
