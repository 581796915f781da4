"""Forecasts into decisions, decisions into orders, orders into money: what a backtest is made of.

At each instant of the decision clock the strategy sees one `View` and answers with requests. It
sees nothing else, so that a backtest, paper trading and live trading cannot differ in it.
"""

from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowsense.exchange.client import Reports, Requests
from flowsense.schema import Instrument

S = TypeVar("S")  # a flat NamedTuple of arrays

OPEN = np.dtype(  # an order of ours that rests, or is on its way, as far as we were told
    [
        ("order_id", "i8"),
        ("price", "i8"),
        ("lots", "i8"),  # left
        ("sent", "i8"),  # ns
        ("instrument", "i4"),
        ("side", "i2"),
        ("told", "i2"),  # 0: nothing heard of it yet, 1: it rests, 2: its cancel is on its way
    ]
)
FILL = np.dtype(  # one execution, with what it is judged by
    [
        ("ts", "i8"),  # ns, of the venue
        ("order_id", "i8"),
        ("price", "i8"),  # ticks
        ("lots", "i8"),
        ("decided2", "i8"),  # mid2 when the order was sent, half ticks
        ("mid2", "i8"),  # when it executed
        ("fee", "f8"),  # currency; below 0: a rebate
        ("instrument", "i4"),
        ("side", "i2"),
        ("maker", "i2"),
    ]
)
MARK = np.dtype(  # the account as of one instant, in the currency of the account
    [
        ("ts", "i8"),
        ("equity", "f8"),  # capital with all gains, positions at mid
        ("gross", "f8"),  # the same before fees, funding and what was paid against the mid
        ("fees", "f8"),  # until now; rebates count against them
        ("slippage", "f8"),  # until now: executions against the mid when they were decided
        ("funding", "f8"),  # until now
        ("exposure", "f8"),  # value of all positions, longs and shorts added up
        ("net", "f8"),  # longs less shorts
        ("turnover", "f8"),  # value executed until now
        ("regime", "i8"),  # -1 where nobody tells
    ]
)


class View(NamedTuple):
    """All that a strategy knows, as of one instant. K instruments; arrays must not be written."""

    ts: int
    here: NDArray[np.bool_]  # (K,) has a row at this instant
    quote: NDArray[Any]  # (K,) QUOTE, the touch
    book: NDArray[Any]  # (K,) BOOK
    signal: NDArray[Any]  # (K,) SIGNAL, the last of each
    position: NDArray[np.int64]  # (K,) lots, as far as reports told
    orders: NDArray[Any]  # (m,) OPEN
    equity: float
    reports: Reports  # since the instant before


class Strategy(Protocol[S]):
    """A frozen dataclass of settings; what it remembers is in its state."""

    def init(self, instruments: tuple[Instrument, ...]) -> S: ...
    def decide(self, state: S, view: View) -> tuple[S, Requests]:
        """Requests with ts = view.ts and ids that rise; changes neither argument."""
        ...


class Result(NamedTuple):
    """What a backtest gives; the tear sheet is drawn from nothing else."""

    name: str
    capital: float
    instruments: tuple[Instrument, ...]
    marks: NDArray[Any]  # (m,) MARK, an instant a minute and the last
    fills: NDArray[Any]  # (k,) FILL
    orders: dict[str, int]  # sent, filled, partly filled, cancelled, rejected, by reason
    config: dict[str, Any]
    regimes: tuple[str, ...] = ()
