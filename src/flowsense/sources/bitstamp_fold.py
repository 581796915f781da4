"""The fold over lines: which order stands, which is about to trade, which must be gone.

The rules stand in the docstring of `bitstamp`.
"""

from collections import Counter, deque

from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    FILL,
    GAP,
    MILLISECOND,
    MODIFY,
    SCROLL,
    SECOND,
    TRADE,
)
from flowsense.sources.bitstamp_book import REST, Book, Order, rest_of
from flowsense.sources.bitstamp_lines import Kind, Line
from flowsense.sources.bitstamp_trades import Claim, Claims

PATIENCE = 1_000 * MILLISECOND  # the venue matches within 0.3 s
LAG = 200 * MILLISECOND  # a snapshot may be older than lines that came this little before it
SILENCE = 60 * SECOND  # snapshots come every few seconds: longer is a hole
DEAD = 4_096  # deletions that are remembered: lines of one order may come in another order


class Fold:
    """The running state of one pass over a recording."""

    def __init__(self) -> None:
        self.book = Book()
        self.counts = Counter[str]()
        self.forget()

    def forget(self) -> None:
        """Nothing is known of the market any more."""
        self.book.clear()
        self.held: dict[int, Order] = {}  # would trade where they stand: not in the book yet
        self.claims = Claims()
        self.dead: dict[int, None] = {}
        self.named: deque[tuple[int, int, int]] = deque()  # ts, side, key of the latest lines

    def line(self, line: Line) -> None:
        """One line on."""
        book, now = self.book, max(self.book.ts, line.ts)
        self.counts[line.kind.value] += 1
        self.counts["receive time fell"] += line.ts < now
        start = len(book.out)
        if book.ts and now - book.ts > SILENCE:
            self.counts["gap"] += 1
            book.ts = now
            book.emit(CLEAR, 0, 0, 0, 0, GAP)
            self.forget()
        book.ts, book.line = now, book.line + 1
        if line.kind is Kind.BOOK:
            self.shown(line)
        elif line.kind is Kind.TRADE:
            self.trade(line, *line.levels[0])
        else:
            price, lots = line.levels[0]
            self.order(line, Order(line.side, line.side * price, lots, now))
        self.release()
        book.close(start)

    def order(self, line: Line, now: Order) -> None:
        """A line of an order, which says what it is now."""
        order, mine = line.id, self.book.orders
        self.named.append((now.ts, now.side, now.key))
        if order in mine and mine[order].side != now.side:
            self.counts["order of the other side"] += 1
            self.book.drop(order)
        if line.kind is Kind.DELETED:
            self.delete(order, now)
        elif order in self.dead:
            self.counts[f"{line.kind.value} after its deletion"] += 1
        elif order in self.held:
            was = self.held.pop(order)
            self.claim(order, was, was.lots - now.lots, True)
            self.enter(order, now)
        elif order in mine:
            self.change(order, mine[order], now)
        else:
            if line.kind is Kind.CHANGED:  # born before the recording: part of its level's rest
                self.counts["order_changed of an unknown order"] += 1
                self.claim(order, now)
                self.cut_rest(CANCEL, now, now.lots, SCROLL)
            self.enter(order, now)

    def enter(self, order: int, o: Order) -> None:
        """Into the book, or held where it meets the other side; not at all with nothing left."""
        if o.lots and self.book.meets(o.side, o.key):
            self.held[order] = o
        elif o.lots:
            self.book.put(ADD, order, o)

    def change(self, order: int, was: Order, now: Order) -> None:
        if now.lots < was.lots:
            self.claim(order, was, was.lots - now.lots)
            self.book.cut(FILL, order, was.lots - now.lots)
        elif now.lots > was.lots and now.key == was.key:
            self.counts["order that grew"] += 1
            self.book.put(MODIFY, order, now)
        if now.lots and now.key != was.key:  # a market order follows the levels that it takes
            self.book.drop(order)
            self.enter(order, now)

    def delete(self, order: int, now: Order) -> None:
        """With lots it was cancelled, without it was executed."""
        self.dead[order] = None
        if len(self.dead) > DEAD:
            del self.dead[next(iter(self.dead))]
        if order in self.held:
            was = self.held.pop(order)
            self.claim(order, was, 0 if now.lots else was.lots, True)
        elif order in self.book.orders:
            was = self.book.orders[order]
            self.claim(order, was, 0 if now.lots else was.lots)
            self.book.cut(CANCEL if now.lots else FILL, order, was.lots)
        else:
            self.counts["order_deleted of an unknown order"] += 1
            if now.lots:
                self.cut_rest(CANCEL, now, now.lots)
            else:
                self.claim(order, now)

    def claim(self, order: int, o: Order, lots: int | None = None, taking: bool = False) -> None:
        """These lots of the order were executed; None: some were."""
        if lots is None or lots > 0:
            self.claims.add(Claim(self.book.ts, order, o.side, lots or 0, taking))

    def cut_rest(self, action: int, o: Order, lots: int, bits: int = 0) -> None:
        """What happened to an order unheard of, or to several, happened to their stand-in."""
        rest = rest_of(o.side, o.key)
        if rest in self.book.orders:
            self.book.cut(action, rest, min(lots, self.book.orders[rest].lots), bits)

    def trade(self, line: Line, price: int, lots: int) -> None:
        side, heard = self.claims.match(self.book.ts, lots)
        self.book.emit(TRADE, line.id, side, price, lots)
        if not side:
            self.counts["trade without its orders"] += 1
            return
        hit = Order(-side, -side * price, lots, self.book.ts)
        if not heard:
            self.cut_rest(FILL, hit, lots)
        for key in self.book.halves[-side].since(hit.key + 1):
            self.remove(-side, key, "order that a trade passed")

    def remove(self, side: int, key: int, why: str, before: int = REST) -> None:
        """The orders of a level with ids below `before`, and its stand-in, are gone unheard."""
        for order in list(self.book.halves[side].levels[key]):
            if order < before or order >= REST:
                self.counts[why] += 1
                self.book.drop(order, SCROLL)

    def release(self) -> None:
        """A held order that meets nobody any more stands in the book."""
        for order, o in list(self.held.items()):
            if self.book.ts - o.ts > PATIENCE:
                for key in self.book.halves[-o.side].since(-o.key):
                    self.remove(-o.side, key, "order that a newer one crossed", order)
                if self.book.meets(o.side, o.key):
                    self.counts["order that newer ones crossed"] += 1
                    del self.held[order]
                    continue
            if not self.book.meets(o.side, o.key):
                del self.held[order]
                self.book.put(ADD, order, o)

    def shown(self, line: Line) -> None:
        """What the venue shows of both sides, but for levels that have just been named."""
        while self.named and self.named[0][0] < self.book.ts - LAG:
            self.named.popleft()
        named = {(side, key) for _, side, key in self.named}
        for side, levels in ((1, line.levels[: line.bids]), (-1, line.levels[line.bids :])):
            shown = {side * price: lots for price, lots in levels}
            worst = min(shown, default=-REST)
            for key in self.book.halves[side].since(worst):
                if key not in shown and (side, key) not in named:
                    self.remove(side, key, "order that the venue does not show")
            for key, lots in shown.items():
                if (side, key) not in named:
                    self.level(side, key, lots)
        if not self.book.ready:
            self.book.show()

    def level(self, side: int, key: int, lots: int) -> None:
        """A level has as many lots as the venue shows: a stand-in, or the oldest, make it so."""
        book, rest = self.book, rest_of(side, key)
        level = book.halves[side].levels.get(key, {})
        excess = sum(level.values()) - lots
        if excess < 0 and not book.meets(side, key):
            self.counts["level with lots unheard of"] += 1
            book.put(ADD, rest, Order(side, key, level.get(rest, 0) - excess, book.ts), SCROLL)
        for order in [rest, *level]:
            if excess > 0 and order in level:
                gone = min(excess, level[order])
                self.counts["order that the venue shows less of"] += order != rest
                book.cut(CANCEL, order, gone, SCROLL)
                excess -= gone
