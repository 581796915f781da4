"""Who listens to predictions, and what they were told."""

from bisect import bisect_right
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from inspect import isawaitable
from typing import Any, TypeAlias

import numpy as np

from flowsense.schema import Instrument
from flowsense.serve import Explanation, Prediction, Swap
from flowsense.serve.asking import place
from flowsense.serve.decisions import Decided
from flowsense.serve.explaining import explained
from flowsense.serve.inbox import Batch
from flowsense.serve.observer import Observer
from flowsense.serve.speaking import latencies, predictions
from flowsense.serve.swapping import Loaded
from flowsense.serve.tasks import Tasks
from flowsense.wall import elapsed

Listener: TypeAlias = Callable[[Prediction], Any]


class Audience:
    """All that listen, and the newest that was told. On the loop.

    tasks: go on with listeners that are coroutine functions.
    """

    def __init__(self, kept: int, tasks: Tasks) -> None:
        self.tasks = tasks
        self.listeners = list[Listener]()
        self.warned = list[Callable[[Prediction], None]]()  # of what has become stale
        self.observers = list[Observer]()
        self.table: tuple[Instrument, ...] = ()
        self.count = 0  # of all that was told; the newest sequence
        self.recent = deque[Prediction](maxlen=kept)
        self.of = dict[tuple[str, str], Prediction]()
        self.rows = dict[tuple[str, str], tuple[Decided, int, Loaded]]()  # that these are of

    def subscribe(
        self, hear: Listener, stale: Callable[[Prediction], None] | None = None
    ) -> Callable[[], None]:
        self.listeners.append(hear)
        if stale is not None:
            self.warned.append(stale)

        def forget() -> None:
            if hear in self.listeners:
                self.listeners.remove(hear)
            if stale in self.warned:
                self.warned.remove(stale)

        return forget

    def tell(self, batch: Batch, decided: list[Decided], by: Loaded, begun: float) -> None:
        """All that came of a batch, in order; its work began at `begun`."""
        risk, at, done = by.decisions.risk, 0, elapsed()
        counted = by.decisions.engine.fold.spec.clocks[0].startswith("events")
        for one in decided:
            closing = at + one.tape.rows[0].event - counted  # such rows follow their event
            at += len(one.tape.events)
            told = predictions(one, self.table, risk, self.count + 1, by.about.version)
            for r, (said, event) in enumerate(zip(told, closing.tolist(), strict=True)):
                self.rows[said.venue, said.symbol] = one, r, by
                heard = batch.heard[bisect_right(batch.ends, event)]
                said.latency_us.update(latencies(heard, begun, done, one.spent, elapsed()))
                self._tell(said)
        for k in np.flatnonzero(by.decisions.stale).tolist():
            self._mark(self.table[k].venue, self.table[k].symbol)
        for observer in self.observers:
            observer.decided(decided)

    def swapped(self, swap: Swap) -> Swap:
        """The same, told."""
        for observer in self.observers:
            observer.swapped(swap)
        return swap

    def _tell(self, said: Prediction) -> None:
        self.count = said.sequence
        self.recent.append(said)
        self.of[said.venue, said.symbol] = said
        for listener in (*self.listeners,):
            result = listener(said)
            if isawaitable(result):
                self.tasks.spawn("a listener", awaited(result))
        for observer in self.observers:
            observer.told(said)

    def ended(self) -> None:
        """Nothing is heard any more: what was told last is of no time that goes on."""
        for venue, symbol in [*self.of]:
            self._mark(venue, symbol)

    def _mark(self, venue: str, symbol: str) -> None:
        """The newest of an instrument, if there is one, is marked and told again, once."""
        said = self.of.get((venue, symbol))
        if said is None or said.stale:
            return
        marked = self.of[venue, symbol] = replace(said, stale=True)
        for k in range(len(self.recent) - 1, -1, -1):
            if self.recent[k].sequence == said.sequence:
                self.recent[k] = marked
                break
        for hear in (*self.warned,):
            hear(marked)

    def latest(self, symbol: str, venue: str = "") -> Prediction | None:
        """None before the first. Raises InputError for an instrument that is not heard."""
        found = self.table[place(self.table, symbol, venue)]
        return self.of.get((found.venue, symbol))

    def explain(self, symbol: str, venue: str = "") -> Explanation | None:
        """Of the latest prediction, by the model that said it."""
        said = self.latest(symbol, venue)
        if said is None:
            return None
        return explained(said, *self.rows[said.venue, said.symbol])

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        return tuple(p for p in self.recent if p.sequence > sequence)


async def awaited(result: Awaitable[Any]) -> None:
    await result
