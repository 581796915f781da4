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


def asked(requests: Sequence[Request]) -> Requests:
    """(k,) REQUEST of ts, order_id, price, lots, instrument, kind, side; ids of orders rise."""
    return np.array(requests, REQUEST) if requests else NOTHING


def withdrawn(ts: int, o: Order) -> Request:
    """All of an order of ours."""
    return (ts, o.order_id, 0, o.lots, o.instrument, WITHDRAW, 0)
