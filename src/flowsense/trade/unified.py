"""Real orders, through ccxt's unified API: createOrder, fetchOrder, fetchMyTrades, fetchPositions.

What may have reached the venue is never sent again: an error that does not say that the order was
refused is Unknown, and the order is asked for by its id. Requests carry the time until which the
venue may take them (`recvWindow`), so that one that is not known after that will never arrive.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flowsense.errors import InputError
from flowsense.replay.shelf import text
from flowsense.schema import MILLISECOND, SECOND, Instrument
from flowsense.sources.secret import Secret, secret
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD
from flowsense.trade import DONE, OPEN, Fill, Order, Refused, Told, Unknown
from flowsense.wall import Clock, Wall

TIMEOUT = 10_000  # ms that an answer may take
WINDOW = 5_000  # ms in which the venue may take what was sent
REST = 10.0  # s without orders where a venue says that there were too many, and not for how long
SIDES = {1: "buy", -1: "sell"}


class Kind(NamedTuple):
    """How ccxt knows a venue."""

    exchange: str
    type: str
    markets: str  # that are loaded


VENUES = {
    "binance-spot": Kind("binance", "spot", "spot"),
    "binance-usdm": Kind("binance", "swap", "linear"),
}


class Unified:
    """One account, of one venue; `table` are the instruments that are traded there.

    Raises InputError where ccxt is not installed, the venue is not known, does not answer, or
    lists other steps than the table.
    """

    def __init__(
        self,
        venue: str,
        table: Sequence[Instrument],
        keys: tuple[Secret, Secret],
        *,
        rest: str = "",
        timeout: int = TIMEOUT,
        window: int = WINDOW,
        clock: Clock | None = None,
    ) -> None:
        """rest: where it is, if not where it says. timeout, window: ms."""
        kind = known(venue)
        self.venue, self.keys, self.spot = venue, keys, kind.type == "spot"
        self.window_ns = window * MILLISECOND + SECOND
        self.table = {i.symbol: i for i in table}
        self.clock: Clock = clock or Wall()
        self.quiet = 0  # ns of the clock, until when no order is sent
        self.ccxt = ccxt = imported()
        logging.getLogger("ccxt").setLevel(logging.WARNING)  # below it tells keys
        self.client: Any = getattr(ccxt, kind.exchange)(
            {
                "apiKey": keys[0].into("{key}"),
                "secret": keys[1].into("{key}"),
                "enableRateLimit": True,
                "timeout": timeout,
                "options": {
                    "defaultType": kind.type,
                    "fetchMarkets": {"types": [kind.markets]},
                    "fetchCurrencies": False,
                    "fetchMargins": False,
                    "adjustForTimeDifference": True,
                    "recvWindow": window,
                    "maxRetriesOnFailure": 0,
                },
            }
        )
        if rest:
            elsewhere(self.client, kind, rest)
        self.refused = (
            *(ccxt.InvalidOrder, ccxt.InsufficientFunds, ccxt.BadRequest, ccxt.NotSupported),
            *(ccxt.AuthenticationError, ccxt.ArgumentsRequired, ccxt.OperationRejected),
            *(ccxt.RateLimitExceeded, ccxt.DDoSProtection, ccxt.InvalidNonce),
        )
        self.unclear = (ccxt.DuplicateOrderId, ccxt.OrderNotFound)
        try:
            self._begin(rest)
        except BaseException:
            self.close()
            raise

    def _begin(self, rest: str) -> None:
        """Markets, clock and key: what is wrong with them is told before any order."""
        try:
            with self._asking():
                markets = self.client.load_markets()
                self.names = {m["id"]: m["symbol"] for m in markets.values()}
                self.free()
        except Unknown as error:
            why = str(error)
            if rest and isinstance(error.__context__, NOT_UNDERSTOOD):
                why = f"{rest} answers as if it takes no orders: `replay` does with --orders"
            raise InputError(f"{self.venue}: cannot be traded at: {why}") from None
        for symbol, i in self.table.items():
            if symbol not in self.names:
                raise InputError(f"{self.venue}: {symbol}: is not listed: leave it out")
            self._coins(markets[self.names[symbol]])
            precision = markets[self.names[symbol]]["precision"]
            for what, unit in (("price", i.tick), ("amount", i.lot)):
                if exact(precision[what]) != exact(text(1, unit)):
                    found = f"{precision[what]}, not {text(1, unit)}"
                    raise InputError(f"{self.venue}: {symbol}: steps of the {what} are {found}")

    def _coins(self, market: Any) -> None:
        """Of a spot account, what is traded in one market must not change in another."""
        for symbol in self.table if self.spot else ():
            other = self.client.market(self.names.get(symbol, market["symbol"]))
            if other is not market and market["base"] in (other["base"], other["quote"]):
                both = f"{market['id']} and {symbol}"
                raise InputError(f"{self.venue}: {both} share {market['base']}: trade one of them")

    def submit(self, order: Order) -> Told:
        if self.clock.now() < self.quiet:
            raise Refused("the venue has asked for fewer requests")
        i = self.table[order.symbol]
        amount, price = float(text(order.lots, i.lot)), float(text(order.price, i.tick))
        more = {"reduceOnly": True} if order.reduce and not self.spot else {}
        params = {"clientOrderId": order.id, "timeInForce": "IOC"} | more
        name, side = self.names[order.symbol], SIDES[order.side]
        with self._asking(sending=True):
            found = self.client.create_order(name, "limit", side, amount, price, params)
        with self._asking():
            return self._told(found)

    def find(self, id: str, symbol: str) -> Told | None:
        with self._asking():
            try:
                found = self.client.fetch_order(None, self.names[symbol], {"clientOrderId": id})
            except self.ccxt.OrderNotFound:
                return None
            return self._told(found)

    def cancel(self, id: str, symbol: str) -> None:
        with self._asking():
            try:
                self.client.cancel_order(None, self.names[symbol], {"clientOrderId": id})
            except self.ccxt.OrderNotFound:
                return

    def cancel_all(self) -> None:
        with self._asking():
            for symbol in self.table:
                try:
                    self.client.cancel_all_orders(self.names[symbol])
                except self.ccxt.OrderNotFound:
                    continue  # none was open

    def open_orders(self) -> tuple[Told, ...]:
        with self._asking():
            found = [o for s in self.table for o in self.client.fetch_open_orders(self.names[s])]
            return tuple(self._told(each) for each in found)

    def positions(self) -> dict[str, Decimal]:
        with self._asking():
            if self.spot:
                owned = self.client.fetch_balance()["total"]
                return {
                    s: exact(owned.get(self.client.market(self.names[s])["base"], 0)) / lot(i)
                    for s, i in self.table.items()
                }
            found = dict.fromkeys(self.table, Decimal(0))
            for held in self.client.fetch_positions():
                if held["hedged"]:
                    raise Unknown("the account is in hedge mode: set it to one-way")
                symbol, i = held["info"]["symbol"], self.table.get(held["info"]["symbol"])
                signed = exact(held["contracts"]) * (1 if held["side"] == "long" else -1)
                if signed:
                    found[symbol] = signed / lot(i) if i else signed  # another's, whatever its lot
            return found

    def fills(self, symbol: str, since: int) -> tuple[Fill, ...]:
        with self._asking():
            return self._fills(symbol, since // MILLISECOND, {})

    def _fills(self, symbol: str, since: int | None, asked: dict[str, str]) -> tuple[Fill, ...]:
        i = self.table[symbol]
        found = self.client.fetch_my_trades(self.names[symbol], since, None, asked)
        return tuple(
            Fill(
                order=str(f["order"]),
                ts=int(f["timestamp"]) * MILLISECOND,
                side=1 if f["side"] == "buy" else -1,
                lots=lots_of(f["amount"], i),
                price=float(f["price"]),
                fee=float(f["fee"]["cost"] or 0),
                currency=str(f["fee"]["currency"]),
            )
            for f in found
        )

    def notional(self, symbol: str) -> float:
        limit = self.client.market(self.names[symbol])["limits"]["cost"]["min"]
        return float(limit or 0)

    def free(self) -> float:
        quotes = {self.client.market(self.names[s])["quote"] for s in self.table if s in self.names}
        with self._asking():
            found = self.client.fetch_balance()["free"]
            return min((float(found.get(quote) or 0) for quote in quotes), default=0.0)

    def alive(self, seconds: float) -> bool:
        if self.spot:
            return False
        with self._asking():
            for symbol in self.table:
                asked = {"symbol": symbol, "countdownTime": round(seconds * 1_000)}
                self.client.fapiPrivatePostCountdownCancelAll(asked)
        return True

    def close(self) -> None:
        self.client.session.close()

    def _told(self, found: Any) -> Told:
        symbol = found["info"]["symbol"]
        i, market = self.table[symbol], self.client.market(self.names[symbol])
        filled, fee, kept = lots_of(found["filled"] or 0, i), 0.0, Decimal(0)
        for fill in self._fills(symbol, None, {"orderId": found["id"]}) if filled else ():
            if fill.currency == market["quote"]:
                fee += fill.fee
            elif fill.currency == market["base"]:
                kept += exact(fill.fee) / lot(i)
        side = 1 if found["side"] == "buy" else -1
        state = OPEN if found["status"] in ("open", None) else DONE
        value = float(found["cost"] or 0)
        return Told(found["clientOrderId"], symbol, side, state, filled, value, fee, kept)

    @contextmanager
    def _asking(self, *, sending: bool = False) -> Iterator[None]:
        """Whatever ccxt or its answer is at fault in, in our words and without our keys."""
        try:
            yield
        except self.ccxt.BaseError as error:
            if isinstance(error, self.ccxt.RateLimitExceeded | self.ccxt.DDoSProtection):
                self.quiet = self.clock.now() + int(self._rest() * SECOND)
            if isinstance(error, self.ccxt.InvalidNonce):
                self._set_clock()
            why = f"{type(error).__name__}: {self._hidden(str(error))}"
            if sending and isinstance(error, self.refused) and not isinstance(error, self.unclear):
                raise Refused(why) from None
            raise Unknown(why) from None
        except NOT_UNDERSTOOD as error:
            raise Unknown(f"its answer is not understood ({type(error).__name__})") from None

    def _set_clock(self) -> None:
        """Ours went another way than the venue's."""
        with suppress(self.ccxt.BaseError, *NOT_UNDERSTOOD):
            self.client.load_time_difference()

    def _rest(self) -> float:
        """Seconds that the venue asks for."""
        asked = (self.client.last_response_headers or {}).get("Retry-After", "")
        return float(asked) if asked.isdecimal() else REST

    def _hidden(self, said: str) -> str:
        for each in self.keys:
            said = each.hidden(said)
        return re.sub(r"\?\S*", "", said)[:200]


def elsewhere(client: Any, kind: Kind, rest: str) -> None:
    """The venue is at that address; ccxt tells by the address what a market's codes mean."""
    urls, known = client.urls["api"], client.exceptions
    client.urls["api"] = {name: rest + urlsplit(url).path for name, url in urls.items()}
    for how in ("exact", "broad"):
        known[how] = known[how] | known[kind.markets].get(how, {})


def exact(number: Any) -> Decimal:
    """The shortest decimal that is this float."""
    return Decimal(str(number))


def lot(i: Instrument) -> Decimal:
    return exact(text(1, i.lot))


def lots_of(amount: float, i: Instrument) -> int:
    return round(exact(amount) / lot(i))


def known(venue: str) -> Kind:
    if venue not in VENUES:
        names = ", ".join(VENUES)
        raise InputError(f"{venue}: no live orders are sent there: they are to {names}")
    return VENUES[venue]


def imported() -> Any:
    """Takes seconds: nothing else here does it."""
    try:
        import ccxt
    except ModuleNotFoundError:
        raise InputError("live orders need ccxt: pip install flowsense[trade]") from None
    return ccxt


def keys_of(venue: str) -> tuple[Secret, Secret]:
    """Of the environment: FLOWSENSE_BINANCE_USDM_KEY and _SECRET. Raises InputError."""
    name = f"FLOWSENSE_{venue.upper().replace('-', '_')}"
    return secret(f"{name}_KEY"), secret(f"{name}_SECRET")
