"""A book as a strip of cells: what rests in the ticks of each, and one byte that tells how much."""

from typing import Any

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.book.sides import LEVEL, SIDES, TICKS, best
from flowsense.serve.board.wire import CELLS, STEPS

LADDERS = types.Array(from_dtype(SIDES), 1, "A")  # a field of the fold's state: never contiguous
MOST = 255


@kernel
def add(cells: Record, price: int, lots: int, base: int, bucket: int) -> None:
    cells[(price - base) // bucket] += lots


@kernel
def side_of(
    levels: Record, s: Record, k: int, base: int, bucket: int, cells: NDArray[np.int64]
) -> None:
    """All levels of one side, 0 bid, 1 ask, whose prices the strip spans."""
    sign, end = 1 - 2 * k, base + bucket * len(cells)
    low, high = (base, end - 1) if k == 0 else (1 - end, -base)
    low_here, key = max(low, s.floor[k]), min(high, s.floor[k] + TICKS - 1)
    while key >= low_here:
        key = best(s, k, key)
        if key < low_here:  # there is none
            break
        add(cells, key * sign, s.ladder[k, key & (TICKS - 1)], base, bucket)
        key -= 1
    if s.outside[k] > 0:
        for h in range(s.start[k], s.start[k] + s.slots[k]):
            if levels[h].lots != 0 and low <= levels[h].key <= high:
                add(cells, levels[h].key * sign, levels[h].lots, base, bucket)


@compiled((array(LEVEL), LADDERS, types.int64, types.int64, types.int64, array(np.int64)))
def fill(
    levels: Record, sides: Record, i: int, base: int, bucket: int, cells: NDArray[np.int64]
) -> None:
    """cells (n,) grow by the lots of instrument i between base and base + n * bucket ticks."""
    for k in range(2):
        side_of(levels, sides[i], k, base, bucket, cells)


def strip(
    levels: NDArray[Any], sides: NDArray[Any], i: int, base: int, bucket: int
) -> NDArray[np.int64]:
    """(CELLS,) lots."""
    cells = np.zeros(CELLS, np.int64)
    fill(records(levels), records(sides), i, base, bucket, cells)
    return cells


def bytes_of(lots: NDArray[np.int64]) -> NDArray[np.uint8]:
    """As `wire` tells them; 0 for nothing alone."""
    told: NDArray[np.float64] = np.rint(STEPS * np.log2(1.0 + lots))
    return np.minimum(told, MOST).astype(np.uint8)
