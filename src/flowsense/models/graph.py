"""Attention over a graph of all instruments, rebuilt from what they did. Velickovic et al. 2018."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Forecast
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.graph.links import Links, links
from flowsense.model.graph.rolling import Rolling
from flowsense.model.graph.typed import strategies
from flowsense.nn import networks
from flowsense.nn.net import Net, Shape, needs_torch
from flowsense.schema import Instrument
from flowsense.tape import Reader, Tape

NO_WORDS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Graph(Net):
    """Columns `forecast/NAME` are heard as strategies: see `model.graph.typed`."""

    history: int = 16
    epochs: int = 12
    epoch: int = 30
    batch: int = 64
    patience: int = 3
    rate: float = 3e-3
    units: int = 16  # of a node, before attention
    heads: int = 4
    head: int = 16  # of each: 64 side by side
    layers: int = 2
    dropout: float = 0.2
    words: NDArray[np.int64] | None = None  # (S,) columns of strategies, of the fit

    @classmethod
    def tiny(cls) -> Self:
        return cls(history=4, batch=8, epochs=2, epoch=3, units=8, head=4, heads=2)

    @property
    def streams(self) -> bool:
        return False

    @property
    def across(self) -> bool:
        return True

    def module(self, shape: Shape) -> Any:
        of = needs_torch("flowsense.nn.architectures.graph", "graph")
        rest = {"units": self.units, "heads": self.heads, "head": self.head}
        return of.GraphNet(*shape, layers=self.layers, dropout=self.dropout, **rest)

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Steps of the budget bound epochs. Raises InputError where PyTorch is not installed."""
        fitting = needs_torch("flowsense.nn.networks_fitting", "graph")
        words = strategies(reader.spec)
        fitted, trained = fitting.fit(self, reader, labels, words, seed=seed, budget=budget)
        return replace(self, fitted=fitted, trained=trained, words=words)

    def init(self, instruments: tuple[Instrument, ...]) -> networks.Networked:
        return networks.init(self.fitted, self._words, instruments)

    def predict(self, state: networks.Networked, tape: Tape) -> tuple[networks.Networked, Forecast]:
        if self.fitted is None:
            raise InputError("graph: fit or load it before it predicts")
        return networks.predict(self.fitted, self._words, state, tape)

    def links(self, state: networks.Networked) -> Links:
        """Who is tied to whom as of a state, instruments in their order in the stream's table."""
        found: Any = links(Rolling(state.node, state.pair).copy())
        at = np.ix_(state.slot, state.slot)
        return Links(*(table[at] for table in found))

    @property
    def _words(self) -> NDArray[np.int64]:
        return NO_WORDS if self.words is None else self.words

    def params(self) -> dict[str, NDArray[Any]]:
        found = Net.params(self)
        return {**found, "words": self._words} if found else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return replace(Net.load(self, params), words=params["words"])
