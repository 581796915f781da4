"""Are columns distributed as they were? A fold over rows, block by block against a reference."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.stability import (
    BINS,
    EDGES,
    Bools,
    Floats,
    Ints,
    Reference,
    histogram,
    spaced,
)
from flowsense.schema import SECOND, Instrument
from flowsense.tape import Rows


class State(NamedTuple):
    """All that later answers depend on."""

    last: Ints  # (instruments,) ns, of the latest row, -1 before the first
    kept: NDArray[np.float32]  # (r, F) rows for a reference, until there are enough
    known: Bools  # (r, F)
    edges: NDArray[np.float32]  # (F, EDGES) of the reference
    usual: Ints  # (F, BINS) rows of the reference; zeros before there is one
    counts: Ints  # (F, BINS) of the open block
    rows: Ints  # (2,) in the open block; blocks closed
    psi: Floats  # (F,) of the last closed block


@dataclass(frozen=True, slots=True)
class Columns:
    """``state = columns.push(state, rows)`` for each tape, in order.

    Taken is about one row each `every_ns`, of all instruments in turn: neighbours say the same.
    The first two blocks of them are the reference where none is given.
    """

    names: tuple[str, ...]
    reference: Reference | None = None
    every_ns: int = SECOND
    block: int = 1_800  # rows, half an hour by the second

    def __post_init__(self) -> None:
        if not (self.every_ns > 0 and self.block > 0):
            raise InputError(
                f"columns: every_ns {self.every_ns} and block {self.block} have to be above 0"
            )
        if self.reference and len(self.reference.edges) != len(self.names):
            raise InputError(
                f"columns: a reference of {len(self.reference.edges)} columns, the rows have "
                f"{len(self.names)}: make it of rows of the same features"
            )

    def init(self, instruments: tuple[Instrument, ...]) -> State:
        F, found = len(self.names), self.reference
        return State(
            last=np.full(len(instruments), -1),
            kept=np.zeros((0, F), np.float32),
            known=np.zeros((0, F), np.bool_),
            edges=found.edges.copy() if found else np.zeros((F, EDGES), np.float32),
            usual=found.counts.copy() if found else np.zeros((F, BINS), np.int64),
            counts=np.zeros((F, BINS), np.int64),
            rows=np.zeros(2, np.int64),
            psi=np.zeros(F),
        )

    def push(self, state: State, rows: Rows) -> State:
        taken, last = spaced(rows.ts, rows.instrument, state.last, self.every_ns)
        state, X, valid = state._replace(last=last), rows.X[taken], rows.valid[taken]
        if not state.usual.any() and len(X):
            wanted = max(2 * self.block - len(state.kept), 0)
            state, X, valid = learned(state, X, valid, wanted)
        while len(X):
            n = min(self.block - int(state.rows[0]), len(X))
            counts = state.counts + histogram(state.edges, X[:n], valid[:n])
            state, X, valid = self._counted(state, counts, n), X[n:], valid[n:]
        return state

    def _counted(self, state: State, counts: Ints, n: int) -> State:
        rows = state.rows + np.array([n, 0])
        if rows[0] < self.block:
            return state._replace(counts=counts, rows=rows)
        psi = Reference(state.edges, state.usual).psi(counts)
        closed = np.array([0, rows[1] + 1])
        return state._replace(counts=np.zeros_like(counts), rows=closed, psi=psi)

    def psi(self, state: State) -> dict[str, float]:
        """Of each column, as of the last block; nothing before the first is closed."""
        return dict(zip(self.names, state.psi.tolist(), strict=True)) if state.rows[1] else {}


def learned(
    state: State, X: NDArray[np.float32], valid: Bools, wanted: int
) -> tuple[State, NDArray[np.float32], Bools]:
    """The state with so many rows more, from which the reference is made; and the rows left."""
    kept = np.concatenate([state.kept, X[:wanted]])
    known = np.concatenate([state.known, valid[:wanted]])
    if len(X) < wanted:
        return state._replace(kept=kept, known=known), X[:0], valid[:0]
    found = Reference.of(kept, known)
    state = state._replace(kept=kept[:0], known=known[:0], edges=found.edges, usual=found.counts)
    return state, X[wanted:], valid[wanted:]
