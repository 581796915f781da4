"""A venue that is none: what would have been sent is written down, and counts as done."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import orjson

from flowsense.errors import InputError
from flowsense.store.atomic import unwritable
from flowsense.store.journal import write
from flowsense.trade import DONE, Fill, Order, Told


class Dry:
    """Every order counts as filled at the prices of the books that were seen, fees too.

    path: lines of JSON, only ever added to. Raises InputError where they cannot be read or written.
    """

    spot = False
    window_ns = 0

    def __init__(self, venue: str, path: Path, free: float) -> None:
        self.venue, self.path, self._free = venue, path, free
        self.orders, self.lots = dict[str, Order](), defaultdict[str, Decimal](Decimal)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]  # a killed process may have left half a line
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
        except OSError as error:
            raise unwritable(path, error) from error
        for n, line in enumerate(whole.splitlines(), 1):
            try:
                order = Order(**orjson.loads(line))
            except (ValueError, TypeError):
                self._file.close()
                raise InputError(f"{path}: line {n} is no order: begin in another folder") from None
            self._done(order)

    def submit(self, order: Order) -> Told:
        write(self._file.fileno(), orjson.dumps(order._asdict()) + b"\n")
        self._done(order)
        return told(order)

    def _done(self, order: Order) -> None:
        self.orders[order.id] = order
        self.lots[order.symbol] += order.side * order.lots

    def find(self, id: str, symbol: str) -> Told | None:
        order = self.orders.get(id)
        return None if order is None else told(order)

    def cancel(self, id: str, symbol: str) -> None:
        """Nothing ever rests."""

    def cancel_all(self) -> None:
        """Likewise."""

    def open_orders(self) -> tuple[Told, ...]:
        return ()

    def positions(self) -> dict[str, Decimal]:
        return dict(self.lots)

    def fills(self, symbol: str, since: int) -> tuple[Fill, ...]:
        """None: no venue has executed anything."""
        return ()

    def notional(self, symbol: str) -> float:
        return 0.0

    def free(self) -> float:
        return self._free

    def alive(self, seconds: float) -> bool:
        return False

    def close(self) -> None:
        self._file.close()


def told(order: Order) -> Told:
    return Told(order.id, order.symbol, order.side, DONE, order.lots, order.value, order.fee)
