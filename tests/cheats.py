"""Families that break a law each; `test_cheats` registers them as another package would."""

import numpy as np

from flowsense._jit import kernel
from flowsense.features.context import BUYS
from flowsense.tape import Column


@kernel
def rest(s, e, b, c):
    pass


@kernel
def mid(s, ts, b, c, out):
    out[0] = 0.5 * c.mid2


@kernel
def count(s, e, b, c):
    s.n += 1


class Family:
    """What they share: one column of the name of the class."""

    STATE, VERSION, __file__ = np.dtype([("n", "i8"), ("x", "f8")]), 1, __file__
    update, row = staticmethod(rest), staticmethod(mid)

    def __init_subclass__(cls):
        cls.COLUMNS = (Column(cls.__name__.lower(), "1", "a cheat"),)


@kernel
def counts_rows(s, ts, b, c, out):
    s.n += 1
    out[0] = s.n


class Asked(Family):
    """Its row tells how many rows were asked for."""

    row = staticmethod(counts_rows)


@kernel
def since_row(s, ts, b, c, out):
    out[0] = s.n
    s.n = 0


class Resets(Family):
    """Counts since the last row by itself, so that clocks share one count."""

    update, row = staticmethod(count), staticmethod(since_row)


@kernel
def sometimes(s, ts, b, c, out):
    if s.n % 3 == 0:
        out[0] = s.n


class Leaves(Family):
    """Leaves its cell as somebody left it."""

    update, row = staticmethod(count), staticmethod(sometimes)


@kernel
def draw(s, e, b, c):
    s.x = np.random.random()  # noqa: NPY002


@kernel
def drawn(s, ts, b, c, out):
    out[0] = s.x


class Draws(Family):
    """Remembers in the generator of random numbers, which no snapshot holds."""

    update, row = staticmethod(draw), staticmethod(drawn)


@kernel
def meddle(s, e, b, c):
    c.count[BUYS] += 1


class Meddles(Family):
    """Changes what all families share."""

    update = staticmethod(meddle)


@kernel
def gone(s, ts, b, c, out):
    out[0] = 1e300 * c.mid2


class Endless(Family):
    """Finite as float64, but not as what a row holds."""

    row = staticmethod(gone)


@kernel
def shared_count(s, e, b, c):
    SEEN[0] += 1


SEEN = np.zeros(1, np.int64)


class Shares(Family):
    """Counts in an array of its module."""

    update = staticmethod(shared_count)


@kernel
def adds_up(S, rows, at, out):
    for r in range(len(rows)):
        out[r, 0] = out[r, 0] + 1.0 if out[r, 0] == out[r, 0] else 0.0


class Scratch(Family):
    """Across instruments; remembers in the cells it is given to write into."""

    READS = ("imb_l1",)
    across = staticmethod(adds_up)


@kernel
def first_ever(S, rows, at, out):
    for r in range(len(rows)):
        if rows[r].instrument == 0:
            out[r, 0] = rows[r].X[at[0]]


class Silent(Family):
    """Across instruments; an instrument that it has nothing to say of keeps the cell of another."""

    READS = ("imb_l1",)
    across = staticmethod(first_ever)


@kernel
def rewrites(S, rows, at, out):
    for r in range(len(rows)):
        rows[r].X[at[0]] = 0.0
        out[r, 0] = 1.0


class Rewrites(Family):
    """Across instruments; changes the rows that it reads."""

    READS = ("imb_l1",)
    across = staticmethod(rewrites)
