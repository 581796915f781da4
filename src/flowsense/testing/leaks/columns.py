"""Columns that come ready-made: what their numbers give away.

Three of the checks are proofs: a column is, number for number, a causal column scaled by the whole
table (``scale``), a join that knew too early (``joined``), or a causal column of later rows
(``rebuilt``). Two are alarms: a column tells more of the next moves than all causal columns leave
open (``ahead``), or a side a minute ahead more often than any honest forecast known
(``accuracy``). A column that passes may still leak, less than these levels or in another way.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate.score import ALARM, MINUTE
from flowsense.testing.leaks.findings import Finding
from flowsense.testing.leaks.table import Beside, Floats, Ints, Table

SCALE, JOINED, REBUILT, AHEAD, ACCURACY = "scale", "joined", "rebuilt", "ahead", "accuracy"
CHECKS = (SCALE, JOINED, REBUILT, AHEAD, ACCURACY)
EXACT = 1e-6  # of a variance: what float32 leaves of an equal column
ROUND = 1e-5  # deviations: no mean of real numbers is 0 to that by chance
STEPS = (1, 2, 5, 10, 20, 50)  # rows that a move is followed over
LEADS = 20  # rows, each of them, that a column is rebuilt from
FAR = 0.2  # correlation beyond the causal columns: an information coefficient of .1 is rare
SURE = 6.0  # deviations that it must be away from 0; there are STEPS x 2 tries a column
CERTAIN = 3.0  # deviations above the level of `accuracy`
BLOCKS = 20  # at least, of the length of a move, for its deviation
TOLD = 0.05  # of what the causal columns leave open of a column, the most its rebuilding may
MOST = 30_000  # rows that are looked at for `rebuilt` and `ahead`
ALIKE = (1, 3, 10)  # rows later, by which they are sought
TRIES = 3  # causal columns that a column is rebuilt from, the most alike
FEWEST = 200  # rows, of which a column is judged at all


def check_columns(table: Table, of: Beside) -> list[Finding]:
    """A finding for each column and check; the first leak of a column is told with its row."""
    known = Causal.of(table, of)
    priced = np.column_stack([of.mid, of.C])
    out = list[Finding]()
    for j, name in enumerate(table.names):
        x = table.X[:, j]
        if np.isfinite(x).sum() < FEWEST or np.nanstd(x) == 0:
            out.append(Finding(SCALE, name, False, "not judged: too few different numbers"))
            continue
        laws = {
            SCALE: scaled(x, table, priced, ("mid", *of.names)),
            JOINED: joined(x, table, of),
            REBUILT: rebuilt(x, known, of),
            AHEAD: ahead(x, known),
            ACCURACY: accurate(x, table, of.mid),
        }
        for check, why in laws.items():
            out.append(Finding(check, name, why is not None, why or known.seen))
    return out


def affine(x: Floats, c: Floats) -> float:
    """The share of the variance of x that no line through c explains; 1 where nothing is known."""
    both = np.isfinite(x) & np.isfinite(c)
    if both.sum() < FEWEST:
        return 1.0
    a, b = x[both] - x[both].mean(), c[both] - c[both].mean()
    aa, bb, ab = float(a @ a), float(b @ b), float(a @ b)
    return 1.0 - ab * ab / (aa * bb) if aa > 0 and bb > 0 else 1.0


def scaled(x: Floats, table: Table, C: Floats, names: tuple[str, ...]) -> str | None:
    """Mean 0 and deviation 1, or a causal column on 0 to 1, over just the rows of the table."""
    for who in (None, *np.unique(table.instrument).tolist()):
        mine = np.isfinite(x) & ((table.instrument == who) if who is not None else True)
        part, rows = x[mine], f"all {int(mine.sum())} rows"
        if len(part) < FEWEST or part.std() == 0:
            continue
        mean, deviation = part.mean(), (part.std(), part.std(ddof=1))
        if abs(mean) < ROUND and min(abs(d - 1) for d in deviation) < ROUND:
            return f"mean {mean:.0e} and deviation {deviation[0]:.6f} over {rows}: row 0 knows them"
        if abs(part.min()) < EXACT and abs(part.max() - 1) < EXACT and len(np.unique(part)) > 2:
            for k, name in enumerate(names):
                c = C[mine, k]
                if affine(part, c) < EXACT:
                    low, high = np.nanmin(c), np.nanmax(c)
                    if low == 0 and high == 1:
                        break  # it lies there by itself
                    span = f"{low:.6g} to {high:.6g}"
                    return f"is {name} on 0 to 1 by its range {span} over {rows}: row 0 knows it"
    return None


def joined(x: Floats, table: Table, of: Beside) -> str | None:
    """Equal, but for a scale, to a join that knows too early, and not to the one that does not."""
    for join in of.joins:
        if affine(x, join.wrong) < EXACT <= affine(x, join.known):
            both = np.isfinite(x) & np.isfinite(join.wrong)
            early = both & (join.told > table.ts) & (join.known != join.wrong)
            early &= np.isfinite(join.known) | ~(early & np.isfinite(join.known)).any()
            if not early.any():
                continue
            k = int(np.argmax(early))
            return (
                f"is the {join.name} joined as {join.how}: row {k}, {table.ts[k]}, holds "
                f"{x[k]:.6g} of {join.wrong[k]:.6g}, known at {join.told[k]} only; "
                f"known at the row was {join.known[k]:.6g}"
            )
    return None


class Causal(NamedTuple):
    """What is left of anything once the causal columns and the moves so far are known."""

    basis: Floats  # (m, p) orthonormal: causal columns, moves so far, instruments
    rows: Ints  # (m,) of the table
    instrument: Ints  # (m,)
    signed: Floats  # (m, S) what is left of moves over STEPS rows; 0 where unknown
    sized: Floats  # (m, S) and of their sizes
    direct: Floats  # (m, D) the mid and the causal columns that lag behind no bar
    changes: tuple[Floats, ...]  # (m, D) each: of these to some later rows
    seen: str

    @classmethod
    def of(cls, table: Table, of: Beside) -> "Causal":
        rows = np.flatnonzero(np.isfinite(of.mid))[:MOST]
        who, mid = table.instrument[rows], of.mid[rows]
        past = [lagged(mid, who, k) for k in (*range(1, 11), *STEPS[4:])]
        moves = [np.nan_to_num(mid - x) for x in past]
        dummies = [(who == w).astype(float) for w in np.unique(who)]
        base = [*dummies, *(d * (mid - mid.mean()) for d in dummies)]
        given = filled(of.C[rows])
        design = np.column_stack([*base, *moves, *map(np.abs, moves), given])
        basis = orthonormal(design)
        left = [lagged(mid, who, -k) - mid for k in STEPS]
        signed = np.column_stack([residual(basis, np.nan_to_num(y)) for y in left])
        sized = np.column_stack([residual(basis, np.nan_to_num(np.abs(y))) for y in left])
        direct = np.column_stack([mid, centred(of.C[rows][:, of.reads_events])])
        changes = tuple(np.nan_to_num(lagged(direct, who, -k) - direct) for k in ALIKE)
        seen = f"{len(rows)} rows beside {len(of.names)} causal columns"
        return cls(basis, rows, who, signed, sized, direct, changes, seen)


def lagged(x: Floats, who: Ints, k: int) -> Floats:
    """x as of k rows of the same instrument before; NaN where there is none."""
    out = np.full(x.shape, np.nan)
    for w in np.unique(who):
        mine = np.flatnonzero(who == w)
        if len(mine) > abs(k):
            out[mine[k:] if k > 0 else mine[:k]] = x[mine[:-k] if k > 0 else mine[-k:]]
    return out


def centred(C: Floats) -> Floats:
    """Each column less its mean, and 0 where it is missing."""
    there = np.isfinite(C)
    mean = np.where(there, C, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(there, C - mean, 0.0)


def filled(C: Floats) -> Floats:
    """With columns behind them that say where one is missing."""
    missing = ~np.isfinite(C)
    some = missing.any(axis=0) & ~missing.all(axis=0)
    return np.column_stack([centred(C), missing[:, some].astype(float)])


def orthonormal(design: Floats) -> Floats:
    """A basis of what the columns span, those that add nothing left out."""
    scale = np.sqrt((design**2).mean(axis=0))
    if not scale.any():
        return np.zeros((len(design), 0))
    kept = design[:, scale > 0] / scale[scale > 0]
    u, s, _ = np.linalg.svd(kept, full_matrices=False)
    return np.asarray(u[:, s > 1e-9 * s[0]])


def residual(basis: Floats, y: Floats) -> Floats:
    out = y - basis @ (basis.T @ y)
    return np.asarray(out - basis @ (basis.T @ out))


def left_open(x: Floats, known: Causal) -> tuple[Floats, float]:
    """(m,) of a column, what the causal columns do not say; and that share of its variance."""
    part = centred(x[known.rows, None])[:, 0]
    left = residual(known.basis, part)
    return left, float(left @ left) / max(float(part @ part), 1e-300)


def ahead(x: Floats, known: Causal) -> str | None:
    """The part of x that no causal column says, against moves after the row that none says."""
    left, share = left_open(x, known)
    if share < EXACT:
        return None
    worst, why = 0.0, None
    for what, moves in (("the move", known.signed), ("the size of the move", known.sized)):
        for k, step in enumerate(STEPS):
            r, z = correlation(left, moves[:, k], step)
            if abs(r) > max(FAR, worst) and abs(z) > SURE:
                worst = abs(r)
                why = (
                    f"what it says beyond all causal columns has a correlation of {r:.2f} with "
                    f"{what} over the next {step} rows, {abs(z):.0f} deviations; {FAR} is the alarm"
                )
    return why


def correlation(a: Floats, b: Floats, step: int) -> tuple[float, float]:
    """Of two series, and how many deviations from 0, by blocks of twice the step in rows."""
    size = float(np.sqrt((a @ a) * (b @ b)))
    blocks = len(a) // max(2 * step, 10)
    if size == 0 or blocks < BLOCKS:
        return 0.0, 0.0
    sums = np.array([part.sum() for part in np.array_split(a * b, blocks)])
    spread = float(np.sqrt(blocks) * sums.std(ddof=1))
    return float(a @ b) / size, float(sums.sum()) / max(spread, 1e-300)


def rebuilt(x: Floats, known: Causal, of: Beside) -> str | None:
    """All that the causal columns leave open of x, told by one of them at later rows."""
    left, share = left_open(x, known)
    if share < 10 * EXACT:
        return None
    names = ("mid", *np.array(of.names)[of.reads_events])
    for k in most_alike(left, known):
        past, leads = windows(known.direct[:, k], known.instrument)
        before = residual(orthonormal(residual(known.basis, past)), left)
        beyond = residual(orthonormal(residual(known.basis, past)), residual(known.basis, leads))
        after = residual(orthonormal(beyond), before)
        told = float(after @ after) / float(left @ left)
        if told < TOLD < float(before @ before) / float(left @ left):
            return (
                f"{1 - told:.1%} of what the causal columns leave open of it is {names[k]} "
                f"1 to {LEADS} rows later"
            )
    return None


def most_alike(left: Floats, known: Causal) -> list[int]:
    """The columns whose change to some later row is most like what is left of x."""
    best = np.zeros(known.direct.shape[1])
    for change in known.changes:
        size = np.sqrt((change**2).sum(axis=0) * (left @ left))
        best = np.maximum(best, np.abs(left @ change) / np.where(size > 0, size, np.inf))
    return [int(k) for k in np.argsort(-best)[:TRIES] if best[k] > 0]


def windows(c: Floats, who: Ints) -> tuple[Floats, Floats]:
    """(m, LEADS) each: how a column differs from itself some rows before, and after."""
    past, later = (
        np.column_stack([np.nan_to_num(lagged(c, who, s * k) - c) for k in range(1, LEADS + 1)])
        for s in (1, -1)
    )
    return past, later


def accurate(x: Floats, table: Table, mid: Floats) -> str | None:
    """The side of the mid a minute ahead, once a minute, told by x above or below a middle."""
    for who, at, later in minutes(table, mid):
        mine = x[table.instrument == who]
        for middle in (0.0, float(np.nanmean(mine)), float(np.nanmedian(mine))):
            sides = np.sign(mid[later] - mid[at]) * np.nan_to_num(np.sign(x[at] - middle))
            n = int((sides != 0).sum())
            hit = 0.5 + abs(float(sides.sum())) / (2 * max(n, 1))
            far = CERTAIN * (ALARM * (1 - ALARM) / max(n, 1)) ** 0.5
            if n >= FEWEST and hit > ALARM + far:
                return f"tells {hit:.0%} of {n} sides a minute ahead, where {ALARM:.0%} is an alarm"
    return None


def minutes(table: Table, mid: Floats) -> Iterator[tuple[int, Ints, Ints]]:
    """Of each instrument rows a minute apart, and the rows a minute after them."""
    for who in np.unique(table.instrument).tolist():
        mine = np.flatnonzero((table.instrument == who) & np.isfinite(mid))
        ts = table.ts[mine]
        if len(ts) < 2:
            continue
        edges = np.arange(ts[0], ts[-1], MINUTE)
        at = np.searchsorted(ts, edges)
        later = np.searchsorted(ts, ts[at] + MINUTE)
        inside = later < len(ts)
        apart: NDArray[np.bool_] = inside.copy()
        apart[inside] = ts[later[inside]] - ts[at[inside]] < 2 * MINUTE
        yield who, mine[at[apart]], mine[later[apart]]
