"""What is done about a prediction: a position that is wanted, and the orders that lead to it.

A signal without vetoes opens a position of its share of the capital, to be held until its horizon,
its stop or its target; another to the same side renews these, one to the other side ends it. That
is what `backtest.strategies.follow` does, so that a backtest of it says what to expect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.forecast import Target
from flowsense.risk.breaker import Breakers
from flowsense.risk.limits import Limits as Shares
from flowsense.schema import DAY, SECOND, WHOLE, Instrument
from flowsense.served import Prediction
from flowsense.trade import Told, Unknown
from flowsense.trade.desk import Desk
from flowsense.trade.router import Limits, Offer, Routed, exact, route

MARGIN = ("usdm", "linear", "swap", "futures", "perpetual", "deribit", "hyperliquid", "dydx")
STEP = 1e-3  # of the capital, by which the highest equity rises before it is written down again


@dataclass(frozen=True, slots=True)
class Plan:
    """capital: that sizes are shares of, in the currency of the prices."""

    capital: float
    limits: Limits = field(default_factory=Limits)
    loss: float = field(default_factory=lambda: Breakers().loss)  # since the day (UTC) began
    drawdown: float = field(default_factory=lambda: Shares().drawdown)  # since it was highest
    pace_ns: int = SECOND  # between two orders of an asset

    def __post_init__(self) -> None:
        if not (isfinite(self.capital) and self.capital > 0):
            raise InputError(f"trade: capital {self.capital}: give an amount above 0")
        for name in ("loss", "drawdown"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"trade: {name} {getattr(self, name)}: give a share above 0")
        if self.pace_ns < 0:
            raise InputError(f"trade: pace {self.pace_ns} ns: give 0 or more")


class Seen(NamedTuple):
    """A book, as of a row."""

    ts: int  # ns
    book: Any  # BOOK
    state: int  # of its QUOTE

    @property
    def mid(self) -> float:
        """Ticks; 0 where there is none."""
        if self.state != WHOLE:
            return 0.0
        return float(self.book["bid_px"][0] + self.book["ask_px"][0]) / 2


class Acted(NamedTuple):
    """What became of a prediction."""

    asset: str
    wanted: float  # units to be bought, below 0 sold
    routed: tuple[Routed, ...]
    told: tuple[Told, ...]


class Trader:
    """Of assets, each at one venue or more; the predictions of the first of these are acted on."""

    def __init__(
        self,
        desk: Desk,
        assets: Sequence[tuple[str, ...]],
        table: Sequence[Instrument],
        terms: Mapping[str, Terms],
        plan: Plan,
    ) -> None:
        """assets: ``venue:symbol`` each; terms: by venue. Raises InputError for what cannot be."""
        self.desk, self.plan, self.terms = desk, plan, terms
        self.table = {f"{i.venue}:{i.symbol}": i for i in table}
        self.assets = {places[0]: places for places in assets}
        self.units = {
            where: float(exact(i.lot) * exact(i.contract)) for where, i in self.table.items()
        }
        self.seen = dict[str, Seen]()
        self.now = self.begun = 0  # ns of a prediction, and of the desk's clock then
        self.acted = dict[str, int]()  # ns, of the last orders of an asset
        for places in assets:
            for where in places:
                if self.table[where].inverse:
                    raise InputError(f"{where}: is an inverse contract: leave it out")

    def hear(self, said: Prediction, seen: Mapping[str, Seen], now: int) -> Acted | None:
        """Orders, if any are wanted; what waits for a venue waits here. None: nothing was done."""
        self.seen.update(seen)
        self.now, self.begun = now, self.desk.clock.now()
        asset = f"{said.venue}:{said.symbol}"
        if asset not in self.assets or self.desk.halted:
            return None
        self._watch(said.ts)
        held = sum(self._held(where) for where in self.assets[asset])
        units = self._wanted(asset, said, held) - held
        least = min(self.units[where] for where in self.assets[asset]) * (1 - 1e-9)
        if abs(units) < least or now - self.acted.get(asset, 0) < self.plan.pace_ns:
            return None
        self.acted[asset] = now
        routed, told = self._orders(asset, units)
        return Acted(asset, units, tuple(routed), tuple(told))

    def _held(self, where: str) -> float:
        """Units."""
        return float(self.desk.account.position(where)) * self.units[where]

    def _wanted(self, asset: str, said: Prediction, held: float) -> float:
        """Units to hold from now on."""
        plans = self.desk.account.plans
        units, until, stop, target = plans.get(asset, (0.0, 0, 0.0, 0.0))
        price = self._price(asset)
        if said.should_trade and price > 0:
            if units * said.direction < 0:
                return self._over(asset)
            if said.direction < 0 and all(map(owned, self.assets[asset])):
                return 0.0  # nothing there can be sold that is not owned
            end = said.ts + Target.parse(said.target).horizon_ns
            if units == 0 or end - until >= self.plan.pace_ns:
                units = units or said.direction * said.position_size * self.plan.capital / price
                plan = [units, float(end), said.stop, said.take_profit]
                self.desk.note({"do": "plan", "asset": asset, "plan": plan})
            return units
        side = 1 if units > 0 else -1
        crossed = price > 0 and (
            (stop > 0 and side * (price - stop) <= 0)
            or (target > 0 and side * (price - target) >= 0)
        )
        if units and (said.ts >= until or crossed):
            return self._over(asset)
        return units

    def _over(self, asset: str) -> float:
        self.desk.note({"do": "plan", "asset": asset, "plan": [0.0, 0, 0.0, 0.0]})
        return 0.0

    def _price(self, where: str) -> float:
        """The mid, in the currency of the price; 0 where nobody knows it."""
        seen = self.seen.get(where)
        return seen.mid * float(self.table[where].tick) if seen else 0.0

    def _orders(self, asset: str, units: float) -> tuple[list[Routed], list[Told]]:
        """First out of what is held to the other side, then into what is missing."""
        side, left = (1 if units > 0 else -1), abs(units)
        places = [where for where in self.assets[asset] if where in self.seen]
        routed, told = list[Routed](), list[Told]()
        for where in places:  # each by itself: nobody else can close what is held there
            against = -side * self._held(where)
            if against > 0 and left > 0:
                part = min(left, against)
                self._sent((side, part), {where: against}, (routed, told), reduce=True)
                left -= part
        rest = places if left > 1e-9 * abs(units) else ()
        rooms = {w: room for w in rest if (room := self._room(w, side)) > 0}
        if rooms and not self.desk.halted:
            self._sent((side, left), rooms, (routed, told), reduce=False)
        return routed, told

    def _sent(
        self,
        wanted: tuple[int, float],
        rooms: Mapping[str, float],
        done: tuple[list[Routed], list[Told]],
        *,
        reduce: bool,
    ) -> None:
        offers, now = self._offers(rooms, reduce), self.now + self.desk.clock.now() - self.begun
        found = route(*wanted, offers, now, self.plan.limits)
        done[0].append(found)
        done[1].extend(self.desk.send(found.legs, reduce=reduce))

    def _offers(self, rooms: Mapping[str, float], reduce: bool) -> list[Offer]:
        """A position may be closed by an order that is worth less than others must be."""
        found = list[Offer]()
        for where, room in rooms.items():
            i, seen = self.table[where], self.seen[where]
            free = reduce and not owned(where)
            least = 0.0 if free else self.desk.gateways[i.venue].notional(i.symbol)
            found.append(Offer(i, seen.book, seen.ts, seen.state, self.terms[i.venue], least, room))
        return found

    def _room(self, where: str, side: int) -> float:
        """Units that the money there buys; what is owned and not held cannot be sold."""
        i, price = self.table[where], self._price(where)
        if price <= 0 or (side < 0 and owned(where)):
            return 0.0
        try:
            free = self.desk.gateways[i.venue].free()
        except Unknown:
            return 0.0
        return max(free, 0.0) / (
            price * (1 + self.plan.limits.slippage + self.terms[i.venue].taker)
        )

    def equity(self) -> float | None:
        """By the last mids; None where one that is needed is not known."""
        found = self.plan.capital + self.desk.account.money
        for where in self.table:
            if held := self._held(where):
                if not (price := self._price(where)):
                    return None
                found += held * price
        return found

    def _watch(self, ts: int) -> None:
        """Losses beyond what was allowed throw the switch."""
        equity, marks, plan = self.equity(), self._marks(), self.plan
        if equity is None:
            return
        day, peak = float(ts // DAY), marks.get("peak", plan.capital)
        if marks.get("day") != day or equity > peak + STEP * plan.capital:
            opened = marks["opened"] if marks.get("day") == day else equity
            marks = {"day": day, "opened": opened, "peak": max(peak, equity)}
            self.desk.note({"do": "marks", "marks": marks | {"capital": plan.capital}})
        if equity <= marks["opened"] * (1 - plan.loss):
            self.desk.halt(f"loss: {marks['opened'] - equity:,.2f} since the day (UTC) began")
        elif equity <= marks["peak"] * (1 - plan.drawdown):
            self.desk.halt(f"drawdown: {marks['peak'] - equity:,.2f} from the highest equity")

    def _marks(self) -> dict[str, float]:
        """As if the capital had always been this: what is added or taken is no gain and no loss."""
        marks, capital = self.desk.account.marks, self.plan.capital
        more = capital - marks.get("capital", capital)
        return {name: x if name == "day" else x + more for name, x in marks.items()}


def owned(where: str) -> bool:
    """Whether what is bought there is owned: it cannot be sold before.

    ccxt writes behind a colon what a contract is settled in: ``BTC/USDT:USDT``.
    """
    if ":" in where.partition("/")[2]:
        return False
    return "-spot:" in where or not any(word in where.lower() for word in MARGIN)
