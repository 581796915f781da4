"""Columns of any table as exact integers: decimals without a float, times in ns, words as codes."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel
from flowsense.errors import InputError
from flowsense.schema import NEVER

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
Ints: TypeAlias = NDArray[np.int64]
UNITS: dict[str, int] = {"s": 9, "ms": 6, "us": 3, "ns": 0}  # decimals of a whole ns
MOST = 9 * 10**17  # a mantissa below this can take one more digit
FINEST = 18  # decimals
BAD, BLANK = 1 << 20, 1 << 21  # in place of decimals
BLANKS = ("", "nan", "null", "none", "na", "n/a", "<na>")
SPACE, POINT, PLUS, MINUS, ZERO, NINE, LITTLE, BIG = (ord(c) for c in " .+-09eE")


class Place(NamedTuple):
    """Where cells stand, for whoever has to correct them."""

    table: str
    column: str
    first: int  # number of the first row, counted from 1 below the names

    def wrong(self, i: Any, value: object, fix: str) -> InputError:
        row = self.first + int(i)
        return InputError(f"{self.table}: row {row}, column {self.column!r}: {value!r:.60} {fix}")


class Exact(NamedTuple):
    values: Ints  # (n,) times 10**scale; 0 where missing
    missing: NDArray[np.bool_]  # (n,)
    scale: int


@kernel
def fixed(text: Record, i: int, end: int) -> tuple[int, int, int]:
    """-> mantissa, decimals without the zeros that end them, where it ends: -1 if there is none."""
    value, scale, zeros, digits, fraction = 0, 0, 0, 0, False
    while i < end:
        c = int(text[i])
        if c == POINT and not fraction:
            fraction = True
        elif c < ZERO or c > NINE:
            break
        elif c == ZERO and fraction:
            digits, zeros = 1, zeros + 1
        else:
            for _ in range(zeros + 1):
                if value >= MOST:
                    return 0, 0, -1
                value *= 10
            value += c - ZERO
            scale += zeros + 1 if fraction else 0
            digits, zeros = 1, 0
        i += 1
    return value, scale, i if digits else -1


@kernel
def power(text: Record, i: int, end: int) -> tuple[int, int]:
    """-> the exponent of ten, 0 where none stands, and where it ends: -1 if it lacks its digits."""
    if i == end or text[i] not in (LITTLE, BIG):
        return 0, i
    i += 1
    sign = -1 if i < end and text[i] == MINUS else 1
    i += 1 if i < end and text[i] in (PLUS, MINUS) else 0
    start, value = i, 0
    while i < end and ZERO <= text[i] <= NINE and value < 1000:
        value = value * 10 + int(text[i]) - ZERO
        i += 1
    return sign * value, i if i > start else -1


@compiled(types.void(array("i1", readonly=True), array("i4", readonly=True), *2 * [array("i8")]))
def scan(text: Any, offsets: Any, mantissa: Any, places: Any) -> None:
    """Each text as mantissa / 10**places; places is BAD where it is no number."""
    for r in range(len(mantissa)):
        i, end = offsets[r], offsets[r + 1]
        while i < end and text[i] == SPACE:
            i += 1
        while i < end and text[end - 1] == SPACE:
            end -= 1
        sign = -1 if i < end and text[i] == MINUS else 1
        i += 1 if i < end and text[i] in (PLUS, MINUS) else 0
        value, scale, i = fixed(text, i, end)
        shift = 0
        if i >= 0:
            shift, i = power(text, i, end)
        whole = i == end
        mantissa[r], places[r] = (sign * value, scale - shift) if whole else (0, BAD)


def exact(cells: pa.Array, scale: int, at: Place) -> Exact:
    """Numbers of any column type, times 10**scale, or a finer scale where they need one.

    Blank cells and NaN are missing. Raises InputError naming the first cell that is no number, or
    too large or too fine for one.
    """
    if pa.types.is_integer(cells.type) and not pa.types.is_uint64(cells.type):
        missing = cells.is_null().to_numpy(zero_copy_only=False)
        whole = pc.fill_null(cells, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return raised(whole, np.where(missing, BLANK, 0), scale, at)
    if pa.types.is_float64(cells.type):
        found = floats(pc.fill_null(cells, np.nan).to_numpy(zero_copy_only=False), scale)
        if found is not None:
            return found
    texts = plain(cells, at)
    mantissa, places = np.empty((2, len(texts)), np.int64)
    data = texts.buffers()[2]
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)
    scan(np.frombuffer(data or b"", np.int8), offsets, mantissa, places)
    for i in np.flatnonzero(places == BAD):
        text = texts[i].as_py()
        if text is not None and text.strip().lower() not in BLANKS:
            raise at.wrong(i, text, "is not a finite number of at most 18 digits: correct it")
        places[i] = BLANK
    return raised(mantissa, places, scale, at)


def floats(x: NDArray[np.float64], scale: int) -> Exact | None:
    """Those whose shortest decimal text has at most 15 digits and 15 decimals; None for others."""
    missing = np.isnan(x)
    x = np.where(missing, 0.0, x)
    for s in range(scale, 16):
        with np.errstate(over="ignore"):
            mantissa = np.rint(x * 10.0**s)
        if not np.abs(mantissa).max(initial=0) < 1e15:
            return None
        if np.array_equal(mantissa / 10.0**s, x):  # correctly rounded, so this is its shortest text
            return Exact(mantissa.astype(np.int64), missing, s)
    return None


def raised(mantissa: Ints, places: Ints, scale: int, at: Place) -> Exact:
    """All with the same number of decimals, at least `scale`."""
    missing, zero = places == BLANK, mantissa == 0
    needed = np.where(missing | zero, 0, places)
    scale = max(scale, int(needed.max(initial=0)))
    if scale > FINEST:
        i = int(needed.argmax())
        raise at.wrong(i, f"{mantissa[i]}e-{places[i]}", f"has more than {FINEST} decimals: round")
    power = np.where(zero | missing, 0, scale - needed)
    fits = (power <= 18) & (np.abs(mantissa) <= (2**63 - 1) // 10 ** np.minimum(power, 18))
    if not fits.all():
        i = int(fits.argmin())
        text = f"{mantissa[i]}e{-places[i]}"
        raise at.wrong(
            i, text, f"is too large with {scale} decimals, which others have: round them"
        )
    values = np.where(missing, 0, mantissa) * 10**power
    return Exact(values, missing, scale)


class Reals(NamedTuple):
    values: NDArray[np.float64]  # (n,) finite; 0 where missing
    missing: NDArray[np.bool_]  # (n,)


def reals(cells: pa.Array, at: Place) -> Reals:
    """Numbers of any column type as float64. Blank is missing; NaN is not blank, it is refused.

    Raises InputError naming the first cell that is no finite number.
    """
    kind = pa.types
    if not any(
        is_(cells.type)
        for is_ in (
            kind.is_integer,
            kind.is_float64,
            kind.is_boolean,
            kind.is_decimal,
            kind.is_null,
        )
    ):  # text, and narrow floats: their shortest text has no noise of float64
        cells = pc.utf8_trim_whitespace(plain(cells, at))
        cells = pc.if_else(pc.equal(cells, ""), None, cells)

    def reads(n: int) -> bool:
        try:
            values = pc.cast(cells[:n], pa.float64(), safe=False)
        except pa.ArrowException:
            return False
        return bool(pc.all(pc.is_finite(values)).as_py() is not False)

    if not reads(len(cells)):
        i = bisect_left(range(1, len(cells) + 1), True, key=lambda n: not reads(n))
        raise at.wrong(i, shown(cells, i), "is not a finite number: correct it, or leave it blank")
    missing = cells.is_null().to_numpy(zero_copy_only=False)
    numbers = pc.fill_null(pc.cast(cells, pa.float64(), safe=False), 0.0)
    return Reals(numbers.to_numpy(zero_copy_only=False), missing)


def shown(cells: pa.Array, i: Any) -> str:
    """One cell as text, for a message."""
    return str(plain(cells.slice(int(i), 1), Place("", "", 0))[0])


def plain(cells: pa.Array, at: Place) -> pa.Array:
    """As text; floats as the shortest that reads back."""
    try:
        if pa.types.is_dictionary(cells.type):
            return pc.take(pc.cast(cells.dictionary, pa.string()), cells.indices)
        return pc.cast(cells, pa.string())
    except pa.ArrowException:
        raise InputError(f"{at.table}: column {at.column!r} is {cells.type}: map another") from None


def time_unit(cells: pa.Array, at: Place) -> TimeUnit:
    """What the first cell must be if it lies between 1973 and 5138."""
    if pa.types.is_timestamp(cells.type):
        return "ns"
    first = plain(cells[:1], at)
    try:
        value = exact(first, 0, at)
    except InputError:
        return "iso"
    size = abs(int(value.values[0])) // 10**value.scale
    if size < 10**14:
        return "s" if size < 10**11 else "ms"
    return "us" if size < 10**17 else "ns"


def times(cells: pa.Array, unit: TimeUnit, at: Place) -> Ints:
    """(n,) ns since 1970 UTC. Raises InputError naming the first cell that is no time."""
    iso = pa.types.is_timestamp(cells.type) or unit == "iso"
    ns = stamps(cells, at) if iso else counted(cells, unit, at)
    if not (ns < NEVER).all():
        i = int((ns >= NEVER).argmax())
        raise at.wrong(i, shown(cells, i), "is after 2115: is it another unit?")
    return ns


def counted(cells: pa.Array, unit: TimeUnit, at: Place) -> Ints:
    """Of numbers in a unit."""
    found = exact(cells, UNITS[unit], at)
    if found.missing.any():
        raise at.wrong(found.missing.argmax(), "", "is no time: fill it in or remove the row")
    fine = found.values % 10 ** (found.scale - UNITS[unit]) != 0
    if fine.any():
        i = int(fine.argmax())
        raise at.wrong(i, shown(cells, i), f"is finer than 1 ns in {unit}: is it another unit?")
    ns: Ints = found.values // 10 ** (found.scale - UNITS[unit])
    return ns


def stamps(cells: pa.Array, at: Place) -> Ints:
    """Of Arrow timestamps and of ISO 8601; without a zone they are UTC."""
    zone = getattr(cells.type, "tz", None)
    if not pa.types.is_timestamp(cells.type):
        cells = pc.utf8_trim_whitespace(plain(cells, at))
        first = cells[0].as_py() if len(cells) else ""
        zone = "UTC" if first and zoned(first) else None
    kind = pa.timestamp("ns", zone)

    def reads(n: int) -> bool:
        try:
            return bool(pc.cast(cells[:n], kind).null_count == 0)
        except pa.ArrowException:
            return False

    if not reads(len(cells)):
        i = bisect_left(range(1, len(cells) + 1), True, key=lambda n: not reads(n))
        raise at.wrong(i, shown(cells, i), "is no time: write 2024-01-31T09:30:00.5Z, or a number")
    ns: Ints = np.asarray(pc.cast(pc.cast(cells, kind), pa.int64()))
    return ns


def zoned(text: str) -> bool:
    clock = text[10:]
    return clock.endswith(("Z", "z")) or "+" in clock or "-" in clock


def words(cells: pa.Array, meaning: Mapping[str, int], at: Place) -> Ints:
    """(n,) what each word means, whatever its case. Raises InputError naming an unknown one."""
    found = pc.utf8_lower(pc.utf8_trim_whitespace(plain(cells, at)))
    found = pc.dictionary_encode(pc.fill_null(found, ""))
    indices = np.asarray(found.indices.to_numpy())
    known = found.dictionary.to_pylist()
    for k, word in enumerate(known):
        if word not in meaning:
            said = ", ".join(sorted(w for w in meaning if w))
            raise at.wrong(
                (indices == k).argmax(), word, f"is not one of {said}: map another column"
            )
    out: Ints = np.array([meaning[w] for w in known], np.int64)[indices]
    return out


def check_unit(unit: str | None) -> None:
    if unit is not None and unit not in get_args(TimeUnit):
        raise InputError(f"unit {unit!r}: write one of {', '.join(get_args(TimeUnit))}")
