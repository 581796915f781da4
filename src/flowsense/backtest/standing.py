"""Where an account stands: what it holds, what it was told, and whether its venue agrees."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import OPEN
from flowsense.backtest.bars import BarVenue
from flowsense.backtest.ticks import NO_REPORTS, NO_REQUESTS, Backtest, joined
from flowsense.exchange.client import FILLED
from flowsense.exchange.matching import REPLACE, WITHDRAW
from flowsense.exchange.replay import Replay
from flowsense.forecast import Signal, Veto
from flowsense.risk.breaker import Trip
from flowsense.risk.desk import Risk
from flowsense.schema import Instrument

OLD = (WITHDRAW, REPLACE)  # requests about an order that was sent before
TOLD = ("sent", "rests", "being cancelled")  # of an order


class Order(NamedTuple):
    """What must be the same on both sides."""

    instrument: int
    side: int
    price: int  # ticks
    lots: int  # left


def resting(venue: Replay | BarVenue) -> dict[int, Order]:
    """Orders of ours that the venue holds, by id."""
    if isinstance(venue, BarVenue):
        live = venue.orders[: venue.venue["live"][0]]
        orders = live[(live["lots"] > 0) & ~np.isin(live["kind"], OLD)]
        return {int(o["order_id"]): order(o) for o in orders}
    found = {}
    for k, m in enumerate(venue.arrays["state"]):
        for o in venue.arrays["own"][k, 0, : m["mine"]]:
            side = 1 - 2 * int(o["k"])
            found[int(o["order_id"])] = Order(k, side, side * int(o["key"]), int(o["lots"]))
    return found


def believed(run: Backtest) -> dict[int, Order]:
    """Orders that would be found there if all that is on its way had arrived here, by id."""
    orders, venue = {int(o["order_id"]): order(o) for o in run.account.open}, run.venue
    away, back = [joined(run.requests, NO_REQUESTS)], NO_REPORTS
    if isinstance(venue, Replay):
        away, back = [*away, venue.arrays["inbox"]], venue.arrays["held"]
    for r in back:
        i = int(r["order_id"])
        if i in orders:
            price = orders[i].price if r["what"] == FILLED else int(r["price"])
            orders[i] = orders[i]._replace(price=price, lots=int(r["left"]))
    sent = {int(q["order_id"]) for part in away for q in part if q["kind"] not in OLD}
    return {i: order for i, order in orders.items() if order.lots and i not in sent}


def order(o: np.void) -> Order:
    """Of a record of either side."""
    return Order(*(int(o[name]) for name in Order._fields))


def differences(run: Backtest, executed: NDArray[np.int64]) -> tuple[str, ...]:
    """What the venue holds and the account does not believe, and the reverse; () is agreement.

    executed: (K,) lots, bought less sold, by the executions that were written down. Orders,
    cancels and reports that are on their way count as arrived.
    """
    venue, position = run.venue, run.account.position
    if not isinstance(venue, Replay | BarVenue):
        return ("nobody can ask this venue what it holds",)
    here, there = believed(run), resting(venue)
    said = [
        f"{symbol(run, (here.get(i) or there[i]).instrument)}: order {i}: the account believes"
        f" {shown(here.get(i))}, the venue holds {shown(there.get(i))}"
        for i in sorted(here.keys() | there.keys())
        if here.get(i) != there.get(i)
    ]
    of = {"executions come to": executed}
    if isinstance(venue, BarVenue):
        of["the venue holds"] = venue.places["position"]
    return tuple(said) + tuple(
        f"{symbol(run, k)}: the account believes {position[k]} lots, {what} {lots[k]}"
        for what, lots in of.items()
        for k in np.flatnonzero(position != lots).tolist()
    )


def shown(order: Order | None) -> str:
    return "nothing" if order is None else f"{order.side * order.lots} lots at {order.price}"


def symbol(run: Backtest, k: int) -> str:
    return run.instruments[k].symbol


def standing(run: Backtest, executed: NDArray[np.int64]) -> dict[str, Any]:
    """An account for people and for JSON, as of its last instant; prices in ticks."""
    mark, table = run.account.marks[0], run.instruments
    counts = zip(Veto, run.vetoed.tolist(), strict=True)
    return {
        "ts": int(mark["ts"]),
        "capital": run.capital,
        "equity": float(mark["equity"]) if mark["ts"] else run.capital,
        "fees": float(mark["fees"]),
        "positions": {i.symbol: int(n) for i, n in zip(table, run.account.position, strict=True)},
        "open_orders": [opened(o, table) for o in run.account.open],
        "orders": run.account.counts(),
        "signals": signals(run),
        "vetoes": {str(veto.name).lower(): n for veto, n in counts if n},
        "breakers": breakers(run),
        "differences": list(differences(run, executed)),
    }


def opened(o: np.void, table: tuple[Instrument, ...]) -> dict[str, Any]:
    """One record of OPEN."""
    named = {n: int(o[n]) for n in OPEN.names or () if n not in ("instrument", "told")}
    return {"symbol": table[o["instrument"]].symbol, **named, "told": TOLD[o["told"]]}


def signals(run: Backtest) -> list[dict[str, Any]]:
    """The last of each instrument that has one."""
    found = []
    for s in run.signal[run.signal["ts"] > 0]:
        signal = Signal.of(s)
        fields = {n: getattr(signal, n) for n in Signal.__slots__ if n != "instrument"}
        found.append({"symbol": symbol(run, signal.instrument), **fields})
    return found


def breakers(run: Backtest) -> list[dict[str, Any]]:
    """Those that are open; one without a symbol is of the account."""
    if not isinstance(run.risk, Risk):
        return []
    return [
        {
            "symbol": None if open_.instrument is None else symbol(run, open_.instrument),
            "why": [str(trip.name).lower() for trip in Trip if trip & open_.reasons],
            "until": open_.until,
        }
        for open_ in run.risk.tripped(run.caution)
    ]
