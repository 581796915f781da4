"""Feeds that carry whole book rows: the SETs that turn one row into the next."""

from flowsense._jit import Record, kernel
from flowsense.schema import NO_BID, SCROLL, SET

NOWHERE = NO_BID  # key = side * price of no level: deeper than all


@kernel
def emit(events: Record, n: int, action: int, side: int, price: int, lots: int, bits: int) -> int:
    e = events[n]
    e.action, e.side, e.price, e.lots, e.bits = action, side, price, lots, bits
    return n + 1


@kernel
def levels_of(book: Record, k: int) -> int:
    n = 0
    while n < len(book) and book[n, k, 1] > 0:
        n += 1
    return n


@kernel
def differ(
    events: Record, n: int, before: Record, now: Record, k: int, named: int, bits: int
) -> int:
    """SETs that turn side k (0 ask, 1 bid) of `before` into that of `now`, both (levels, 2, 2) of
    price and lots, best first; what goes comes before what comes. `named` is the key of the level
    that the message is about: others that pass the deep end of the view have SCROLL."""
    sign, shown = (1 if k else -1), len(now)
    had, has = levels_of(before, k), levels_of(now, k)
    for coming in range(2):
        i = j = 0
        while i < had or j < has:
            old = sign * before[i, k, 0] if i < had else NOWHERE
            new = sign * now[j, k, 0] if j < has else NOWHERE
            if old > new:
                left = has == shown and old != named and old < sign * now[shown - 1, k, 0]
                if not coming:
                    n = emit(events, n, SET, sign, sign * old, 0, SCROLL if left else bits)
            elif new > old:
                came = had == shown and new != named and new < sign * before[shown - 1, k, 0]
                if coming:
                    lots = now[j, k, 1]
                    n = emit(events, n, SET, sign, sign * new, lots, SCROLL if came else bits)
            elif before[i, k, 1] != now[j, k, 1] and not coming:
                n = emit(events, n, SET, sign, sign * new, now[j, k, 1], bits)
            i, j = i + (old >= new), j + (new >= old)
    return n
