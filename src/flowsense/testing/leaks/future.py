"""Features: no row may change when what came after it is cut off, replaced or moved in time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.features.catalogue import columns
from flowsense.schema import Bars, Chunk, Events, Instrument, Observations
from flowsense.tape import FeatureSpec, Rows, Tape
from flowsense.testing.leaks.findings import Finding, sentence
from flowsense.testing.streams import assert_same, cut, poisoned, tape_of

CUT, GARBAGE, SHIFTED, AGAIN = "cut", "garbage", "shifted", "again"
CHECKS = (CUT, GARBAGE, SHIFTED, AGAIN)
FURTHEST = 5_000_000_000  # ns by which the future comes later
ROWS = "rows"  # what is no column of any family: times, instruments, books
Instruments = tuple[Instrument, ...]


def check_families(
    spec: FeatureSpec, instruments: Instruments, stream: Chunk, points: int, seed: int = 0
) -> list[Finding]:
    """Of each family, whether its columns hold in other futures after each of some points.

    ``cut``: the stream ends there; ``garbage``: noise at the same times; ``shifted``: the same
    records sooner and later; ``again``: the very same stream, once all that is done.
    """
    rng, m = np.random.default_rng(seed), len(stream.events)
    broken = dict[tuple[str, str], str]()
    whole = tape_of(spec, instruments, stream)
    some = rng.choice(np.arange(1, m), min(points, m - 1), replace=False)
    for p in some.tolist():
        known = int(stream.events["ts_recv"][p - 1])
        for check, other in futures(stream, p, len(instruments), rng):
            now = tape_of(spec, instruments, other)
            for name, why in differences(spec, until(whole, p, known), until(now, p, known)):
                broken.setdefault((check, name), f"{why}, with another future after {known}")
    again = tape_of(spec, instruments, stream)
    for name, why in differences(spec, whole.rows, again.rows):
        broken.setdefault((AGAIN, name), f"{why}, in a second pass: it remembers elsewhere")
    names = [name for name, _ in spec.versions] + [ROWS] * any(n == ROWS for _, n in broken)
    good = f"{len(whole.rows[0].ts)} rows, {len(some)} points"
    return [
        Finding(check, name, (check, name) in broken, broken.get((check, name), good))
        for name in names
        for check in CHECKS
    ]


def futures(
    stream: Chunk, p: int, instruments: int, rng: np.random.Generator
) -> Iterator[tuple[str, Chunk]]:
    """Streams that are the same as far as position p of the events."""
    head = next(cut(stream, (p,)))
    yield CUT, head
    yield GARBAGE, poisoned(stream, head, instruments, rng)
    gap = int(stream.events["ts_recv"][p] - stream.events["ts_recv"][p - 1])
    yield SHIFTED, shifted(stream, head, -gap)
    yield SHIFTED, shifted(stream, head, int(rng.integers(1, FURTHEST)))


def shifted(stream: Chunk, head: Chunk, by: int) -> Chunk:
    """What comes after the head comes so many ns later, but never before the head's end."""
    last = int(head.events["ts_recv"][-1])
    return Chunk(
        moved(stream.events, len(head.events), by, last),
        moved(stream.bars, len(head.bars), by, last + 1),
        moved(stream.observations, len(head.observations), by, last + 1),
    )


def moved(
    records: Events | Bars | Observations, n: int, by: int, least: int
) -> Events | Bars | Observations:
    """The same from place n on at other times, none before `least`."""
    out = records.copy()
    late = out[n:]
    for name in ("ts_event", "ts_open"):
        if name in (late.dtype.names or ()):
            late[name] += by
    late["ts_recv"] = np.maximum(late["ts_recv"] + by, least)
    return np.asarray(out.view(records.dtype))


def until(tape: Tape, p: int, known: int) -> tuple[Rows, ...]:
    """The rows that were due when the event at p had not come yet."""
    return tuple(r.take((r.ts <= known) & (r.event <= p)) for r in tape.rows)


def differences(
    spec: FeatureSpec, ours: tuple[Rows, ...], theirs: tuple[Rows, ...]
) -> Iterator[tuple[str, str]]:
    """The families whose columns are not the same bit for bit, and the first place of each."""
    for a, b in zip(ours, theirs, strict=True):
        if alike(a, b):
            continue
        try:
            assert_same(narrowed(a, slice(0)), narrowed(b, slice(0)), "")
        except AssertionError as error:
            yield ROWS, said(error)
            continue
        for name, where in places(spec):
            try:
                assert_same(narrowed(a, where), narrowed(b, where), "", columns=spec.columns[where])
            except AssertionError as error:
                yield name, said(error)


def alike(a: Rows, b: Rows) -> bool:
    pairs: Iterator[tuple[Any, Any]] = zip(a, b, strict=True)
    return all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)


def said(error: AssertionError) -> str:
    return sentence(error).removeprefix(": ").removeprefix("X differs ")


def narrowed(rows: Rows, where: slice) -> Rows:
    def some(x: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.ascontiguousarray(x[:, where])

    return rows._replace(X=some(rows.X), valid=some(rows.valid))  # type: ignore[arg-type]


def places(spec: FeatureSpec) -> Iterator[tuple[str, slice]]:
    """Each family, and where its columns are."""
    at = 0
    for name, _ in spec.versions:
        width = len(columns((name,)))
        yield name, slice(at, at + width)
        at += width
