"""Real orders, and what is as if they were: routed, written down before they are sent, reconciled.

A venue is spoken to through a `Gateway`. `dry` is one that sends nothing; `unified` speaks through
ccxt. Nothing here is imported by anything that forecasts.
"""

from decimal import Decimal
from typing import NamedTuple, Protocol

OPEN, DONE = "open", "done"  # states of an order; done: filled, cancelled, expired


class Order(NamedTuple):
    """What is sent. It fills at once as far as it can, and what is left goes."""

    id: str  # ours, never given to two orders
    venue: str
    symbol: str
    side: int  # 1 buy, -1 sell
    lots: int
    price: int  # ticks, and no worse
    reduce: bool = False  # of a position alone
    value: float = 0.0  # expected by the books that were seen
    fee: float = 0.0  # likewise

    @property
    def where(self) -> str:
        return f"{self.venue}:{self.symbol}"


class Told(NamedTuple):
    """What the venue says of an order."""

    id: str
    symbol: str
    side: int
    state: str
    filled: int  # lots
    value: float  # of what was filled, in the currency of the price
    fee: float = 0.0  # in that currency
    kept: Decimal = Decimal(0)  # lots that the venue kept as its fee, where it takes that from them


class Fill(NamedTuple):
    """One execution."""

    order: str  # the venue's own id of it
    ts: int  # ns UTC
    side: int
    lots: int
    price: float
    fee: float  # in `currency`
    currency: str


class Refused(Exception):
    """The venue has not taken the order, and never will."""


class Unknown(Exception):
    """Nobody knows whether the venue has taken it: ask for its id, and never send it again."""


class Gateway(Protocol):
    """One account at one venue. What cannot be asked now raises Unknown."""

    venue: str
    spot: bool  # what is bought is owned, and may have been there before
    window_ns: int  # after which what was sent and is not known there will never arrive

    def submit(self, order: Order) -> Told:
        """Raises Refused, or Unknown."""
        ...

    def find(self, id: str, symbol: str) -> Told | None:
        """By our id; None: the venue does not know it."""
        ...

    def cancel(self, id: str, symbol: str) -> None:
        """Nothing happens where it is gone."""
        ...

    def cancel_all(self) -> None: ...
    def open_orders(self) -> tuple[Told, ...]:
        """All of the symbols that are traded, whoever sent them."""
        ...

    def positions(self) -> dict[str, Decimal]:
        """Lots by symbol, short below 0; of a spot market what the account owns."""
        ...

    def fills(self, symbol: str, since: int) -> tuple[Fill, ...]: ...
    def notional(self, symbol: str) -> float:
        """Least value of an order, in the currency of the price; 0: not known."""
        ...

    def free(self) -> float:
        """Money that new orders may use, in the currency of the price."""
        ...

    def alive(self, seconds: float) -> bool:
        """Unless this is said again by then, the venue cancels all; 0: it need not any more.

        False: it cannot.
        """
        ...

    def close(self) -> None: ...
