"""The arrays of all books: how large they begin, and how they grow outside the kernels.

Each side of each instrument has a part of one array of levels, each instrument by order a part of
one array of orders. A table that fills moves into a larger part at the end of the array.
"""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.book.orders import ORDER
from flowsense.book.sides import ALL, LEVEL
from flowsense.book.slots import slot_of

SLOTS = 4096  # of a side at first, and of an instrument's orders
ROOM = SLOTS // 4  # events for which nothing needs to grow yet
MANY = 2**32  # left where there is no table
Array = NDArray[Any]


@kernel
def move(old: Record, table: Record, start: int, slots: int) -> None:
    for i in range(len(old)):
        if old[i].lots != 0:
            table[slot_of(table, start, slots, old[i].key)] = old[i]


@compiled(types.void(array(LEVEL), array(LEVEL), types.int64, types.int64))
def move_levels(old: Record, table: Record, start: int, slots: int) -> None:
    move(old, table, start, slots)


@compiled(types.void(array(ORDER), array(ORDER), types.int64, types.int64))
def move_orders(old: Record, table: Record, start: int, slots: int) -> None:
    move(old, table, start, slots)


def allocate(sides: Array, by_order: Array, slots: int = SLOTS) -> tuple[Array, Array]:
    """-> levels, orders of empty books; `sides` (n,) SIDES becomes their state.

    `by_order` (n,) tells whose orders are followed; `slots` is a power of two.
    """
    n = len(sides)
    sides["slots"], sides["start"] = slots, np.arange(2 * n).reshape(n, 2) * slots
    sides["changed"] = ALL
    sides["order_slots"] = np.where(by_order, slots, 0)
    sides["order_start"] = np.cumsum(sides["order_slots"]) - sides["order_slots"]
    orders = max(int(sides["order_slots"].sum()), 1)
    return np.zeros(2 * n * slots, LEVEL), np.zeros(orders, ORDER)


def make_room(sides: Array, levels: Array, orders: Array) -> tuple[Array, Array, int]:
    """-> levels, orders, and how many events fit before this must be called again.

    An event brings a side at most one level and an instrument one order, and half of every table
    stays vacant. `sides` (n,) SIDES is changed in place.
    """
    place = sides["start"], sides["slots"], sides["held"]
    levels, room = _fitted(*place, levels, move_levels)
    if len(orders) > 1:
        place = sides["order_start"], sides["order_slots"], sides["resting"]
        orders, order_room = _fitted(*place, orders, move_orders)
        room = min(room, order_room)
    return levels, orders, room


def _left(slots: Array, held: Array) -> Array:
    return np.where(slots > 0, (slots >> 1) - held, MANY)


def _fitted(start: Array, slots: Array, held: Array, table: Array, move: Any) -> tuple[Array, int]:
    """Every part with less than a quarter left before it is half full becomes twice as large."""
    left = _left(slots, held)
    if (room := int(left.min())) >= ROOM:
        return table, room
    for part in zip(*np.nonzero(left * 4 < slots), strict=True):
        old = table[start[part] : start[part] + slots[part]].copy()
        start[part], slots[part] = int((start + slots).max()), slots[part] * 2
        end = int(start[part] + slots[part])
        if end > len(table):
            more = np.zeros(2 * end, table.dtype).view(table.dtype)
            more[: len(table)] = table
            table = more
        move(records(old), records(table), int(start[part]), int(slots[part]))
    return table, int(_left(slots, held).min())
