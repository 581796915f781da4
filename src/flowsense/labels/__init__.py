"""Targets: the only layer that may look ahead; every label says when it became known."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Target

COLUMNS = ("y", "move", "known_at", "valid", "weight")


class Labels(NamedTuple):
    """One entry per row of the decision clock, in order."""

    targets: tuple[Target, ...]
    y: NDArray[np.float32]  # (n, T) DOWN, FLAT, UP of a direction; ticks of a magnitude
    move: NDArray[np.float32]  # (n, T) the signed change behind y: ticks of mid, lots of ofi
    known_at: NDArray[np.int64]  # (n, T) ns; purging, embargo and online updates use it alone
    valid: NDArray[np.bool_]  # (n, T) False across a gap, a halt, an empty side, the end
    weight: NDArray[np.float32]  # (n, T) uniqueness
    stop: NDArray[np.bool_] | None = None  # (n, T) valid rows that only say when to stop a fit
    offset: NDArray[np.float32] | None = None  # (n, T) base log-odds, for training on residuals

    def take(self, rows: slice) -> Self:
        """The labels of these rows."""
        columns: dict[str, Any] = {name: column[rows] for name, column in self._columns()}
        return self._replace(**columns)

    def of(self, targets: NDArray[np.bool_]) -> Self:
        """The labels of these targets (T,)."""
        kept = tuple(t for t, keep in zip(self.targets, targets, strict=True) if keep)
        columns: dict[str, Any] = {name: column[:, targets] for name, column in self._columns()}
        return self._replace(targets=kept, **columns)

    def _columns(self) -> list[tuple[str, Any]]:
        found = zip(self._fields[1:], self[1:], strict=True)
        return [(name, column) for name, column in found if column is not None]

    def to_fit(self, fit: NDArray[np.bool_], stop: NDArray[np.bool_]) -> Self:
        """The same labels, valid only on the rows (n, T) to learn from and those to stop on."""
        return self._replace(valid=self.valid & (fit | stop), stop=self.valid & stop)


def join(parts: list[Labels]) -> Labels:
    """Consecutive labels as one."""
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in COLUMNS}
    return Labels(parts[0].targets, **columns)
