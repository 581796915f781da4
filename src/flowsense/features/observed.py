"""``observed:NAME``: the value of one kind of observation that is known, and its age.

Of the observations known at a row, the one that happened last counts, in its last revision: a late
report of an earlier time changes nothing, a value not known yet is not seen. A ready table of
features is read so too, each of its columns a kind.
"""

from dataclasses import dataclass

import numpy as np

from flowsense.errors import InputError
from flowsense.features import alternative
from flowsense.schema import kind_of
from flowsense.tape import Column

PREFIX = "observed:"
STATE = np.dtype([("value", "f8"), ("ts", "i8"), ("seen", "i8")])  # per instrument and kind


@dataclass(frozen=True)
class Observed:
    """The family of one kind. Raises InputError for a name that no column can have."""

    name: str
    VERSION = 1

    def __post_init__(self) -> None:
        if not self.name or any(c.isspace() or c in ",:" for c in self.name):
            raise InputError(f"family {PREFIX + self.name!r}: name one kind, like observed:vix")

    @property
    def kind(self) -> int:
        return kind_of(self.name)

    @property
    def COLUMNS(self) -> tuple[Column, ...]:
        return alternative.observed(self.name)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return f"The last known {self.name}, and its age."
