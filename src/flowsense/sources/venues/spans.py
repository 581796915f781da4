"""Books by updates that name the span of their ids, from a snapshot asked for beside the stream.

Sizes are absolute, so that an update may span ids which the book holds already::

    held         last <= id                         left out; later than the last that was
                 applied: the venue counts anew, a hole
    next         first <= id + 1, last > id         applied
    else         a hole: updates wait, and a snapshot is asked for, one at a time
    snapshot     with the waiting updates that follow it; older than all of them: asked for again

The book is told as one snapshot, the updates that waited already in it. `grow` says when a book
that stands needs a snapshot anew, because too little of it is known: updates are kept beside it
until that has come.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from flowsense.errors import DecodeError
from flowsense.sources.levels import Levels
from flowsense.sources.venues.shown import Turn
from flowsense.sources.venues.sink import Sink

HOLE = "update ids do not follow"
BUFFER = 4_096  # updates that wait for a snapshot, of one symbol


class Update(NamedTuple):
    """Levels that changed, by ids first to last; of a snapshot both are its own."""

    first: int
    last: int
    when: int  # ns, of the venue's clock
    levels: Levels


class Book(Protocol):
    """What is known of one symbol's book."""

    def replace(self, levels: Levels) -> Turn: ...
    def update(self, levels: Levels) -> Turn: ...
    def whole(self) -> Levels: ...
    def known(self) -> float:
        """Levels of the side that less is known of; without an end where all are."""
        ...


class Spans:
    """Of one connection; the sink's `last` is the id of the last update in the book.

    Args:
        path: of the request for a symbol's snapshot.
        book: makes an empty one.
        grow, least: a book of which fewer levels are known is asked for anew, and is lost.
    """

    def __init__(
        self,
        sink: Sink,
        path: Callable[[str], str],
        book: Callable[[str], Book],
        grow: int = 0,
        least: int = 0,
    ) -> None:
        self.sink, self.path, self.book = sink, path, book
        self.grow, self.least = grow, least
        self.books = dict[str, Book]()
        self.kept = dict[str, deque[Update]]()
        self.asked = set[str]()  # symbols whose snapshot is on its way
        self.whens = dict[str, int]()  # of the last update that the book took from the stream

    def opened(self) -> None:
        """Nothing said before holds."""
        self.books = {symbol: self.book(symbol) for symbol in self.sink.instruments}
        self.kept = {symbol: deque[Update](maxlen=BUFFER) for symbol in self.books}
        self.asked.clear()
        self.whens.clear()

    def update(self, symbol: str, u: Update) -> None:
        self._check(symbol, u)
        sink, kept = self.sink, self.kept[symbol]
        last = sink.last[symbol] if sink.ready[symbol] else kept[-1].last if kept else -1
        anew = u.last <= last and u.when > self.whens.get(symbol, u.when)
        if u.last <= last and not anew:
            sink.count("repeated depth")
            return
        if u.first > last + 1 or anew:
            if sink.ready[symbol]:
                sink.lost(symbol, HOLE, u.first)
            kept.clear()
        if sink.ready[symbol]:
            self._apply(symbol, u)
        if not sink.ready[symbol]:
            self._ask(symbol)
        if symbol in self.asked:
            kept.append(u)
        self.whens[symbol] = u.when

    def replace(self, symbol: str, u: Update) -> None:
        """By the venue's own will, within the stream: levels are all that there are."""
        self._check(symbol, u)
        sink = self.sink
        if sink.ready[symbol] and u.first > sink.last[symbol] + 1:
            sink.lost(symbol, HOLE, u.first)
        self.snapshot(symbol, u)

    def _check(self, symbol: str, u: Update) -> None:
        if symbol not in self.books:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        if not 0 <= u.first <= u.last:
            raise ValueError(f"update ids {u.first} to {u.last} do not rise")

    def snapshot(self, symbol: str, u: Update) -> bool:
        """Whether it is no older than the updates at hand; else nothing is told."""
        sink, kept, book = self.sink, self.kept[symbol], self.books[symbol]
        later = [one for one in kept if one.last > u.last]
        last = later[-1] if later else u
        if (later and later[0].first > u.last + 1) or last.last < sink.last[symbol]:
            sink.count("snapshot older than the updates")
            return False
        book.replace(u.levels)
        for one in later:
            book.update(one.levels)
        sink.snapshot(symbol, book.whole(), max(u.when, last.when), last.last)
        kept.clear()
        self.asked.discard(symbol)
        if not later:  # the stream may be behind the snapshot: times tell nothing yet
            self.whens.pop(symbol, None)
        return True

    def reply(self, symbol: str, u: Update) -> None:
        """To what was asked for."""
        if symbol not in self.asked:
            self.sink.count("snapshot that nobody waits for")
        elif not self.snapshot(symbol, u):
            self.asked.discard(symbol)
            self._ask(symbol)

    def _apply(self, symbol: str, u: Update) -> None:
        sink, book = self.sink, self.books[symbol]
        turn = book.update(u.levels)
        if book.known() < self.least:
            sink.lost(symbol, "the price moved beyond the levels that are known", u.first)
        else:
            sink.update(symbol, turn.market, u.when, u.last, turn.view)
            if book.known() < self.grow:
                self._ask(symbol)

    def _ask(self, symbol: str) -> None:
        if symbol not in self.asked:
            self.asked.add(symbol)
            self.sink.get(symbol, self.path(symbol))
