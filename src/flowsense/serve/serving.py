"""Which model answers: what serves now, what served before it, and what takes its place."""

import asyncio
from collections import deque
from functools import partial
from pathlib import Path

from flowsense.ensemble.code import Code
from flowsense.errors import InputError
from flowsense.schema import Events
from flowsense.serve import Model, Swap
from flowsense.serve.decisions import Decided
from flowsense.serve.recent import Recent
from flowsense.serve.records import control
from flowsense.serve.swapping import Bench, Loaded, attempted, succeeded, turn
from flowsense.wall import aside, elapsed

BEFORE = 3  # models that may serve again


class Serving:
    """`decide` and `take_over` on the engine's thread, the rest on the loop.

    What they decide that a replay has to repeat is in `notes`: CONTROL records that belong before
    the events that are decided next.
    """

    def __init__(self, bench: Bench, loaded: Loaded) -> None:
        self.bench, self.loaded = bench, loaded
        loaded.decisions.seat(bench.members)
        self.models: list[Model] = [loaded.about]  # in the order in which they served
        self.before = deque[Loaded](maxlen=BEFORE)  # what a rollback goes back to
        self.rolled = deque[Swap]()  # rollbacks that nobody was told of yet
        self.notes = deque[Events]()
        self.next: tuple[Loaded, Recent] | None = None  # takes over before the next turn; it knows
        self.refused = ""  # why `next` did not take over
        self.swapped, self.reloading = asyncio.Event(), asyncio.Lock()
        self.ended = False

    def resume(self, loaded: Loaded, ts: int) -> None:
        """The same model, as it was when it ended at `ts`."""
        self.loaded.decisions.voice.close()
        self.loaded = loaded
        loaded.decisions.seat(self.bench.members)
        self.notes.append(control(ts, Code.RESUME, 0, 0))

    def end(self) -> None:
        """Nobody takes over any more."""
        self.ended = True
        self.swapped.set()

    def decide(self, recent: Recent) -> list[Decided]:
        """Of the last events of `recent`. Raises what the model raises where none is before it."""
        before, events = self.before[-1] if self.before else None, recent.queue[-1]
        found = turn(self.bench, self.loaded, before, recent)
        if found.why:
            self.before.pop()
            self.rolled.append(stays(found.loaded, found.why))
            ts = min(int(told["ts_recv"][0]) for told in (events, recent.fresh) if len(told))
            self._serves(found.loaded, ts, recent.count - len(events))
        return found.decided

    def take_over(self, recent: Recent, ts: int) -> None:
        """`next` hears what it has missed; who comes next hears it alone. It is `ts`."""
        following, self.next, old, bench = self.next, None, self.loaded, self.bench
        if following is None:
            return  # who had asked for it left meanwhile
        fresh, known = following
        found = attempted(lambda: succeeded(bench, fresh, old, known, recent))
        if isinstance(found, Exception):
            self.refused = f"the model fails on what was just heard ({found})"
            return
        self.refused = ""
        self.before.append(old)
        self._serves(found.loaded, ts, found.heard)

    def _serves(self, loaded: Loaded, ts: int, heard: int) -> None:
        """From here on; `heard`: how much it was given of what was before."""
        self.loaded.decisions.voice.close()
        self.loaded = loaded
        loaded.decisions.seat(self.bench.members)
        self.models.append(loaded.about)
        self.notes.append(control(ts, Code.SWAP, len(self.models) - 1, heard))

    async def reload(self, path: Path | None, recent: Recent, now: int) -> Swap:
        """Tried beside what serves; in its place from one turn to the next.

        None: the path of what serves. Who takes the turns is to look at `next`.
        """
        async with self.reloading:
            begun, before = elapsed(), self.loaded
            place, known = path or Path(before.about.path), recent.copied()
            try:
                fresh = await aside(partial(self.bench.canary, place, known, before, now))
            except InputError as error:
                return stays(self.loaded, str(error), begun)
            if self.ended:
                why = "the pipeline was stopped meanwhile: start it again"
                return stays(self.loaded, why, begun)
            self.swapped.clear()
            self.next, self.refused = (fresh, known), "the pipeline was stopped: start it again"
            try:
                await self.swapped.wait()
            except asyncio.CancelledError:
                self.next = None  # who asked is gone: nobody would be told
                raise
            if self.refused:
                return stays(self.loaded, self.refused, begun)
            version, after = before.about.version, fresh.about.version
            why = f"{place} holds what was served already" if after == version else ""
            return Swap(True, after, version, why, elapsed() - begun)


def stays(loaded: Loaded, why: str, begun: float | None = None) -> Swap:
    """What became of a reload, or of a model in service: this one answers."""
    version = loaded.about.version
    return Swap(False, version, version, why, 0.0 if begun is None else elapsed() - begun)
