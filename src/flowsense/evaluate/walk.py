"""What the past tells of a smoothed label: on the rows scored, and on random walks of their moves.

The label compares the mean mid after a row with the one before it, so the mid's place above or
below its past mean says much of it even where the future cannot be foretold. The walks keep when
the mid moved and how far, and draw anew which way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flowsense.evaluate.sample import Said, Sample
from flowsense.evaluate.scores import Bools, Floats
from flowsense.forecast import FLAT
from flowsense.labels.path import Ints, Path
from flowsense.labels.smoothed import classes, least, means
from flowsense.schema import Quotes

WALKS = 50
FEWEST = 10
WORK = 1_000_000_000  # quotes looked at for all walks, about
UNSURE = 0.9  # of a call that is flat, so that flat is the most likely class


class Moves(NamedTuple):
    """One recording: its rows in the order of the labels, and every quote it told."""

    ts: Ints  # (n,)
    instrument: Ints  # (n,) in the recording's own table
    quotes: Quotes  # (q,) QUOTE


class Piece(NamedTuple):
    """The rows of one instrument in one recording."""

    path: Path  # moves alone
    place: Ints  # (k,) among the rows asked for
    ts: Ints  # (k,)


def past_mean(of: Sample, moves: Sequence[Moves]) -> Said:
    """The rule on the market itself: the side on which the mid stands of its past mean.

    Flat as often as the fold's training labels, by the distances on its `chosen` rows.
    """
    x, p = signal(of, of.rows, moves), np.zeros((len(of.rows), 3))
    for k, (chosen, y) in enumerate(zip(of.chosen, of.trained, strict=True)):
        here = of.fold == k
        far = edge(signal(of, chosen, moves), float((y == FLAT).mean()) if len(y) else 0.0)
        p[here] = called(x[here], far)
    return Said(p, x, 0)


def walks(of: Sample, moves: Sequence[Moves], seed: int) -> Iterator[tuple[Sample, Said]]:
    """The rows with the labels of a random walk, and what the rule calls there.

    Flat as often as the labels of that walk: one threshold, and nothing else is fitted.
    """
    rng, parts = np.random.default_rng(seed), list(pieces(of.rows, moves))
    horizon, shape = of.target.horizon_ns, len(of.rows)
    width = np.zeros(shape)
    for part in parts:
        seen = means(part.path, part.ts, horizon)  # a walk's own price could end below 0
        width[part.place] = least(of.target, seen)
    looked = sum(looked_at(part, horizon) for part in parts)
    for _ in range(int(np.clip(WORK // max(looked, 1), FEWEST, WALKS))):
        x, move = np.zeros(shape), np.zeros(shape)
        for part in parts:
            seen = means(redrawn(part.path, rng), part.ts, horizon)
            x[part.place], move[part.place] = seen.last - seen.past, seen.future - seen.past
        y = classes(move, width)
        told = replace(of, y=y.astype(np.float32), move=move.astype(np.float32), blocks=None)
        yield told, Said(called(x, edge(x, float((y == FLAT).mean()))), x, 0)


def signal(of: Sample, rows: Ints, moves: Sequence[Moves]) -> Floats:
    """(k,) the mid less its mean over the last horizon, ticks."""
    x = np.zeros(len(rows))
    for part in pieces(rows, moves):
        seen = means(part.path, part.ts, of.target.horizon_ns)
        x[part.place] = seen.last - seen.past
    return x


def edge(x: Floats, flat: float) -> float:
    """The distance within which this share of x lies."""
    return float(np.quantile(np.abs(x), flat)) if len(x) else 0.0


def called(x: Floats, far: float) -> Floats:
    """(n, 3) to the side of x, the surer the farther it is from 0; flat within `far`."""
    still = np.where(np.abs(x) > far, 0.0, UNSURE)
    sure = x / (1 + np.abs(x))
    return np.stack([(1 - still) * (1 - sure) / 2, still, (1 - still) * (1 + sure) / 2], axis=1)


def pieces(rows: Ints, moves: Sequence[Moves]) -> Iterator[Piece]:
    """Rows of the labels, which hold those of all recordings behind each other."""
    start = 0
    for ts, instrument, quotes in moves:
        inside = np.flatnonzero((rows >= start) & (rows < start + len(ts)))
        mine = rows[inside] - start
        for who in np.unique(instrument[mine]):
            of = instrument[mine] == who
            path = alone(Path.of(quotes[quotes["instrument"] == who]))
            yield Piece(path, inside[of], ts[mine[of]])
        start += len(ts)


def alone(path: Path) -> Path:
    """The quotes at which the mid, or whether there is one, has changed."""
    kept: Bools = np.ones(len(path.ts), np.bool_)
    changes = (np.diff(column) != 0 for column in (path.mid2, path.breaks, path.whole))
    kept[1:] = np.logical_or.reduce(list(changes))
    return path.take(kept)


def redrawn(path: Path, rng: np.random.Generator) -> Path:
    """The same moves at the same times, up or down by the toss of a coin."""
    step = np.diff(path.mid2, prepend=path.mid2[:1])
    return path._replace(mid2=path.mid2[:1] + np.cumsum(step * rng.choice((-1, 1), len(step))))


def looked_at(part: Piece, horizon_ns: int) -> int:
    """Quotes in the windows of all its rows."""
    ends = (np.searchsorted(part.path.ts, part.ts + h) for h in (horizon_ns, -horizon_ns))
    last, first = ends
    return int((last - first + 1).sum())
