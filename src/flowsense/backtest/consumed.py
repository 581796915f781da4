"""How far a stream was consumed, and what of it is still to come; chunks as bytes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import BAR, EVENT, OBSERVATION, Chunk

KINDS = (EVENT, BAR, OBSERVATION)
NAMES = ("events", "bars", "observations")
WIDTHS = np.dtype("<u4")


class Position(NamedTuple):
    """How far a stream was consumed: records of each kind, and a checksum of them."""

    counts: tuple[int, ...] = (0, 0, 0)  # events, bars, observations
    checksums: tuple[int, ...] = (0, 0, 0)  # CRC-32
    ts: int = 0  # ns, ts_recv of the last event

    def after(self, chunk: Chunk) -> "Position":
        counts = tuple(n + len(part) for n, part in zip(self.counts, chunk, strict=True))
        pairs = zip(self.checksums, chunk, strict=True)
        sums = tuple(crc32(part.tobytes(), x) if len(part) else x for x, part in pairs)
        ts = int(chunk.events["ts_recv"][-1]) if len(chunk.events) else self.ts
        return Position(counts, sums, ts)


def never() -> bool:
    return False


def ahead(
    stream: Iterable[Chunk], position: Position, over: Callable[[], bool] = never
) -> Iterator[Chunk]:
    """Of a recording from its beginning what lies behind a position.

    It ends where `over` says so before a chunk of the recording, so that all end at the same
    record, wherever they were interrupted. Raises InputError where what was consumed is not what
    the recording begins with.
    """
    passed = Position()
    for chunk in stream:
        behind, rest = divided(chunk, passed.counts, position.counts)
        passed = passed.after(behind)
        if any(map(len, rest)):
            same(passed, position)
            if over() and not any(map(len, behind)):
                return
            yield rest
    same(passed, position)


def same(passed: Position, position: Position) -> None:
    """Raises InputError where a recording is another one than what was consumed."""
    if passed == position:
        return
    for name, n, m in zip(NAMES, passed.counts, position.counts, strict=True):
        if n < m:
            raise InputError(
                f"ends after {n:,} {name}, {m:,} of it were traded: name the recording that was"
                " traded, or another folder"
            )
    raise InputError(
        f"its first {position.counts[0]:,} events are not those that were traded: name the"
        " recording that was, or another folder"
    )


def encoded(chunk: Chunk) -> bytes:
    counts = np.array([len(part) for part in chunk], WIDTHS).tobytes()
    return b"".join([counts, *(part.tobytes() for part in chunk)])


def decoded(content: bytes) -> Chunk:
    counts, at = np.frombuffer(content, WIDTHS, len(KINDS)).tolist(), WIDTHS.itemsize * len(KINDS)
    parts = list[NDArray[Any]]()
    for n, dtype in zip(counts, KINDS, strict=True):
        parts.append(np.frombuffer(content, dtype, n, at).copy().view(dtype))
        at += n * dtype.itemsize
    return Chunk(*parts)


def divided(chunk: Chunk, passed: tuple[int, ...], until: tuple[int, ...]) -> tuple[Chunk, Chunk]:
    """What of it lies before a position, and what behind; so many were passed before it."""
    return cut(chunk, [max(u - p, 0) for p, u in zip(passed, until, strict=True)])


def cut(chunk: Chunk, counts: Sequence[int]) -> tuple[Chunk, Chunk]:
    """So many records of each kind, and the rest."""
    pairs = list(zip(chunk, counts, strict=True))
    return Chunk(*(x[:n] for x, n in pairs)), Chunk(*(x[n:] for x, n in pairs))
