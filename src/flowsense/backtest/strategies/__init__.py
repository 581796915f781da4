"""Strategies: frozen settings, a state of arrays, requests out. They do not know each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.exchange.client import Requests
from flowsense.exchange.matching import REQUEST, WITHDRAW
from flowsense.schema import zeros

Request = tuple[int, int, int, int, int, int, int]  # the fields of REQUEST
NOTHING: Requests = zeros(REQUEST)
NOTHING.setflags(write=False)


def asked(requests: Sequence[Request]) -> Requests:
    """(k,) REQUEST of ts, order_id, price, lots, instrument, kind, side; ids of orders rise."""
    return np.array(requests, REQUEST) if requests else NOTHING


def withdrawn(ts: int, order: NDArray[Any] | np.void) -> Request:
    """All of an order of ours."""
    return (
        ts,
        int(order["order_id"]),
        0,
        int(order["lots"]),
        int(order["instrument"]),
        WITHDRAW,
        0,
    )
