"""The mirror law: swap bids and asks, and every column becomes what it says it becomes."""

import numpy as np
from numpy.typing import NDArray

from flowsense.features.catalogue import described
from flowsense.schema import ADD, CANCEL, FILL, MODIFY, SET, TRADE, Events, Instrument
from flowsense.tape import FeatureSpec, Rows
from flowsense.testing.streams import tape_of

PRICED = (ADD, MODIFY, CANCEL, FILL, TRADE, SET)


def mirrored(events: Events, turn: int) -> Events:
    """The same market seen by the other side: side becomes -side, price becomes turn - price."""
    out = events.copy()
    priced = np.isin(events["action"], PRICED)
    out["price"][priced] = turn - events["price"][priced]
    out["side"][priced] = -events["side"][priced]
    return out.view(events.dtype)


def reflected(spec: FeatureSpec, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """X and valid as the declared mirror of every column makes them."""
    columns = described(spec)
    partner = [spec.columns.index(c.name if c.mirror in ("", "-") else c.mirror) for c in columns]
    sign = np.array([-1 if c.mirror == "-" else 1 for c in columns], np.float32)
    return rows.X[:, partner] * sign, rows.valid[:, partner]


def check_mirror(
    spec: FeatureSpec, instruments: tuple[Instrument, ...], events: Events, turn: int = 20_001
) -> None:
    """Rows of the mirrored market are the mirrored rows, to the last bit (-0 is 0).

    An odd `turn` makes even mids odd ones. Raises AssertionError naming the first column.
    """
    ours = tape_of(spec, instruments, events).rows
    theirs = tape_of(spec, instruments, mirrored(events, turn)).rows
    for a, b in zip(ours, theirs, strict=True):
        assert len(a.ts) > 0, "the stream gives no row"
        X, valid = reflected(spec, a)
        for j, name in enumerate(spec.columns):
            assert np.array_equal(valid[:, j], b.valid[:, j]), f"mirror: {name} missing elsewhere"
            wrong = np.flatnonzero(X[:, j] != b.X[:, j])
            if len(wrong):
                k = wrong[0]
                raise AssertionError(f"mirror: {name}, row {k}: {b.X[k, j]}, not {X[k, j]}")
