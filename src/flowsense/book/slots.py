"""Hash tables inside one array: `slots` records from `start` on, a power of two, never full.

A record with lots 0 is vacant. Linear probing; deletion moves back what it parts from its home, so
that nothing dead is left behind (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
"""

import numpy as np

from flowsense._jit import Record, kernel


@kernel
def home(key: int, mask: int) -> int:
    """Where a key is looked for first: Fibonacci hashing (Knuth 6.4) that never overflows."""
    x = np.int64(key)
    return int(((((x ^ (x >> 31)) & 0x7FFFFFFF) * 0x61C88647) >> 15) & mask)


@kernel
def slot_of(table: Record, start: int, slots: int, key: int) -> int:
    """Where the key is, or the vacant slot where it would go."""
    mask = slots - 1
    h = home(key, mask)
    while table[start + h].lots != 0 and table[start + h].key != key:
        h = (h + 1) & mask
    return start + h


@kernel
def vacate(table: Record, start: int, slots: int, slot: int) -> None:
    mask, h = slots - 1, slot - start
    j = (h + 1) & mask
    while table[start + j].lots != 0:
        if (j - home(table[start + j].key, mask)) & mask >= (j - h) & mask:
            table[start + h] = table[start + j]
            h = j
        j = (j + 1) & mask
    table[start + h].lots = 0


@kernel
def vacate_all(table: Record, start: int, slots: int) -> None:
    for h in range(start, start + slots):
        table[h].lots = 0
