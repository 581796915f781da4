"""What a source of one table is of, a file or one in memory, whatever its rows say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from flowsense.sources.batches import arrow


@dataclass(frozen=True, slots=True)
class Tabled:
    """The table, and what it is called."""

    path: Path
    table: Any = field(default=None, repr=False, compare=False, kw_only=True)  # pyarrow.Table

    @classmethod
    def of(cls, table: Any, name: str = "table", **options: Any) -> Self:
        """From a pyarrow Table, or a polars or pandas DataFrame, or what else speaks Arrow."""
        return cls(Path(name), table=arrow(table, name), **options)

    @property
    def content(self) -> Any:
        return self.path if self.table is None else self.table

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,) if self.table is None else ()
