"""Which updates continue which snapshot. It knows ids and order, and nothing of prices."""

from collections import Counter
from typing import NamedTuple

from flowsense.schema import BEAT, CLEAR, GAP, LAST, SET, SNAPSHOT, TRADE
from flowsense.sources.binance_lines import Kind, Market, Message

BUFFER = 4_096  # updates kept for a snapshot to come; at the fastest stream over a minute


class Piece(NamedTuple):
    """A run of events of one message: what to do with its levels, and when it was known."""

    message: Message
    action: int
    ts_recv: int
    bits: int


class Sync(NamedTuple):
    """State of one instrument's stream."""

    market: Market
    last: int = -1  # id of the last update in the book
    ts_event: int = 0  # of that update
    whole: bool = False  # the book is in step with the venue's
    trade: int = -1  # id of the last trade
    traded: int = 0  # ns, when it was
    snapshot: Message | None = None  # waits for the update that continues it
    buffer: tuple[Message, ...] = ()  # consecutive updates that wait for a snapshot


def follows(market: Market, last: int, update: Message) -> bool:
    """This update is the one after the update that ended with `last`."""
    return update.first == last + 1 if market is Market.SPOT else update.previous == last


def stale(market: Market, snapshot: int, update: Message) -> bool:
    """The snapshot with this id already holds the update."""
    return update.last <= snapshot if market is Market.SPOT else update.last < snapshot


def bridges(market: Market, snapshot: int, update: Message) -> bool:
    """This may be the first update after the snapshot with this id."""
    wanted = snapshot + 1 if market is Market.SPOT else snapshot
    return update.first <= wanted <= update.last


def applied(m: Message, now: int) -> Piece:
    """An update without levels is a BEAT, so that its id is in the stream."""
    return Piece(m, SET, now, LAST) if m.levels.total else Piece(m, BEAT, now, 0)


def trade(s: Sync, m: Message, now: int, out: list[Piece], counts: Counter[str]) -> Sync:
    """An execution counts once; those heard before the book is whole are kept."""
    if m.last <= s.trade and m.ts_event <= s.traded:
        counts["repeated trade"] += 1
        return s
    out.append(Piece(m, TRADE, now, LAST if s.whole else 0))
    return s._replace(trade=m.last, traded=m.ts_event)


def snapshot(s: Sync, m: Message, now: int, out: list[Piece], counts: Counter[str]) -> Sync:
    """The latest is kept, in step or not: the recorder may have asked before we see the loss."""
    return join(s._replace(snapshot=m), now, out, counts)


def update(s: Sync, m: Message, now: int, out: list[Piece], counts: Counter[str]) -> Sync:
    """In step: apply it or tell the gap. Out of step: keep it, and try to join a snapshot."""
    before = (s.last, s.ts_event)
    if not s.whole:
        before = (s.buffer[-1].last, s.buffer[-1].ts_event) if s.buffer else (-1, 0)
    if m.last <= before[0] and m.ts_event <= before[1]:  # else the venue counts anew
        counts["repeated depth"] += 1
        return s
    if s.whole and follows(s.market, s.last, m):
        out.append(applied(m, now))
        return s._replace(last=m.last, ts_event=m.ts_event)
    if s.whole:
        counts["gap"] += 1
        out.append(Piece(m, CLEAR, now, GAP))
        return join(s._replace(whole=False, buffer=(m,)), now, out, counts)
    kept = s.buffer if s.buffer and follows(s.market, before[0], m) else ()
    return join(s._replace(buffer=(*kept[1 - BUFFER :], m)), now, out, counts)


def join(s: Sync, now: int, out: list[Piece], counts: Counter[str]) -> Sync:
    """Snapshot and the updates that continue it become the book, once one is seen to do so."""
    shot = s.snapshot
    if shot is None or not s.buffer or stale(s.market, shot.last, s.buffer[-1]):
        return s
    after = [m for m in s.buffer if not stale(s.market, shot.last, m)]
    if not bridges(s.market, shot.last, after[0]):
        counts["snapshot older than the updates"] += 1
        return s._replace(snapshot=None)
    if not shot.ts_event:  # a spot snapshot bears no time
        shot = shot._replace(ts_event=after[0].ts_event)
    counts["book"] += 1
    out.append(Piece(shot, CLEAR, now, SNAPSHOT if shot.levels.total else SNAPSHOT | LAST))
    if shot.levels.total:
        out.append(Piece(shot, SET, now, SNAPSHOT | LAST))
    out.extend(applied(m, now) for m in after)
    last = after[-1]
    return s._replace(last=last.last, ts_event=last.ts_event, whole=True, snapshot=None, buffer=())


RULES = {Kind.UPDATE: update, Kind.SNAPSHOT: snapshot, Kind.TRADE: trade}
