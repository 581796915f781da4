"""What decoding Databento's messages remembers of an instrument, and how books begin and end."""

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import CLEAR, DEPTH, GAP, LAST, SNAPSHOT, STATUS, TRADE
from flowsense.sources.dbn_records import F_MBP, F_TOB, UNDEFINED
from flowsense.sources.rows import emit

NONE = -1
LOST, REPLAYED, KNOWN = range(3)  # what is told of a book
SEEN = np.dtype(
    [
        ("book", "i8"),  # the feed that tells of the book, of executions, of bars; or NONE
        ("flow", "i8"),
        ("bar", "i8"),
        ("tick", "i8"),  # 1e-9
        ("scale", "i8"),  # lots of one unit
        ("shown", "i8"),  # levels a side; 0: bars alone
        ("key", "i8"),  # publisher and instrument id of its last message
        ("phase", "i8"),
        ("known", "i8"),  # LOST, REPLAYED or KNOWN
        ("opens", "i8"),  # a book without a snapshot is empty
        ("midnight", "i8"),  # the same of the span under way
        ("fresh", "i8"),  # a snapshot is under way
        ("begun", "i8"),  # events since LAST
        ("replay", "i8"),  # ts_recv of the last record where that was of a snapshot; or NONE
        ("group", "i8"),  # ts_event of the venue's message under way
        ("traded", "i8"),  # in it an aggressor was told
        ("fills", "i8"),  # in it, first and last among the pool; or NONE
        ("final", "i8"),
        ("likely", "i8"),  # where the next removal is looked for first
        ("turn", "i8"),  # of the pool, when they were put there
        ("levels", "i8", (DEPTH, 2, 2)),  # the last book row, ticks and lots
    ]
)
STREAM = np.dtype(
    [
        ("latest", "i8"),  # ns
        ("used", "i8"),  # of the pool
        ("waiting", "i8"),  # instruments that have fills there
        ("turn", "i8"),  # how often it was full, and began anew
        ("hole", "i8"),  # the next one
    ]
)
HOLE = np.dtype(
    [
        ("ts", "i8"),  # from here on files tell of the instrument, and just before none does
        ("instrument", "i8"),
        ("opens", "i8"),  # see SEEN
    ]
)


@kernel
def put(
    events: Record, n: int, s: Record, m: Record, action: int, side: int, price: int, lots: int
) -> int:
    """An event with the id of its order; a level, or the touch, is an order of its own."""
    n = emit(events, n, action, side, price, lots, SNAPSHOT if s.fresh and action != TRADE else 0)
    k = 1 if side > 0 else 0
    if m.marks & F_TOB:
        events[n - 1].order_id = 1 + k
    elif m.marks & F_MBP:
        events[n - 1].order_id = abs(price) * 4 + k * 2 + (price < 0)
    else:
        events[n - 1].order_id = m.order_id
    return n


@kernel
def lose(events: Record, n: int, s: Record) -> int:
    if s.known != LOST:
        n = emit(events, n, CLEAR, 0, 0, 0, GAP)
    s.known, s.fresh, s.begun, s.replay = LOST, 0, 0, NONE
    return n


@kernel
def begin(events: Record, n: int, s: Record, known: int) -> int:
    s.known, s.fresh = known, 1
    for i in range(DEPTH):
        for k in range(2):
            s.levels[i, k, 0] = s.levels[i, k, 1] = 0
    return emit(events, n, CLEAR, 0, 0, 0, SNAPSHOT)


@kernel
def close(events: Record, start: int, n: int, s: Record) -> int:
    """LAST on the last event since `start`; where it cannot bear that, or there is none, on one
    that says that the phase is as it was."""
    if s.known == LOST or (n == start and not s.begun):
        return n
    if n == start or (s.fresh and events[n - 1].action == TRADE):
        n = emit(events, n, STATUS, 0, 0, s.phase, 0)
    events[n - 1].bits |= LAST | (SNAPSHOT if s.fresh else 0)
    s.known, s.fresh, s.begun = KNOWN, 0, 0
    return n


@kernel
def empty(events: Record, n: int, s: Record) -> int:
    """The book is known to hold nothing."""
    return close(events, n, begin(events, n, s, KNOWN), s)


@kernel
def trade(events: Record, n: int, s: Record, m: Record, side: int, price: int, lots: int) -> int:
    if m.price == UNDEFINED or lots == 0:
        return n
    return put(events, n, s, m, TRADE, side, price, lots)
