"""A source without what a quarantine takes out of a stream: repeats, and trades off market.

A repeat is a record that was told before (`sources.repeated`). A trade is off market when it
stands beyond the touch of the last whole book by more than 10 spreads and more than half a per
cent of the ask, while that book has both sides and is not crossed; what no book is known of stays.
Both are the marks of `features.health`, so `flowsense doctor data` counts the same ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsense.features.health import Health
from flowsense.schema import Chunk
from flowsense.sources import chunks
from flowsense.sources.quarantine import Bad, Quarantine
from flowsense.sources.repeated import without
from flowsense.sources.within import OfFiles

NAMES = ("action", "side", "price", "lots", "order_id", "ts_event")


@dataclass(frozen=True)
class Screened(OfFiles):
    """A source whose repeats and off-market trades go to the quarantine, each with its reason."""

    quarantine: Quarantine

    def chunks(self) -> Iterator[Chunk]:
        health, at = Health(self.instruments, self.kinds), 0
        for chunk in chunks(self.source):
            marks = health.push(chunk)
            out = marks.repeats | marks.off
            for i in out.nonzero()[0].tolist():
                why = "told before" if marks.repeats[i] else "off market"
                self.put(chunk.events[i], at + i + 1, why)
            at += len(chunk.events)
            yield chunk._replace(events=without(chunk.events, out))

    def put(self, event: Any, number: int, why: str) -> None:
        """An event by its number in the stream: a file has no row of it."""
        who = self.instruments[event["instrument"]]
        said = " ".join(f"{name}={event[name]}" for name in NAMES)
        place = f"{who.symbol} {who.venue}, sequence {event['sequence']}"
        self.quarantine.put(Bad(f"{self.name}, events", number, why, f"{place}: {said}"))


def screening(folder: Path) -> Quarantine:
    """A quarantine that takes bad rows of files and, of what they tell, what is out of place.

    Raises InputError where nothing can be written.
    """
    return Quarantine(folder, Screened)
