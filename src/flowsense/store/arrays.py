"""Named arrays as bytes: an npz without pickle and without compression, read with suspicion."""

import io
import math
import struct
import tokenize
import zipfile
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowsense.errors import InputError

Arrays = dict[str, NDArray[Any]]
HEADER = 1 << 16  # bytes of an npy header; a record of hundreds of fields needs 20,000
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
DAMAGE = (
    zipfile.BadZipFile,
    ValueError,  # numpy's header, a name that is no UTF-8
    EOFError,
    KeyError,
    NotImplementedError,  # a compression or an extension of zip that Python does not know
    OverflowError,
    RuntimeError,  # an encrypted member
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    TypeError,
    MemoryError,  # Python's own parser on deep brackets
)


class CheckpointError(InputError):
    """A model file that cannot be trusted or does not fit."""


def pack(arrays: Arrays) -> bytes:
    """Arrays as bytes; the same arrays give the same bytes. Raises ValueError on objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes) -> Arrays:
    """The arrays of `pack` or `numpy.savez`, for bytes from anywhere.

    Allocates no more than the bytes given: compressed members, overlapping ones and shapes
    beyond their data are refused, and so are objects. Raises CheckpointError.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            check(members, len(data))
            return {m.filename.removesuffix(".npy"): array(archive.read(m)) for m in members}
    except DAMAGE as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"arrays: not a readable npz: {first_line(error)}") from error


def check(members: list[zipfile.ZipInfo], size: int) -> None:
    names = [m.filename for m in members]
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".npy":
            raise CheckpointError(f"arrays: the name {member.filename[:80]!r} is not allowed")
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise CheckpointError(f"arrays: {member.filename[:80]!r} is compressed")
    if len(set(names)) < len(names):
        raise CheckpointError("arrays: two of the same name")
    if sum(m.file_size for m in members) > size:
        raise CheckpointError("arrays: the members claim more bytes than there are")


def array(data: bytes) -> NDArray[Any]:
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    if version not in HEADERS or int.from_bytes(data[8 : 8 + 2 * version[0]], "little") > HEADER:
        raise CheckpointError(f"arrays: npy version {version} or a header above {HEADER} bytes")
    shape, fortran, dtype = HEADERS[version](file, max_header_size=HEADER)
    if dtype.hasobject:
        raise CheckpointError("arrays: objects are not allowed, they would run code when loaded")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(data) - file.tell():
        raise CheckpointError(f"arrays: shape {shape} of {dtype} does not fit its bytes")
    if count * dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    flat = np.frombuffer(data, dtype, count, file.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
