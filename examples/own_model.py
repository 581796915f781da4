"""What followed each tenth of the queue imbalance in training. Gould & Bonart 2016, section 4.

A model is a frozen dataclass like `Bins`. `python own_model.py` fits it on a simulated market and
holds it to the laws; `pyproject.toml` beside it says how `flowsense run --models bins` finds it.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Rows, Tape

COLUMN = "imb_l1"


class Nothing(NamedTuple):
    """A model of single rows carries nothing along; others keep arrays here."""


@dataclass(frozen=True, slots=True)
class Bins:
    bins: int = 10
    prior: float = 10.0  # rows of the overall frequencies that each bin begins with
    targets: tuple[Target, ...] = ()  # fitted, as is what follows
    column: int = -1
    table: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 4)))  # (T, bins, 4)

    @classmethod
    def tiny(cls) -> Self:
        return cls()

    @property
    def needs(self) -> Needs:
        return Needs()

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Counting: chances of down, flat, up and the mean move of each bin. Raises InputError."""
        if COLUMN not in reader.spec.columns or any(t.kind == "magnitude" for t in labels.targets):
            raise InputError(f"bins: reads {COLUMN} of the family depth, forecasts mid and ofi")
        new = replace(self, targets=labels.targets, column=reader.spec.columns.index(COLUMN))
        place = np.concatenate([new.place(tape.rows[0]) for tape in reader])
        learn = labels.valid if labels.stop is None else labels.valid & ~labels.stop
        table = np.zeros((len(labels.targets), self.bins, 4))
        for t, found in enumerate(table):
            at, rows = place[learn[:, t]], learn[:, t]
            for y in range(3):
                found[:, y] = np.bincount(at, labels.y[rows, t] == y, self.bins)
            found[:, 3] = np.bincount(at, labels.move[rows, t], self.bins)
            counts = found[:, :3].sum(axis=0) + 1.0
            total = found[:, :3].sum(axis=1, keepdims=True) + self.prior
            found[:, :3] += self.prior * counts / counts.sum()
            found /= total
        return replace(new, table=table)

    def place(self, rows: Rows) -> NDArray[np.int64]:
        """(n,) bin of each row; a missing imbalance is 0."""
        tenths = (rows.X[:, self.column] + 1) / 2 * self.bins
        return np.clip(tenths.astype(np.int64), 0, self.bins - 1)

    def init(self, instruments: tuple[Instrument, ...]) -> Nothing:
        return Nothing()

    def predict(self, state: Nothing, tape: Tape) -> tuple[Nothing, Forecast]:
        rows = tape.rows[0]
        found = self.table[:, self.place(rows)].swapaxes(0, 1).astype(np.float32)  # (n, T, 4)
        ready = np.repeat(rows.valid[:, [self.column]], len(self.targets), axis=1)
        proba = np.where(ready[..., None], found[..., :3], np.float32(1 / 3))
        return state, Forecast(self.targets, proba, found[..., 3] * ready, ready)

    def params(self) -> dict[str, NDArray[Any]]:
        names = np.array([str(t) for t in self.targets])
        return {"targets": names, "column": np.array(self.column), "table": self.table}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        targets = tuple(Target.parse(str(name)) for name in params["targets"])
        return replace(self, targets=targets, column=int(params["column"]), table=params["table"])


def main() -> None:
    from rich import print

    from flowsense.features.catalogue import spec
    from flowsense.simulate.market import Market, simulate
    from flowsense.testing import Recording, check_model, tape_of
    from flowsense.train.dataset import prepare

    made, features = simulate(Market.tiny(), seconds=60, seed=0), spec(("depth",))
    data = prepare(Recording(made.instruments, made.events), features, (Target.parse("mid@500ms"),))
    model = Bins.tiny().fit(data, data.labels, seed=0, budget=Budget())
    check_model(model, tape_of(features, made.instruments, made.events[:1_000]))
    print("The laws hold. Chances of down, flat, up by tenth of the imbalance, and the mean move:")
    print(model.table[0].round(3))


if __name__ == "__main__":
    main()
