"""Every kind of label as one fold with a delay line.

Exact for every clock and every horizon, because labels read the quotes and not later rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import WIDTHS, Target
from flowsense.labels import Labels, anchored, barrier, smoothed
from flowsense.labels.path import Outcome, Path, Rows
from flowsense.schema import DAY, MILLISECOND, QUOTE, Quotes
from flowsense.tape import Tape

OUTCOMES: dict[str, Callable[[Target, Rows, Path], Outcome]] = {
    "mid": anchored.outcome,
    "ofi": anchored.outcome,
    "magnitude": anchored.outcome,
    "barrier": barrier.outcome,
    "smoothed": smoothed.outcome,
}
LONGEST = 366 * DAY  # of a horizon: T + h must stay a time


class Pending(NamedTuple):
    """Rows whose longest horizon has not passed, and the quotes that their labels may read."""

    ts: NDArray[np.int64]  # (k,) when each row was due
    quote: NDArray[Any]  # (k,) QUOTE as of the row; its instrument is the row's
    quotes: NDArray[Any]  # (q,) QUOTE, of all instruments, in order
    now: NDArray[np.int64]  # (1,) the latest record seen


@dataclass(frozen=True, slots=True)
class Stages:
    """Labels of every target. Raises InputError for one that cannot be."""

    targets: tuple[Target, ...]
    step_ns: int = 100 * MILLISECOND  # between rows; labels that overlap weigh less

    def __post_init__(self) -> None:
        for target in self.targets:
            kind, horizon, width = target
            if kind not in OUTCOMES or horizon <= 0:
                kinds = ", ".join(OUTCOMES)
                raise InputError(f"target {target}: write {kinds}@horizon, like mid@1s")
            if horizon > LONGEST:
                raise InputError(f"target {target}: give a horizon of at most 366 days")
            if width is not None and (width.unit not in WIDTHS.get(kind, ()) or width.size <= 0):
                raise InputError(f"target {target}: {width} is no width of {kind}")
        if not self.targets:
            raise InputError("targets: name at least one, like mid@500ms")

    @property
    def longest(self) -> int:
        return max(t.horizon_ns for t in self.targets)

    @property
    def history(self) -> int:
        """ns before a row that its labels read."""
        reads = {"barrier": barrier.history, "smoothed": smoothed.history}
        return max(reads[t.kind](t) if t.kind in reads else 0 for t in self.targets)

    def init(self) -> Pending:
        none = np.zeros(0, np.int64)
        return Pending(none, np.zeros(0, QUOTE), np.zeros(0, QUOTE), np.zeros(1, np.int64))

    def fold(self, state: Pending, tape: Tape) -> tuple[Pending, Labels]:
        """Labels of the rows whose longest horizon has passed, in order of rows.

        What holds at T + h is known once a record at or after T + h has been seen.
        """
        rows = tape.rows[0]
        ts = np.concatenate([state.ts, rows.ts])
        quote = np.concatenate([state.quote, rows.quote])
        quotes = np.concatenate([state.quotes, tape.quotes])
        now = max(int(state.now[0]), int(tape.events["ts_recv"].max(initial=0)))
        done = int(np.searchsorted(ts, now - self.longest, "right"))
        labels = self._label(Rows(ts[:done], quote[:done]), quotes, now)
        first = int(ts[done]) if done < len(ts) else now
        kept = since(quotes, first - self.history)
        return Pending(ts[done:], quote[done:], kept, np.array([now])), labels

    def close(self, state: Pending) -> Labels:
        """The stream has ended: what is pending, valid where it was known by then."""
        return self._label(Rows(state.ts, state.quote), state.quotes, int(state.now[0]))

    def _label(self, rows: Rows, quotes: Quotes, now: int) -> Labels:
        shape = (len(rows.ts), len(self.targets))
        y, move = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        known_at, valid = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
        for who in np.unique(rows.quote["instrument"]):
            mine = np.flatnonzero(rows.quote["instrument"] == who)
            some = Rows(rows.ts[mine], rows.quote[mine])
            path = Path.of(quotes[quotes["instrument"] == who])
            for j, target in enumerate(self.targets):
                found = OUTCOMES[target.kind](target, some, path)
                known_at[mine, j] = found.known_at
                valid[mine, j] = found.valid & (found.known_at <= now)
                y[mine, j], move[mine, j] = found.y, found.move
        flat = np.array([0.0 if t.kind == "magnitude" else 1.0 for t in self.targets])
        y, move = np.where(valid, y, flat), np.where(valid, move, 0.0)
        weight = np.minimum(self.step_ns / np.maximum(known_at - rows.ts[:, None], 1), 1.0)
        return Labels(
            self.targets,
            y.astype(np.float32),
            move.astype(np.float32),
            known_at,
            valid,
            weight.astype(np.float32),
        )


def since(quotes: Quotes, ts: int) -> Quotes:
    """The quotes from `ts` on, and of each instrument the one that holds then."""
    first = int(np.searchsorted(quotes["ts"], ts))
    if first == 0:
        return quotes
    _, back = np.unique(quotes["instrument"][:first][::-1], return_index=True)
    return np.concatenate([quotes[np.sort(first - 1 - back)], quotes[first:]])
