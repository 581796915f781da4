"""Numbers under names and fixed labels, as Prometheus reads them; how many there can be is bounded.

https://prometheus.io/docs/instrumenting/exposition_formats/. Written on one thread; whoever reads
them on another sees each number as it was or as it is.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

OTHER = "other"  # in place of a label that is not of the fixed ones
MOST = 1_900  # series; with those of the process and the interpreter below 2,000
HUGE = 1e18  # sums of what is less stay finite
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """One name: what it counts or measures, in the unit that its name ends with."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: Key = ()
    buckets: tuple[float, ...] = ()  # upper ends, inclusive, rising; of a histogram alone

    @property
    def width(self) -> int:
        """Series that one set of labels takes."""
        return len(self.buckets) + 3 if self.kind == "histogram" else 1

    @property
    def exposed(self) -> Key:
        """The names of its series, as queries have them."""
        ends = ("_bucket", "_count", "_sum") if self.kind == "histogram" else ("",)
        return tuple(self.name + end for end in ends)

    def heads(self, key: Key) -> list[str]:
        """What stands before the numbers under these labels."""
        labels = [spelt(*pair) for pair in zip(self.labels, key, strict=True)]
        if self.kind != "histogram":
            return [self.name + braced(labels)]
        ends = (*map(str, map(float, self.buckets)), "+Inf")
        each = [f"{self.name}_bucket{braced([*labels, spelt('le', end)])}" for end in ends]
        return [*each, *(f"{self.name}_{what}{braced(labels)}" for what in ("count", "sum"))]


class Series:
    """Nothing non-finite gets in; what was refused is counted in `refused`.

    allowed: of each label the values it may have; others become `OTHER` in what is counted, and
    are left out of what is measured, where one would only overwrite the other. A label that is
    not named may have any value.
    """

    def __init__(self, families: tuple[Family, ...], allowed: Mapping[str, frozenset[str]]) -> None:
        self.families = {family.name: family for family in families}
        self.held: dict[str, dict[Key, list[float]]] = {family.name: {} for family in families}
        self.heads: dict[tuple[str, Key], list[str]] = {}
        self.allowed = dict(allowed)
        self.count = self.refused = 0

    def add(self, name: str, key: Key = (), by: float = 1.0) -> None:
        """Counts on."""
        row = self._row(name, key, by)
        if row is not None and by > 0:
            row[0] += float(by)

    def put(self, name: str, value: float, key: Key = ()) -> None:
        """The number as it is now; of a counter, the total."""
        row = self._row(name, key, value)
        if row is not None:
            row[0] = float(value)

    def see(self, name: str, value: float, key: Key = ()) -> None:
        """One more value of a histogram."""
        row = self._row(name, key, value)
        if row is not None:
            row[bisect_left(self.families[name].buckets, value)] += 1
            row[-1] += float(value)

    def forget(self, name: str, value: str | None = None) -> None:
        """The series of a family; with a value, those that have it as their first label."""
        self._drop(name, [k for k in self.held[name] if value is None or k[0] == value])

    def allow(self, label: str, values: frozenset[str]) -> None:
        """Other values from now on; series with a value that is none of them any more end."""
        self.allowed[label] = values
        for name, family in self.families.items():
            if label in family.labels:
                place, kept = family.labels.index(label), values | {OTHER}
                self._drop(name, [key for key in self.held[name] if key[place] not in kept])

    def read(self, name: str) -> dict[Key, float]:
        """What counters and gauges are at, by their labels."""
        return {key: row[0] for key, row in self.held[name].items()}

    def text(self) -> str:
        """All of it, as it is scraped."""
        lines = list[str]()
        for name, family in self.families.items():
            lines += (f"# HELP {name} {family.says}", f"# TYPE {name} {family.kind}")
            for key, row in list(self.held[name].items()):
                if family.kind == "histogram":
                    row = [*accumulate(row[:-1]), sum(row[:-1]), row[-1]]
                heads = zip(self.heads[name, key], row, strict=True)
                lines += [f"{head} {value!r}" for head, value in heads]
        return "\n".join((*lines, ""))

    def _row(self, name: str, key: Key, value: float) -> list[float] | None:
        """The numbers under these labels; None where the value or the labels are refused."""
        if not abs(value) <= HUGE:
            self.refused += 1
            return None
        row = self.held[name].get(key)
        return self._begun(self.families[name], key) if row is None else row

    def _begun(self, family: Family, key: Key) -> list[float] | None:
        """As `_row`, of labels that may be others, or not have been seen yet."""
        key, held = self._known(family, key), self.held[family.name]
        if OTHER in key and family.kind == "gauge":
            return None
        if key not in held and self.count + family.width > MOST:
            self.refused += 1
            return None
        if key not in held:
            self.count += family.width
            self.heads[family.name, key] = family.heads(key)
            held[key] = [0.0] * (len(family.buckets) + 2 if family.kind == "histogram" else 1)
        return held[key]

    def _known(self, family: Family, key: Key) -> Key:
        if len(family.labels) != len(key):
            raise ValueError(f"{family.name} has the labels {family.labels}, not {key}")
        pairs = zip(family.labels, key, strict=True)
        return tuple(v if v in self.allowed.get(label, (v,)) else OTHER for label, v in pairs)

    def _drop(self, name: str, gone: list[Key]) -> None:
        self.count -= len(gone) * self.families[name].width
        for key in gone:
            del self.held[name][key], self.heads[name, key]


def braced(labels: list[str]) -> str:
    return "{" + ",".join(labels) + "}" if labels else ""


def spelt(label: str, value: str) -> str:
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n")):
        value = value.replace(plain, escaped)
    return f'{label}="{value}"'
