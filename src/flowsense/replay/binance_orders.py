"""Binance's order side, spot and USD-M: who may ask, what is refused, and how it is answered.

Names, fields and codes are those of "Account/Trade endpoints" and "Error codes" in Binance's
documentation. Requests are signed: HMAC-SHA256 of all that is sent, with the secret that belongs to
the key, and not older than their `recvWindow`.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from flowsense.errors import InputError
from flowsense.replay.binance import Binance
from flowsense.replay.ledger import CANCELLED, EXPIRED, FILLED, OPEN, Ledger, Placed, exact
from flowsense.replay.mishaps import FATES, NO_MISHAPS, Mishaps
from flowsense.replay.shelf import text
from flowsense.schema import MILLISECOND, Decimal, Instrument
from flowsense.sources.binance_lines import Market
from flowsense.wall import now_utc

STATES = {OPEN: "NEW", FILLED: "FILLED", EXPIRED: "EXPIRED", CANCELLED: "CANCELED"}
SIDES = {"BUY": 1, "SELL": -1}
WINDOW = 5_000  # ms
HANG = 3_600.0  # s that an answer is kept back which nobody gets


class Answer(NamedTuple):
    """late: s that it is kept back."""

    status: int
    body: Any
    late: float = 0.0


class No(Exception):
    """A refusal: status, code, sentence."""


@dataclass
class Orders:
    """Of one key, at one of the two markets."""

    spot: bool
    ledger: Ledger
    key: str
    secret: str
    notional: float = 5.0  # least value of an order
    mishaps: Mishaps = NO_MISHAPS
    now: Callable[[], int] = now_utc  # ns
    asked: dict[str, int] = field(default_factory=dict)  # how often, by method and name
    until: int = 0  # ms, when all is cancelled; 0: never

    def answer(self, method: str, path: str, query: str, key: str) -> Answer | None:
        """None: not of the order side. `query` is what was sent, wherever it stood."""
        *_, version, name = ["", "", *path.split("/")]
        handler = HANDLERS[self.spot].get(f"{method} {name}")
        if handler is None or version not in ("v1", "v2", "v3"):
            return None
        call = f"{method} {name}"
        self.asked[call] = self.asked.get(call, 0) + 1
        if self.until and self.ms >= self.until:
            self._cancel_all()
        fate = self.mishaps.fate() if call == "POST order" else ""
        if fate and (before := FATES[fate].before):
            return Answer(*before)
        try:
            if fate == "rejected":
                raise No(400, -2010, "Order would immediately trigger.")
            given = {} if handler in OPENLY else self._signed(query, key)
            body = handler(self, given)
        except No as no:
            status, code, why = no.args
            return Answer(status, {"code": code, "msg": why})
        if fate == "unheard":
            return Answer(200, body, HANG)
        if fate == "unknown":
            return Answer(503, {"code": -1007, "msg": "Timeout: execution status unknown."})
        return Answer(200, body)

    @property
    def ms(self) -> int:
        return self.now() // MILLISECOND

    def _signed(self, query: str, key: str) -> Mapping[str, str]:
        if key != self.key:
            raise No(401, -2015, "Invalid API-key, IP, or permissions for action.")
        said, _, signature = query.rpartition("&signature=")
        right = hmac.new(self.secret.encode(), said.encode(), sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            raise No(400, -1022, "Signature for this request is not valid.")
        given = dict(parse_qsl(said))
        sent, window = given.get("timestamp", ""), given.get("recvWindow", str(WINDOW))
        if not (sent.isdecimal() and window.isdecimal()):
            raise No(400, -1102, "Mandatory parameter 'timestamp' was not sent.")
        if not self.ms - int(window) <= int(sent) < self.ms + 1_000:
            raise No(400, -1021, "Timestamp for this request is outside of the recvWindow.")
        return given

    def _time(self, _: Mapping[str, str]) -> Any:
        return {"serverTime": self.ms}

    def _listing(self, _: Mapping[str, str]) -> Any:
        found = [self._listed(i) for i in self.ledger.instruments]
        return {"timezone": "UTC", "serverTime": self.ms, "rateLimits": [], "symbols": found}

    def _listed(self, i: Instrument) -> Any:
        base, quote = split(i.symbol)
        tick, lot, most = text(1, i.tick), text(1, i.lot), text(10**9, i.lot)
        rule = {"filterType": "NOTIONAL", "minNotional": str(self.notional)}
        if not self.spot:
            rule = {"filterType": "MIN_NOTIONAL", "notional": str(self.notional)}
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1e9", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": most, "stepSize": lot},
            rule,
        ]
        found = {
            "symbol": i.symbol,
            "status": "TRADING",
            "baseAsset": base,
            "quoteAsset": quote,
            "orderTypes": ["LIMIT", "MARKET"],
            "filters": filters,
        }
        if self.spot:
            return found | {"isSpotTradingAllowed": True, "permissions": ["SPOT"]}
        return found | {"pair": i.symbol, "contractType": "PERPETUAL", "marginAsset": quote}

    def _symbol(self, given: Mapping[str, str]) -> int:
        for k, i in enumerate(self.ledger.instruments):
            if i.symbol == given.get("symbol"):
                return k
        raise No(400, -1121, "Invalid symbol.")

    def _place(self, given: Mapping[str, str]) -> Any:
        k = self._symbol(given)
        i, side = self.ledger.instruments[k], SIDES.get(given.get("side", ""), 0)
        if not side or given.get("type") != "LIMIT":
            raise No(400, -1106, "Only LIMIT orders are known here.")
        price, lots = units(given.get("price"), i.tick), units(given.get("quantity"), i.lot)
        client = given.get("newClientOrderId", f"web_{len(self.ledger.orders)}")
        if any(o.client == client for o in self.ledger.open()):
            raise No(400, -2010 if self.spot else -4116, "Duplicate order sent.")
        placed = Placed(
            *(len(self.ledger.orders) + 1, client, k, side, lots, price, self.ms),
            at_once=given.get("timeInForce") == "IOC",
        )
        self._afford(placed, given.get("reduceOnly") == "true")
        self.ledger.place(placed)
        return self._told(placed)

    def _afford(self, o: Placed, reduces: bool) -> None:
        held, value = (
            self.ledger.position(o.instrument),
            o.price * o.lots * self.ledger.unit(o.instrument),
        )
        if reduces and not 0 < o.lots <= -o.side * held:
            raise No(400, -2022, "ReduceOnly Order is rejected.")
        if not reduces and value < Fraction(self.notional):
            raise No(400, -1013 if self.spot else -4164, "Filter failure: NOTIONAL")
        if self.spot and o.side < 0 and o.lots > held:
            raise No(400, -2010, "Account has insufficient balance for requested action.")
        if o.side > 0 and value > self.ledger.money:
            why = "Account has insufficient balance for requested action."
            raise No(400, *((-2010, why) if self.spot else (-2019, "Margin is insufficient.")))

    def _found(self, given: Mapping[str, str], code: int = -2013) -> Placed:
        number, client = given.get("orderId", ""), given.get("origClientOrderId", "")
        found = self.ledger.orders.get(int(number)) if number else self.ledger.named(client)
        if found is None or found.instrument != self._symbol(given):
            raise No(400, code, "Order does not exist." if code == -2013 else "Unknown order sent.")
        return found

    def _order(self, given: Mapping[str, str]) -> Any:
        return self._told(self._found(given))

    def _cancel(self, given: Mapping[str, str]) -> Any:
        found = self._found(given, -2011)
        if found.state != OPEN:
            raise No(400, -2011, "Unknown order sent.")
        found.state = CANCELLED
        return self._told(found)

    def _open(self, given: Mapping[str, str]) -> Any:
        return [self._told(o) for o in self.ledger.open(self._symbol(given))]

    def _clear(self, given: Mapping[str, str]) -> Any:
        gone = self.ledger.open(self._symbol(given))
        for order in gone:
            order.state = CANCELLED
        if self.spot:
            return [self._told(o) for o in gone]
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _cancel_all(self) -> None:
        self.until = 0
        for order in self.ledger.open():
            order.state = CANCELLED

    def _countdown(self, given: Mapping[str, str]) -> Any:
        countdown = int(given.get("countdownTime", "0"))
        self.until = self.ms + countdown if countdown else 0
        return {"symbol": given.get("symbol", ""), "countdownTime": str(countdown)}

    def _trades(self, given: Mapping[str, str]) -> Any:
        k, since = self._symbol(given), int(given.get("startTime", "0"))
        wanted = given.get("orderId")
        i = self.ledger.instruments[k]
        quote = split(i.symbol)[1]
        return [
            {
                "symbol": i.symbol,
                "id": e.id,
                "orderId": e.order,
                "price": text(e.price, i.tick),
                "qty": text(e.lots, i.lot),
                "commission": plain(e.price * e.lots * self.ledger.unit(k) * self.ledger.fee),
                "commissionAsset": quote,
                "time": e.ms,
                "buyer": e.side > 0,
                "isBuyer": e.side > 0,
                "side": "BUY" if e.side > 0 else "SELL",
                "maker": False,
            }
            for e in self.ledger.executions
            if e.instrument == k and e.ms >= since and wanted in (None, str(e.order))
        ]

    def _account(self, _: Mapping[str, str]) -> Any:
        money = plain(self.ledger.money)
        quote = split(self.ledger.instruments[0].symbol)[1]
        if not self.spot:
            both = {"walletBalance": money, "marginBalance": money, "initialMargin": "0"}
            return {"assets": [{"asset": quote, "availableBalance": money} | both]}
        balances = [{"asset": quote, "free": money, "locked": "0"}]
        for k, i in enumerate(self.ledger.instruments):
            held = plain(self.ledger.position(k) * exact(i.lot))
            balances.append({"asset": split(i.symbol)[0], "free": held, "locked": "0"})
        return {"balances": balances, "updateTime": self.ms}

    def _positions(self, _: Mapping[str, str]) -> Any:
        found = []
        for k, i in enumerate(self.ledger.instruments):
            held = self.ledger.position(k) * exact(i.lot)
            price = next((e.price for e in self.ledger.executions[::-1] if e.instrument == k), 1)
            if held:
                entry = text(price, i.tick)
                more = {"entryPrice": entry, "markPrice": entry, "positionSide": "BOTH"}
                money = {"notional": plain(held * Fraction(entry)), "isolatedMargin": "0"}
                rest = {"unRealizedProfit": "0", "liquidationPrice": "0", "initialMargin": "1"}
                amount = {"symbol": i.symbol, "positionAmt": plain(held), "updateTime": self.ms}
                found.append(amount | more | money | rest | {"maintMargin": "0"})
        return found

    def _brackets(self, _: Mapping[str, str]) -> Any:
        brackets = [{"notionalFloor": 0, "notionalCap": 1e12, "maintMarginRatio": 0.01}]
        return [{"symbol": i.symbol, "brackets": brackets} for i in self.ledger.instruments]

    def _told(self, o: Placed) -> Any:
        i = self.ledger.instruments[o.instrument]
        value = plain(o.value * exact(i.tick) * exact(i.lot))
        average = plain(o.value * exact(i.tick) / o.filled) if o.filled else "0"
        found = {
            "symbol": i.symbol,
            "orderId": o.id,
            "clientOrderId": o.client,
            "price": text(o.price, i.tick),
            "origQty": text(o.lots, i.lot),
            "executedQty": text(o.filled, i.lot),
            "status": STATES[o.state],
            "timeInForce": "IOC" if o.at_once else "GTC",
            "type": "LIMIT",
            "side": "BUY" if o.side > 0 else "SELL",
            "time": o.ms,
            "updateTime": o.ms,
        }
        if self.spot:
            return found | {"cummulativeQuoteQty": value}
        return found | {"cumQuote": value, "avgPrice": average}


def beside(speaker: Binance, key: str, secret: str, mishaps: Mishaps = NO_MISHAPS) -> Orders:
    """The order side of a venue that tells a recording. Raises InputError for COIN-M."""
    if speaker.kind.market is Market.COINM:
        raise InputError(f"{speaker.kind.name}: takes no orders here: replay as another venue")
    ledger = Ledger(speaker.instruments, lambda k, side: speaker.listed[k].shelf.best(side))
    return Orders(speaker.kind.market is Market.SPOT, ledger, key, secret, mishaps=mishaps)


Handler = Callable[[Orders, Mapping[str, str]], Any]
OPENLY = (Orders._time, Orders._listing)
BOTH: dict[str, Handler] = {
    "GET time": Orders._time,
    "GET exchangeInfo": Orders._listing,
    "POST order": Orders._place,
    "GET order": Orders._order,
    "DELETE order": Orders._cancel,
    "GET openOrders": Orders._open,
    "GET account": Orders._account,
}
HANDLERS: dict[bool, dict[str, Handler]] = {
    True: BOTH | {"GET myTrades": Orders._trades, "DELETE openOrders": Orders._clear},
    False: BOTH
    | {
        "GET userTrades": Orders._trades,
        "DELETE allOpenOrders": Orders._clear,
        "GET positionRisk": Orders._positions,
        "GET leverageBracket": Orders._brackets,
        "POST countdownCancelAll": Orders._countdown,
    },
}


def units(number: str | None, unit: Decimal) -> int:
    """How many of them; raises where it is none, or no whole number above 0."""
    try:
        found = Fraction(number or "") / exact(unit)
    except ValueError:
        raise No(400, -1102, "A mandatory parameter was not sent.") from None
    if found <= 0 or found.denominator != 1:
        raise No(400, -1111, "Precision is over the maximum defined for this asset.")
    return int(found)


def split(symbol: str) -> tuple[str, str]:
    """Base and quote of a name like BTCUSDT."""
    for quote in ("USDT", "USDC", "FDUSD", "BTC", "ETH", "EUR"):
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    return symbol[:-3], symbol[-3:]


def plain(number: Fraction) -> str:
    """With the twelve decimals that are enough for every amount here."""
    sign = "-" if number < 0 else ""
    whole, part = divmod(abs(round(number * 10**12)), 10**12)
    return f"{sign}{whole}.{part:012d}"


def body(answer: Answer) -> bytes:
    return orjson.dumps(answer.body)
