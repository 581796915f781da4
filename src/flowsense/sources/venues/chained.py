"""Books whose messages are numbered for each symbol, and begin anew where it is subscribed anew."""

from collections.abc import Callable
from typing import NamedTuple

from flowsense.schema import SECOND
from flowsense.sources.levels import Levels
from flowsense.sources.venues.sink import Sink

PATIENCE = 15 * SECOND  # in which a snapshot comes that was asked for


class Step(NamedTuple):
    """A message of a book."""

    symbol: str
    snapshot: bool
    levels: Levels
    when: int  # ns of the venue's clock
    sequence: int
    follows: bool  # its number is the one after the sink's `last`


class Chain:
    """What follows is told, what was heard before is left out, anything else is a hole.

    resubscribe: asks for a snapshot of the symbol. It is called for a hole at once, and again by
    updates that are heard `PATIENCE` later, still without a book.
    """

    def __init__(
        self, symbols: tuple[str, ...], sink: Sink, resubscribe: Callable[[str], None]
    ) -> None:
        self.sink, self.resubscribe = sink, resubscribe
        self.when = dict.fromkeys(symbols, 0)  # ns of the venue's clock, of the book
        self.since = dict[str, int]()  # likewise, of the connection's first book
        self.asked = dict.fromkeys(symbols, 0)  # when a snapshot was, last
        self.ahead = dict.fromkeys(symbols, -1)  # latest number of an update dropped since then

    def opened(self) -> None:
        """All symbols are being subscribed to."""
        self.since.clear()
        self.asked = dict.fromkeys(self.asked, self.sink.ts_recv)
        self.ahead = dict.fromkeys(self.ahead, -1)

    def take(self, m: Step) -> None:
        sink, symbol = self.sink, m.symbol
        ready, last = sink.ready[symbol], sink.last[symbol]
        follows = ready and m.follows
        if ready and not follows and m.sequence <= last and m.when <= self.when[symbol]:
            sink.count("repeated depth")
            return
        if m.snapshot and not ready and m.sequence < self.ahead[symbol]:
            sink.count("snapshot older than the updates")
            self._ask(symbol)
            return
        if m.snapshot:
            sink.snapshot(symbol, m.levels, m.when, m.sequence)
            self.since.setdefault(symbol, m.when)
        elif follows:
            sink.update(symbol, m.levels, m.when, m.sequence)
        else:
            self._missed(symbol, m.sequence)
            return
        self.when[symbol] = m.when

    def _missed(self, symbol: str, sequence: int) -> None:
        sink = self.sink
        if sink.ready[symbol]:
            sink.lost(symbol, "update ids do not follow", sequence)
            self._ask(symbol)
        else:
            sink.count("update without a book")
            if sink.ts_recv - self.asked[symbol] >= PATIENCE:
                self._ask(symbol)
        self.ahead[symbol] = max(self.ahead[symbol], sequence)

    def _ask(self, symbol: str) -> None:
        self.asked[symbol], self.ahead[symbol] = self.sink.ts_recv, -1
        self.resubscribe(symbol)
