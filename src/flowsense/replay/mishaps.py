"""What goes wrong with an order on its way, drawn by a seed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flowsense.errors import InputError
from flowsense.registry import unknown


class Fate(NamedTuple):
    """before: status and body of an answer in place of which nothing happens."""

    line: str
    before: tuple[int, Any] | None = None


BUSY = {"code": -1008, "msg": "Server is currently overloaded with other requests."}
MANY = {"code": -1003, "msg": "Too many requests."}
FATES = {
    "unheard": Fate("it is taken, and the answer never comes"),
    "unknown": Fate("it is taken, and 503 says that nobody knows"),
    "busy": Fate("it is not taken: 503", (503, BUSY)),
    "many": Fate("it is not taken: 429", (429, MANY)),
    "banned": Fate("it is not taken: 418", (418, MANY)),
    "rejected": Fate("it is refused"),
}


class Mishaps:
    """Shares of orders by fate. Raises InputError for other names, or shares above 1 in all."""

    def __init__(self, rates: Mapping[str, float], seed: int = 0) -> None:
        for name in rates:
            if name not in FATES:
                raise InputError(unknown("mishap", name, tuple(FATES)))
        if not (all(rate >= 0 for rate in rates.values()) and sum(rates.values()) <= 1):
            raise InputError(f"mishaps {dict(rates)}: give shares from 0, 1 in all at most")
        self.rates, self.rng = dict(rates), np.random.default_rng(seed)

    def fate(self) -> str:
        """Of the next order; "": none."""
        drawn = self.rng.random()
        for name, rate in self.rates.items():
            if drawn < rate:
                return name
            drawn -= rate
        return ""


NO_MISHAPS = Mishaps({})
