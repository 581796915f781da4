"""What an account holds, as far as its reports told; the arithmetic is in `ledger`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.backtest import FILL, MARK, OPEN
from flowsense.backtest.ledger import (
    HOLDING,
    LEDGER,
    MID,
    NOWHERE,
    ORDER,
    RING,
    mark,
    note,
    send,
    tell,
)
from flowsense.errors import InputError
from flowsense.exchange.client import Reports, Requests, Terms, Why
from flowsense.exchange.contracts import Contract, checked, contract, fee, gain
from flowsense.risk.desk import HELD
from flowsense.schema import LARGEST, Instrument, Quotes, zeros

ROOM = 64  # orders at first; the table grows
ARRAYS = ("ledger", "holdings", "orders", "kept", "mids")


class Account:
    """Arrays, and the three things that happen to them: requests, reports, the passing of time.

    Raises InputError for capital that is not above 0, terms that cannot be, and instruments that
    settle in different currencies (inverse contracts beside linear ones).
    """

    def __init__(
        self, instruments: tuple[Instrument, ...], capital: float, terms: Sequence[Terms]
    ) -> None:
        if not 0 < capital < np.inf:
            raise InputError(f"capital {capital}: give an amount above 0")
        check(instruments, terms)
        self.instruments = instruments
        self.terms = tuple(map(checked, terms or [Terms()] * len(instruments)))
        self.contracts = tuple(map(contract, instruments, self.terms))
        self.holdings = holdings_of(self.contracts, self.terms)
        self.ledger, self.marks = zeros(LEDGER, 1), zeros(MARK, 1)
        self.held = zeros(HELD, len(instruments))
        self.ledger["capital"], self.marks["regime"] = capital, -1
        self.orders, self.kept = zeros(OPEN, ROOM), zeros(ORDER, ROOM)
        self.mids = np.zeros((len(instruments), RING), MID)
        self._bind()

    def _bind(self) -> None:
        self._money = records(self.ledger), records(self.holdings)
        self._table = records(self.orders), records(self.kept)
        self._mids, self._told = records(self.mids), (records(self.marks), records(self.held))

    @property
    def open(self) -> NDArray[Any]:
        """(m,) OPEN, by id; it must not be written."""
        return self.orders[: self.ledger["open"][0]]

    @property
    def position(self) -> NDArray[np.int64]:
        """(K,) lots, and it follows them."""
        return np.asarray(self.holdings["lots"])

    def send(self, requests: Requests, ts: int) -> None:
        """Raises InputError for a request that no strategy may send."""
        most = int(self.ledger["open"][0]) + len(requests)
        if most > len(self.orders):
            self._grow(2 * most)
        bad = send(*self._money, self._table, records(requests), ts)
        if bad >= 0:
            raise InputError(told_wrong(requests[bad], bad, len(self.holdings), ts))

    def _grow(self, room: int) -> None:
        for name, dtype in (("orders", OPEN), ("kept", ORDER)):
            wider = zeros(dtype, room)
            wider[: len(getattr(self, name))] = getattr(self, name)
            setattr(self, name, wider)
        self._bind()

    def tell(self, reports: Reports) -> NDArray[Any]:
        """(k,) FILL of what was executed."""
        fills = zeros(FILL, len(reports))
        k = tell(*self._money, self._table, self._mids, records(reports), records(fills))
        return fills[:k]

    def note(self, quotes: Quotes) -> None:
        """Changes of the touch that were told since the instant before."""
        note(self._money[1], self._mids, records(quotes))

    def mark(self, quotes: Quotes, ts: int) -> float:
        """Equity as of ts, by the touch (K,) of every instrument.

        The whole of it is in `marks`, and what risk asks of each instrument in `held`.
        """
        return float(mark(*self._money, self._mids, records(quotes), self._told, ts))

    def closing(self, books: NDArray[Any]) -> float:
        """What it would cost to go out at the touch (K,) of BOOK: half-spreads and fees."""
        cost = 0.0
        for h, c, book in zip(self.holdings, self.contracts, books, strict=True):
            side = "bid" if h["lots"] > 0 else "ask"
            if h["lots"] and book[f"{side}_sz"][0]:
                price, lots = int(book[f"{side}_px"][0]), int(h["lots"])
                cost += gain(c, price, h["mid2"] / 2, lots) + fee(c, price, abs(lots), maker=False)
        return float(cost)

    def counts(self) -> dict[str, int]:
        """Of orders, by what became of them and why."""
        a = self.ledger[0]
        named = {"sent": "sent", "filled": "filled", "partly filled": "partly"}
        named |= {"cancelled": "cancelled", "rejected": "rejected", "open": "open"}
        why = {str(w.name).lower().replace("_", " "): int(a["why"][w]) for w in Why}
        return {k: int(a[v]) for k, v in named.items()} | {k: n for k, n in why.items() if n}

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that later marks depend on."""
        return {n: getattr(self, n).copy() for n in ARRAYS}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a snapshot."""
        for name in ARRAYS:
            setattr(self, name, arrays[name].copy().view(getattr(self, name).dtype))
        self._bind()


def holdings_of(contracts: Sequence[Contract], terms: Sequence[Terms]) -> NDArray[Any]:
    out = zeros(HOLDING, len(contracts))
    out["mid2"], out["funded"] = NOWHERE, -1
    for h, c, t in zip(out, contracts, terms, strict=True):
        for name, number in c._asdict().items():
            h[name] = number
        h["least"], h["rate"], h["period"] = t.least, t.funding, t.funding_ns if t.funding else 0
    return out


def check(instruments: tuple[Instrument, ...], terms: Sequence[Terms]) -> None:
    """Raises InputError."""
    if len({i.inverse for i in instruments}) > 1:
        names = ", ".join(i.symbol for i in instruments if i.inverse)
        raise InputError(
            f"account: {names} settle in their base: give them an account of their own"
        )
    if terms and len(terms) != len(instruments):
        raise InputError(f"terms of {len(terms)} instruments, {len(instruments)} are traded")


def told_wrong(q: np.void, i: int, instruments: int, ts: int) -> str:
    """One sentence."""
    shown = ", ".join(
        f"{n} {q[n]}" for n in ("ts", "order_id", "lots", "instrument", "kind", "side")
    )
    return (
        f"request {i} of the strategy ({shown}) cannot be sent: give ts {ts}, ids that rise from 1,"
        f" lots from 1 to {LARGEST}, an instrument from 0 to {instruments - 1}, side +1 or -1"
    )
