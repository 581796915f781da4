"""Recorded text, plain or compressed, as blocks of whole lines. What a line says is not here."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa

from flowsense.errors import InputError

LINES = 2_000  # of a block
READ = 1 << 20  # bytes decompressed at a time
LONGEST = 64 << 20  # bytes of a line: what is longer is no text of lines
COMPRESSED = (".zst", ".gz", ".bz2", ".xz")


class Block(NamedTuple):
    """Consecutive whole lines; only the last line of a file may lack its newline."""

    first: int  # number of its first line, from 1
    data: bytes


def bare_name(path: Path) -> str:
    """The file's name without the suffix of its compression."""
    return path.stem if path.suffix in COMPRESSED else path.name


def blocks(path: Path, lines: int = LINES) -> Iterator[Block]:
    """Blocks of exactly `lines` lines, the last one excepted, in memory that does not grow.

    Raises InputError for a file that is missing, empty, not readable, or whose compression is
    damaged or cut off.
    """
    first, rest = 1, b""
    for piece in pieces(path):
        rest += piece
        ends = np.flatnonzero(np.frombuffer(rest, np.uint8) == ord("\n"))[lines - 1 :: lines] + 1
        start = 0
        for end in ends.tolist():
            yield Block(first, rest[start:end])
            first, start = first + lines, end
        rest = rest[start:]
        if len(rest) > LONGEST and b"\n" not in rest:
            raise InputError(
                f"{path}: line {first} is longer than {LONGEST} bytes: not lines of text"
            )
    if rest:
        yield Block(first, rest)
    elif first == 1:
        raise InputError(f"{path}: is empty: copy or download it again, or leave it out")


def head(path: Path, size: int = 4_096) -> bytes:
    """The first bytes, decompressed: what a format is recognised by. Raises like `blocks`."""
    return next(pieces(path, size), b"")


def pieces(path: Path, size: int = READ) -> Iterator[bytes]:
    """The content in runs of at most `size` bytes; none of an empty file. Raises like `blocks`."""
    with reading(path) as file:
        while piece := file.read(size):
            yield piece


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The file open for reading, its errors told as InputError."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder: name a file in it")
    try:
        with decompressed(path) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: check the name") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read: check its permissions") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        if path.suffix not in COMPRESSED:
            raise InputError(f"{path}: cannot be read ({error})") from None
        raise InputError(
            f"{path}: its {path.suffix} compression is damaged or cut off: "
            "copy or download it again"
        ) from None


def decompressed(path: Path) -> BinaryIO:
    match path.suffix:
        case ".zst":
            return cast(BinaryIO, pa.input_stream(path, compression="zstd"))
        case ".gz":
            return cast(BinaryIO, gzip.open(path))
        case ".bz2":
            return cast(BinaryIO, bz2.open(path))
        case ".xz":
            return cast(BinaryIO, lzma.open(path))
    return path.open("rb")
