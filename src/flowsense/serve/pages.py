"""What the pages of a Parquet file become, from their own headers, before one is decompressed.

A footer may say less than its pages hold. Headers are structs of Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md, as in
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from collections.abc import Iterator
from typing import Any

STOP, TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
PLAIN, PACKED = 2, 3  # fields of a page's header: bytes of it decompressed, and as it lies there
DEEP, LONG = 8, 1_000  # structs in each other, and items of a list; a header has fewer
MOST = 10_000  # pages of a file


class Odd(ValueError):
    """This is no header of a page."""


class Reader:
    """Of one struct, from its first byte on; `at` is behind what was read."""

    def __init__(self, body: bytes, at: int) -> None:
        self.body, self.at = body, at

    def byte(self) -> int:
        self.skip(1)
        return self.body[self.at - 1]

    def skip(self, count: int) -> None:
        if not 0 <= count <= len(self.body) - self.at:
            raise Odd("it ends too soon")
        self.at += count

    def varint(self) -> int:
        found = 0
        for shift in range(0, 70, 7):
            one = self.byte()
            found |= (one & 0x7F) << shift
            if one < 0x80:
                return found
        raise Odd("a number without end")

    def whole(self) -> int:
        """Zigzag: 0, -1, 1, -2, ..."""
        found = self.varint()
        return (found >> 1) ^ -(found & 1)

    def struct(self, depth: int = 0) -> dict[int, int]:
        """Its whole numbers by field; what else it holds is passed over."""
        if depth > DEEP:
            raise Odd("it nests too deep")
        found, field = dict[int, int](), 0
        while (head := self.byte()) != STOP:
            field = field + (head >> 4) if head >> 4 else self.whole()
            value = self.value(head & 15, depth)
            if value is not None:
                found[field] = value
        return found

    def value(self, kind: int, depth: int) -> int | None:
        """Of a field; None where it is no whole number."""
        if BYTE < kind < DOUBLE:
            return self.whole()
        if kind in (BYTE, DOUBLE):
            self.skip(1 if kind == BYTE else 8)
        elif kind == BINARY:
            self.skip(self.varint())
        elif kind in (LIST, SET):
            self.items(depth)
        elif kind == STRUCT:
            self.struct(depth + 1)
        elif kind not in (TRUE, FALSE):
            raise Odd(f"a field of kind {kind}")
        return None

    def items(self, depth: int) -> None:
        head = self.byte()
        count = head >> 4 if head >> 4 < 15 else self.varint()
        if count > LONG or depth > DEEP:
            raise Odd("a list too long")
        for _ in range(count):
            if head & 15 in (TRUE, FALSE):
                self.skip(1)
            else:
                self.value(head & 15, depth + 1)


def decompressed(body: bytes, metadata: Any) -> int:
    """Bytes of all pages of all columns. Raises Odd."""
    total = seen = read = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            read += column.total_compressed_size
            if read > len(body):
                raise Odd("columns lie in each other")
            for size in pages(body, column):
                total, seen = total + size, seen + 1
                if seen > MOST:
                    raise Odd("too many pages")
    return total


def pages(body: bytes, column: Any) -> Iterator[int]:
    """What each of a column becomes, from where Arrow begins and as far as it reads."""
    at, begin = column.data_page_offset, column.dictionary_page_offset
    if column.has_dictionary_page and begin and 0 < begin < at:
        at = begin
    end = at + column.total_compressed_size
    if not 0 < at <= end <= len(body):
        raise Odd("a column lies outside of the file")
    while at < end:
        reader = Reader(body, at)
        header = reader.struct()
        plain, packed = header.get(PLAIN, -1), header.get(PACKED, -1)
        if plain < 0 or not 0 <= packed <= end - reader.at:
            raise Odd("a page without a size")
        at = reader.at + packed
        yield plain
