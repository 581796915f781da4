"""Files of ITCH 5.0, raw or captured, as blocks of whole messages, each after its length."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.sources.files import pieces
from flowsense.sources.itch_decode import fitting
from flowsense.sources.itch_packets import MAGIC, Packet, packets

SIZE = 1 << 17  # bytes of a block, about: some thousand messages


class Block(NamedTuple):
    """Consecutive whole messages."""

    data: NDArray[np.int8]
    packets: NDArray[np.int64]  # (p, 3): where each ends, ns when it came, its first sequence
    lost: bool  # something before it is missing for good


def is_capture(head: bytes) -> bool:
    return head[:4] in MAGIC


def blocks(path: Path, capture: bool, counts: Counter[str]) -> Iterator[Block]:
    """Memory does not grow. Raises InputError."""
    return captured(path, counts) if capture else raw(path)


def raw(path: Path) -> Iterator[Block]:
    rest, any = b"", False
    for piece in pieces(path, SIZE):
        data = np.frombuffer(rest + piece, np.int8)
        end = fitting(data)
        rest, any = data[end:].tobytes(), True
        if end:
            yield Block(data[:end], np.array([[end, 0, 0]]), False)
    if rest:
        raise InputError(f"{path}: ends inside a message: copy or download it again")
    if not any:
        raise InputError(f"{path}: is empty: copy or download it again, or leave it out")


def captured(path: Path, counts: Counter[str]) -> Iterator[Block]:
    held: list[Packet] = []
    size = 0
    for packet in packets(path, counts):
        if held and (packet.lost or size > SIZE):
            yield block(held)
            held, size = [], 0
        held.append(packet)
        size += len(packet.data)
    if held:
        yield block(held)


def block(held: list[Packet]) -> Block:
    ends = np.cumsum([len(p.data) for p in held])
    table = np.column_stack([ends, [p.ts for p in held], [p.first for p in held]])
    data = np.frombuffer(b"".join(p.data for p in held), np.int8)
    return Block(data, table.astype(np.int64), held[0].lost)
