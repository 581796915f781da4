"""The edge of the matching engine: arrays for several instruments, and requests checked once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.errors import InputError
from flowsense.exchange.matching import (
    ENGINE,
    LEVEL,
    LIMIT,
    MARKET,
    ORDER,
    REPLACE,
    REQUEST,
    SLOT_BITS,
    match,
)
from flowsense.schema import EVENT, LARGEST, Events, zeros


class Venue:
    """Books of several instruments that match; `push` gives what their feed tells.

    Args:
        instruments: how many.
        orders: that may rest at once in one book, below 2**24.
        levels: a side.
        wire_ns: from the execution (`ts_event`) to the receiver of the feed (`ts_recv`).
    """

    def __init__(
        self, instruments: int = 1, orders: int = 4095, levels: int = 512, wire_ns: int = 0
    ) -> None:
        if not 0 < orders < 2**SLOT_BITS - 1:
            raise InputError(f"venue: {orders} orders, give 1 to {2**SLOT_BITS - 2}")
        self.engines = zeros(ENGINE, instruments)
        self.engines["instrument"], self.engines["wire"] = np.arange(instruments), wire_ns
        self.levels = np.zeros((instruments, 2, levels), LEVEL)
        self.orders = np.zeros((instruments, orders + 1), ORDER)

    def push(self, requests: NDArray[Any]) -> Events:
        """What these requests (REQUEST, in the order of their arrival) do, as EVENTs.

        The id of every LIMIT is written into its request. Raises InputError.
        """
        todo, parts = self.checked(requests), [zeros(EVENT)]
        engines, levels, orders = map(records, (self.engines, self.levels, self.orders))
        while len(todo):
            most = 2 * min(int(todo["lots"][0]), int(self.engines["live"].max(initial=0)) * 2) + 2
            out = zeros(EVENT, max(2 * len(todo), most))
            used, told = match(engines, levels, orders, records(todo), records(out))
            parts.append(out[:told])
            todo = todo[used:]
        return np.concatenate(parts).view(EVENT)

    def checked(self, requests: NDArray[Any]) -> NDArray[Any]:
        if requests.dtype != REQUEST:
            raise InputError(f"requests: dtype {requests.dtype}, not REQUEST")
        n, q, past = len(self.engines), requests, self.engines["ts"].max(initial=0)
        sided = (q["kind"] == LIMIT) | (q["kind"] == MARKET)
        rules = (
            ("instrument", (q["instrument"] >= 0) & (q["instrument"] < n), f"0 to {n - 1}"),
            ("kind", (q["kind"] >= LIMIT) & (q["kind"] <= REPLACE), f"{LIMIT} to {REPLACE}"),
            ("lots", (q["lots"] > 0) & (q["lots"] <= LARGEST), f"1 to {LARGEST}"),
            ("price", np.abs(q["price"]) <= LARGEST, f"ticks within {LARGEST}"),
            ("side", ~sided | (np.abs(q["side"]) == 1), "+1 or -1"),
            ("ts", np.diff(q["ts"], prepend=past) >= 0, "ns that never fall"),
        )
        for name, good, rule in rules:
            if not good.all():
                i = int(np.argmin(good))
                raise InputError(f"request {i}: {name} {q[name][i]} cannot be, give {rule}")
        return requests.view(REQUEST)

    def resting(self, instrument: int, side: int) -> Iterator[tuple[int, int, int]]:
        """(order id, price, lots) of one side, best price first, oldest first."""
        k = 0 if side > 0 else 1
        orders = self.orders[instrument]
        n = int(self.engines["depth"][instrument, k])
        for level in self.levels[instrument, k, :n][::-1]:
            h = int(level["head"])
            while h:
                yield int(orders["id"][h]), side * int(level["key"]), int(orders["lots"][h])
                h = int(orders["newer"][h])
