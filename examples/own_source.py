"""A recorder of one's own: JSON lines like {"t": ns, "bids": {"100.01": 5}, "asks": {}}.

A line tells the levels that changed at a time, 0 where one is gone; the first tells the whole book.
`python own_source.py` writes such a file and holds what is read to the laws of a stream;
`pyproject.toml` beside it says how `flowsense run BOOK.jsonl` finds this module.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import (
    CLEAR,
    EVENT,
    LARGEST,
    LAST,
    SET,
    SNAPSHOT,
    Decimal,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources import Source
from flowsense.sources.files import bare_name, blocks
from flowsense.sources.units import Units, unchanged

SIDES = {"bids": 1, "asks": -1}


def cents(text: str) -> int:
    """Exactly: never through a float. Raises ValueError."""
    dollars, _, rest = text.partition(".")
    if len(rest) > 2:
        raise ValueError(text)
    return int(dollars + rest.ljust(2, "0"))


def whole(number: object, most: int = LARGEST) -> int:
    """Raises ValueError."""
    if type(number) is not int or not 0 <= number <= most:
        raise ValueError(number)
    return number


def decode(line: bytes, opens: bool, where: str) -> Events:
    """The levels of a line as SETs; the last one closes the message. Raises InputError."""
    try:
        said = json.loads(line)
        ts = whole(said["t"], 2**62)
        levels = [
            (side, whole(cents(price)), whole(size))
            for name, side in SIDES.items()
            for price, size in said[name].items()
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        start = line[:60].decode(errors="replace")
        raise InputError(f"{where}: {start!r} is no book in cents: cut it out") from None
    out = zeros(EVENT, opens + len(levels))
    out["ts_event"] = out["ts_recv"] = ts
    out["action"] = SET
    for event, level in zip(out[opens:], levels, strict=True):
        event["side"], event["price"], event["lots"] = level
    if opens:
        out["action"][0], out["bits"] = CLEAR, SNAPSHOT
    out["bits"][-1:] |= LAST
    return out


@dataclass(frozen=True)
class Books:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        symbol = bare_name(self.path).split(".")[0]
        return (Instrument(symbol, "mine", tick=Decimal(1, -2), lot=Decimal(1, 0)),)

    def in_units(self, units: Units) -> Self:
        return unchanged(self, units)

    def __iter__(self) -> Iterator[Events]:
        latest = 0
        for block in blocks(self.path):
            lines = list(enumerate(block.data.splitlines(), block.first))
            told = [decode(line, n == 1, f"{self.path}: line {n}") for n, line in lines]
            events = np.concatenate(told).view(EVENT)
            ts = np.append(latest, events["ts_recv"])
            if (np.diff(ts) < 0).any():
                raise InputError(f"{self.path}: time goes back: sort its lines by t")
            latest = int(ts[-1])
            yield events


def claims(path: Path, head: bytes) -> bool:
    return head.startswith(b'{"t"')


def open(paths: list[Path]) -> list[Source]:
    return [Books(path) for path in paths]


def walk(lines: int, seed: int) -> Iterator[str]:
    """Two levels a side about a price that wanders, written as a recorder would."""
    rng, before = np.random.default_rng(seed), dict[int, dict[str, int]]()
    for k in range(lines):
        mid, book = 10_000 + 2 * int(rng.integers(-3, 4)), dict[int, dict[str, int]]()
        for side in SIDES.values():
            prices = [mid - side * (1 + behind) for behind in (0, 1)]
            book[side] = {f"{p / 100:.2f}": int(rng.integers(1, 9)) for p in prices}
        gone = {side: dict.fromkeys(before.get(side, {}), 0) for side in book}
        told = {name: gone[side] | book[side] for name, side in SIDES.items()}
        yield json.dumps({"t": 1_704_189_600 * 10**9 + k * 37 * 10**6, **told})
        before = book


def main() -> None:
    from tempfile import TemporaryDirectory

    from rich import print

    from flowsense.features.catalogue import spec
    from flowsense.testing import check_stream

    with TemporaryDirectory() as folder:
        path = Path(folder) / "walk.jsonl"
        path.write_text("\n".join(walk(300, seed=0)) + "\n")
        (source,) = open([path])
        events = np.concatenate(list(source)).view(EVENT)
        check_stream(spec(("ofi", "depth", "spread")), source.instruments, events)
        print(f"The laws hold over {len(events)} events of {source.instruments[0].symbol}.")


if __name__ == "__main__":
    main()
